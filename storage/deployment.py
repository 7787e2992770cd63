"""Who this database is: an identity and a key that its tokens are authenticated with, made with the schema."""

from dataclasses import dataclass
from uuid import UUID

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Deployment:
    database_id: UUID
    token_key: bytes


async def read_deployment(connection: Connection) -> Deployment:
    """The one row that the first migration made."""
    cursor = await connection.execute("SELECT database_id, token_key FROM deployment")
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (the first migration inserts it)
    return Deployment(row[0], bytes(row[1]))
