"""With which legacy rows the decisions of groups agreed last, and how many groups there are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from storage.group_lookup import GroupHead, group_head_of_row
from storage.postgres.database import Connection
from storage.postgres.instants import NOW
from storage.postgres.rows import fetch_all, fetch_one


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


async def core_groups(
    connection: Connection, country: str, contract_id: UUID | None, after: UUID, limit: int
) -> list[GroupHead]:
    """Returns groups under mapped contracts of a country, or one of them, that its legacy tables never had, after an
    id and in order.
    """
    return await fetch_all(
        connection,
        group_head_of_row,
        "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, g.revision FROM enrollment_group g"
        " JOIN legacy_identifier c ON c.country = %(country)s AND c.kind = 'CONTRACT' AND c.id = g.contract_id"
        " WHERE g.group_id > %(after)s AND (%(contract_id)s::uuid IS NULL OR g.contract_id = %(contract_id)s)"
        " AND NOT EXISTS (SELECT FROM legacy_identifier i WHERE i.country = %(country)s AND i.kind = 'GROUP'"
        " AND i.id = g.group_id) ORDER BY g.group_id LIMIT %(limit)s",
        {"country": country, "contract_id": contract_id, "after": after, "limit": limit},
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
