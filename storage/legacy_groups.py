"""With which legacy rows the decisions of groups agreed last, and how many groups there are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from storage.postgres.database import Connection
from storage.postgres.instants import NOW
from storage.postgres.rows import fetch_one


async def fingerprints(connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Returns the fingerprint with which each group was aligned last. Groups that never were are missing."""
    cursor = await connection.execute(
        "SELECT group_id, fingerprint FROM legacy_group WHERE group_id = ANY(%s)", [list(group_ids)]
    )
    return {group_id: bytes(fingerprint) for group_id, fingerprint in await cursor.fetchall()}


async def store_fingerprints(tx: Connection, fingerprints: Mapping[UUID, bytes]) -> None:
    """Stores with which rows groups agree from now on. The groups must be locked."""
    ids = sorted(fingerprints)
    await tx.execute(
        "INSERT INTO legacy_group (group_id, fingerprint, aligned_at)"
        f" SELECT g.group_id, g.fingerprint, {NOW} FROM unnest(%s::uuid[], %s::bytea[]) AS g(group_id, fingerprint)"
        " ON CONFLICT (group_id) DO UPDATE SET fingerprint = excluded.fingerprint, aligned_at = excluded.aligned_at",
        [ids, [fingerprints[group_id] for group_id in ids]],
    )


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How many groups a country has in its legacy tables, and how many of them the core has."""

    legacy: int
    core: int


async def count_groups(connection: Connection, country: str) -> GroupCounts:
    """Counts the groups of a country whose ids are stored."""
    return await fetch_one(
        connection,
        GroupCounts,
        "SELECT count(*) AS legacy, count(g.group_key) AS core FROM legacy_identifier i"
        " LEFT JOIN enrollment_group g ON g.group_id = i.id WHERE i.country = %s AND i.kind = 'GROUP'",
        [country],
    )
