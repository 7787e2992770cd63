"""The search index of members: its rows, and the queue of members that have yet to be indexed.

A write to a member updates the member's rows in the same transaction. Members written by older servers, which don't
know the index, are queued in `member_to_index` as ranges of ids. The migration adds ranges that cover all members, and
a trigger on `member_revision` adds single members. When a member is erased or merged into another one, triggers delete
the member's rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.member_search import IndexEntry, index_entries
from domain.members import Member
from storage.postgres.database import Connection
from storage.postgres.documents import member_from_document
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_all, fetch_column, fetch_value

RANGES_PER_TRANSACTION = 50


async def update_entries(tx: Connection, member: Member, before: Member | None) -> None:
    """Replaces the rows for the previous state of a member with those for the new state.

    The member must be locked exclusively.
    """
    old = index_entries(before) if before else set()
    new = index_entries(member)
    if old - new:
        await _remove(tx, [(entry, member.member_id) for entry in sorted(old - new)])
    if new - old:
        await _add(tx, [(entry, member.member_id) for entry in sorted(new - old)])


async def add_entries(tx: Connection, members: Iterable[Member]) -> None:
    """Adds the rows for new members, which must be locked exclusively."""
    await _add(tx, sorted(_entries(members)))


async def _remove(tx: Connection, entries: Sequence[tuple[IndexEntry, UUID]]) -> None:
    await tx.execute(
        "DELETE FROM member_search s"
        " USING unnest(%s::text[], %s::text[], %s::uuid[]) AS removed (term, name, member_id)"
        " WHERE s.term = removed.term AND s.name = removed.name AND s.member_id = removed.member_id",
        _columns(entries),
    )


async def _add(tx: Connection, entries: Sequence[tuple[IndexEntry, UUID]]) -> None:
    """Inserts the rows that are missing."""
    await tx.execute(
        "INSERT INTO member_search (term, name, member_id)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[]) ON CONFLICT DO NOTHING",
        _columns(entries),
    )


def _columns(entries: Sequence[tuple[IndexEntry, UUID]]) -> list[list[str] | list[UUID]]:
    return [
        [entry.term for entry, _ in entries],
        [entry.name for entry, _ in entries],
        [member_id for _, member_id in entries],
    ]


@dataclass(frozen=True, slots=True)
class QueuedRange:
    """A row of the queue. All members from `first_id` to `last_id`, both included, have yet to be indexed."""

    position: int
    first_id: UUID
    last_id: UUID


async def index_next(tx: Connection, limit: int) -> int | None:
    """Indexes up to `limit` members, and removes them from the queue.

    Returns their number, or None if the queue is empty or other servers are working on everything in it. The members
    are locked while their newest states are read and indexed, so that an older state can't overwrite the rows of a
    concurrent write.
    """
    ranges = await fetch_all(
        tx,
        QueuedRange,
        "SELECT position, first_id, last_id FROM member_to_index ORDER BY position LIMIT %s FOR UPDATE SKIP LOCKED",
        [RANGES_PER_TRANSACTION],
    )
    if not ranges:
        return None
    ids: set[UUID] = set()
    finished: list[int] = []
    for queued in ranges:
        left = limit - len(ids)
        found = await _members_in(tx, queued, left)
        ids.update(found)
        if len(found) == left and found[-1] != queued.last_id:
            next_id = UUID(int=found[-1].int + 1)
            statement = "UPDATE member_to_index SET first_id = %s WHERE position = %s"
            await tx.execute(statement, [next_id, queued.position])
            break
        finished.append(queued.position)
        if len(ids) == limit:
            break
    if ids:
        await _index(tx, sorted(ids))
    await tx.execute("DELETE FROM member_to_index WHERE position = ANY(%s)", [finished])
    return len(ids)


async def _members_in(tx: Connection, queued: QueuedRange, limit: int) -> list[UUID]:
    """Returns the first members of a range, in order."""
    if queued.first_id == queued.last_id:
        return [queued.first_id]
    return await fetch_column(
        tx,
        UUID,
        "SELECT DISTINCT member_id FROM member_revision WHERE member_id BETWEEN %s AND %s ORDER BY member_id LIMIT %s",
        [queued.first_id, queued.last_id, limit],
    )


async def _index(tx: Connection, ids: Sequence[UUID]) -> None:
    """Replaces the rows of members with those for their newest states."""
    await lock(tx, Lock.MEMBER, *ids, shared=True)  # blocks writers, but not callers that only read facts
    members = await fetch_all(
        tx,
        _member,
        "SELECT newest.document FROM unnest(%s::uuid[]) AS wanted (member_id), LATERAL ("
        "SELECT document FROM member_revision r WHERE r.member_id = wanted.member_id ORDER BY revision DESC LIMIT 1"
        ") AS newest WHERE NOT EXISTS (SELECT FROM member_merge WHERE from_member_id = wanted.member_id)",
        [list(ids)],
    )
    wanted = set(_entries(members))
    found = await _entries_of(tx, ids)
    if found - wanted:
        await _remove(tx, sorted(found - wanted))
    if wanted - found:
        await _add(tx, sorted(wanted - found))


async def _entries_of(tx: Connection, ids: Sequence[UUID]) -> set[tuple[IndexEntry, UUID]]:
    cursor = await tx.execute(
        "SELECT e.term, e.name, e.member_id FROM unnest(%s::uuid[]) AS wanted (member_id), LATERAL ("
        # OFFSET prevents PostgreSQL from reading the whole table, which has no statistics while it is being filled.
        "SELECT * FROM member_search s WHERE s.member_id = wanted.member_id OFFSET 0) AS e",
        [list(ids)],
    )
    return {(IndexEntry(term, name), member_id) for term, name, member_id in await cursor.fetchall()}


def _member(*, document: dict[str, object]) -> Member:
    return member_from_document(document)


def _entries(members: Iterable[Member]) -> Iterable[tuple[IndexEntry, UUID]]:
    return ((entry, member.member_id) for member in members for entry in index_entries(member))


async def is_complete(connection: Connection) -> bool:
    """Returns whether every member is indexed. Checks the newest row, because the oldest rows are removed first."""
    statement = "SELECT NOT EXISTS (SELECT FROM member_to_index ORDER BY position DESC LIMIT 1)"
    return await fetch_value(connection, bool, statement)


async def count_ranges(connection: Connection, limit: int) -> int:
    """Returns the number of ranges in the queue, at most `limit`."""
    statement = "SELECT count(*) FROM (SELECT FROM member_to_index ORDER BY position LIMIT %s) AS queued"
    return await fetch_value(connection, int, statement, [limit])
