"""The identity of this database, created with the schema."""

from dataclasses import dataclass
from uuid import UUID

from storage.postgres.database import Connection
from storage.postgres.rows import fetch_one


@dataclass(frozen=True, slots=True)
class Deployment:
    """`token_key` authenticates the tokens that the servers of this database issue."""

    database_id: UUID
    token_key: bytes


async def read_deployment(connection: Connection) -> Deployment:
    """Returns the identity and the key, which the first migration inserts."""
    return await fetch_one(connection, Deployment, "SELECT database_id, token_key FROM deployment")
