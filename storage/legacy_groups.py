"""With which legacy rows the decisions of groups agree."""

from collections.abc import Collection, Mapping
from uuid import UUID

from storage.postgres.database import Connection


async def fingerprints(connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Returns the fingerprints of the rows with which groups were aligned last, by group. Others are missing."""
    cursor = await connection.execute(
        "SELECT group_id, fingerprint FROM legacy_group WHERE group_id = ANY(%s)", [list(group_ids)]
    )
    return {group_id: bytes(fingerprint) for group_id, fingerprint in await cursor.fetchall()}


async def put_fingerprints(tx: Connection, fingerprints: Mapping[UUID, bytes]) -> None:
    """Stores that locked groups are aligned with rows that have these fingerprints."""
    await tx.execute(
        "INSERT INTO legacy_group (group_id, fingerprint, aligned_at)"
        " SELECT group_id, fingerprint, clock_timestamp() FROM unnest(%s::uuid[], %s::bytea[])"
        " AS g(group_id, fingerprint) ORDER BY group_id ON CONFLICT (group_id)"
        " DO UPDATE SET fingerprint = excluded.fingerprint, aligned_at = excluded.aligned_at",
        [list(fingerprints), list(fingerprints.values())],
    )
