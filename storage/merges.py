"""Merged members: which records were merged into others, and when."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.errors import MemberMerged
from storage.postgres.database import Connection
from storage.postgres.documents import actor_to_document
from storage.postgres.instants import LATER_THAN
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_all, fetch_column, fetch_one


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge of a member into another one, and when it was recorded."""

    from_member_id: UUID
    into_member_id: UUID
    recorded_at: datetime


async def add_merge(
    tx: Connection,
    from_member_id: UUID,
    into_member_id: UUID,
    actor: Actor,
    reason: str,
    document: Any,
    later_than: datetime | None = None,
) -> Merge:
    """Stores a merge, recorded after an instant. Both members must be locked exclusively.

    `document` describes what the merge moved. Set the trail's `merge` to the result, so that all servers notice it.
    """
    return await fetch_one(
        tx,
        Merge,
        "INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, actor, reason, document)"
        f" VALUES (%s, %s, {LATER_THAN}, %s, %s, %s) RETURNING from_member_id, into_member_id, recorded_at",
        [from_member_id, into_member_id, later_than, Jsonb(actor_to_document(actor)), reason, Jsonb(document)],
    )


async def all_merges(connection: Connection) -> list[Merge]:
    """Returns every merge."""
    return await fetch_all(connection, Merge, "SELECT from_member_id, into_member_id, recorded_at FROM member_merge")


async def merges_of(connection: Connection, from_member_ids: Sequence[UUID]) -> list[Merge]:
    """Returns the merges of some members into others."""
    statement = (
        "SELECT from_member_id, into_member_id, recorded_at FROM member_merge WHERE from_member_id = ANY(%s::uuid[])"
    )
    return await fetch_all(connection, Merge, statement, [list(from_member_ids)])


async def merged_into(connection: Connection, member_id: UUID) -> list[UUID]:
    """Returns the members who were merged into a member, directly or through others."""
    return await fetch_column(
        connection,
        UUID,
        "WITH RECURSIVE merged (member_id) AS (SELECT from_member_id FROM member_merge WHERE into_member_id = %s"
        " UNION ALL SELECT m.from_member_id FROM merged JOIN member_merge m ON m.into_member_id = merged.member_id)"
        " SELECT member_id FROM merged ORDER BY member_id",
        [member_id],
    )


async def reject_merged(tx: Connection, member_ids: Iterable[UUID]) -> None:
    """Raises MemberMerged if a member was merged into another one.

    The members must be locked, so that none of them is merged until the transaction ends.
    """
    aliases = await aliases_of(tx, member_ids)
    for member_id in sorted(aliases):
        raise MemberMerged(member_id, aliases[member_id])


async def lock_unmerged(tx: Connection, member_id: UUID) -> None:
    """Makes sure that a member isn't merged until the transaction ends. Raises MemberMerged."""
    await lock(tx, Lock.MEMBER, member_id, shared=True)
    await reject_merged(tx, [member_id])


async def aliases_of(
    connection: Connection, member_ids: Iterable[UUID], until: datetime | None = None
) -> dict[UUID, UUID]:
    """Returns those of some members who were merged, with the member into whom they were merged at last.

    Only merges recorded until an instant count; None: all.
    """
    cursor = await connection.execute(
        "WITH RECURSIVE alias (member_id, into_member_id, step) AS ("
        " SELECT from_member_id, into_member_id, 1 FROM member_merge"
        " WHERE from_member_id = ANY(%s) AND (%s::timestamptz IS NULL OR recorded_at <= %s)"
        " UNION ALL SELECT a.member_id, m.into_member_id, a.step + 1 FROM alias a"
        " JOIN member_merge m ON m.from_member_id = a.into_member_id"
        " WHERE %s::timestamptz IS NULL OR m.recorded_at <= %s)"
        " SELECT member_id, into_member_id FROM alias ORDER BY step",
        [sorted(set(member_ids)), until, until, until, until],
    )
    # If a member was merged into one who was merged later, the last step remains.
    return dict(await cursor.fetchall())
