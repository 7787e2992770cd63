"""The change feed, read: its head, what stands after a place, and the state of groups as of a place.

Positions are dense, so that a reader sees a hole instead of suspecting one. Appending and trimming stand in
`outbox.py`.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.differences import Difference, DifferenceKind
from domain.enrollment.events import (
    EnrollmentEvent,
    EventFilter,
    EventHead,
    EventType,
    FailedRecompute,
    PolicyRevision,
)
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest, DifferenceCause, RevisionCause
from domain.errors import DatabaseUnavailable
from domain.membership import MembershipType
from storage.database import Connection
from storage.documents import change_request_from_document
from storage.enrollment_reads import GroupHead
from storage.outbox import CHANNEL


@dataclass(frozen=True, slots=True)
class FeedHead:
    """Which feed this is, the last event in it, and the last one that it no longer keeps.

    Position 0, without an event: the place before the first one.
    """

    feed_id: UUID
    position: int
    event_id: UUID | None
    trimmed_position: int
    trimmed_event_id: UUID | None


async def read_feed_head(connection: Connection) -> FeedHead:
    """The head as it is now."""
    cursor = await connection.execute(
        "SELECT h.feed_id, h.position, coalesce(e.event_id, h.trimmed_event_id), h.trimmed_position,"
        " h.trimmed_event_id FROM feed_head h LEFT JOIN feed_entry f USING (position)"
        " LEFT JOIN event e USING (event_key)"
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (the migration made it)
    return FeedHead(*row)


async def event_id_at(connection: Connection, position: int) -> UUID | None:
    """Which event stands at a position; None: none, or it is no longer kept."""
    cursor = await connection.execute(
        "SELECT e.event_id FROM feed_entry f JOIN event e USING (event_key) WHERE f.position = %s", [position]
    )
    row = await cursor.fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event's head, and where the rest of it stands."""

    head: EventHead
    revision_key: int | None
    change_request_key: int | None
    failed_recompute: FailedRecompute | None


async def entries_after(connection: Connection, position: int, limit: int) -> list[FeedEntry]:
    """What follows a position, in order."""
    cursor = await connection.execute(
        "SELECT f.position, e.event_id, e.kind, g.group_id, g.contract_id, g.primary_id, e.member_ids, e.recorded_at,"
        " e.revision_key, e.change_request_key, q.recompute_id, e.failed_attempts, e.next_attempt_at"
        " FROM feed_entry f JOIN event e USING (event_key) JOIN enrollment_group g USING (group_key)"
        " LEFT JOIN recompute q USING (recompute_key) WHERE f.position > %s ORDER BY f.position LIMIT %s",
        [position, limit],
    )
    return [_entry(row) for row in await cursor.fetchall()]


def _entry(row: Sequence[Any]) -> FeedEntry:
    place, event_id, kind, group_id, contract_id, primary_id, member_ids, recorded_at = row[:8]
    revision_key, change_request_key, recompute_id, failed_attempts, next_attempt_at = row[8:]
    key = GroupKey(contract_id, primary_id)
    head = EventHead(place, event_id, EventType(kind), group_id, key, frozenset(member_ids), recorded_at)
    failed = FailedRecompute(recompute_id, failed_attempts, next_attempt_at) if recompute_id else None
    return FeedEntry(head, revision_key, change_request_key, failed)


async def events_of(connection: Connection, entries: Sequence[FeedEntry]) -> list[EnrollmentEvent]:
    """Whole events, in the order given; four queries however many they are."""
    revision_keys = [entry.revision_key for entry in entries if entry.revision_key]
    async with connection.pipeline():
        found = await _execute(connection, _REVISIONS, revision_keys)
        differing = await _execute(connection, _DIFFERENCES, revision_keys)
        enrolled = await _execute(connection, _PERIODS, revision_keys)
    revisions = {row[0]: row for row in await found.fetchall()}
    causing = [row[2] for row in revisions.values() if row[2]]
    requests = await _change_requests(connection, [*causing, *(e.change_request_key or 0 for e in entries)])
    differences = _grouped(await differing.fetchall())
    periods = _grouped(await enrolled.fetchall())
    events = []
    for entry in entries:
        detail: PolicyRevision | ChangeRequest | FailedRecompute
        if entry.failed_recompute:
            detail = entry.failed_recompute
        elif entry.change_request_key:
            detail = requests[entry.change_request_key]
        else:
            _, revision, request_key, recompute_id = revisions[entry.revision_key]
            request = requests[request_key] if request_key else None
            key = entry.revision_key or 0
            detail = _policy_revision(revision, request, recompute_id, differences.get(key, []), periods.get(key, []))
        events.append(EnrollmentEvent(entry.head, detail))
    return events


_REVISIONS = (
    "SELECT r.revision_key, r.revision, r.change_request_key, q.recompute_id FROM enrollment_revision r"
    " LEFT JOIN recompute q USING (recompute_key) WHERE r.revision_key = ANY(%s)"
)
_DIFFERENCES = (
    "SELECT revision_key, member_id, membership_type, module_id, kinds, gained, lost"
    " FROM enrollment_difference WHERE revision_key = ANY(%s)"
)
_PERIODS = (
    "SELECT revision_key, member_id, membership_type, module_id, days FROM enrollment_period"
    " WHERE revision_key = ANY(%s)"
)


async def _execute(connection: Connection, statement: str, keys: list[int]) -> psycopg.AsyncCursor[Any]:
    return await connection.execute(statement, [keys])


async def _change_requests(connection: Connection, keys: list[int]) -> dict[int, ChangeRequest]:
    cursor = await connection.execute(
        "SELECT change_request_key, document FROM change_request WHERE change_request_key = ANY(%s)", [keys]
    )
    return {key: change_request_from_document(document) for key, document in await cursor.fetchall()}


def _grouped(rows: list[Any]) -> dict[int, list[Any]]:
    """Rows by their first column, without it."""
    grouped: dict[int, list[Any]] = {}
    for key, *rest in rows:
        grouped.setdefault(key, []).append(rest)
    return grouped


def _policy_revision(
    revision: int,
    request: ChangeRequest | None,
    recompute_id: UUID | None,
    differences: Sequence[Any],
    periods: Sequence[Any],
) -> PolicyRevision:
    cause = RevisionCause(request.change_request_id if request else None, recompute_id)
    differing: list[Difference] = []
    types: dict[UUID, MembershipType] = {}
    causes: dict[EnrollmentKey, DifferenceCause] = {}
    for member_id, kind, module_id, kinds, gained, lost in sorted(differences, key=lambda d: (d[0], d[2])):
        differing.append(Difference(member_id, module_id, _kinds(kinds), gained, lost))
        types[member_id] = MembershipType(kind)
        reasons = (*request.reason_for(member_id, module_id), request.requester.reason) if request else ()
        causes[EnrollmentKey(member_id, module_id)] = DifferenceCause(revision, cause, *reasons)
    enrolled = [Period(member, MembershipType(kind), module, days) for member, kind, module, days in periods]
    enrolled.sort(key=lambda p: (p.member_id, p.module_id, p.days))
    return PolicyRevision(revision, cause, tuple(differing), types, causes, tuple(enrolled))


def _kinds(names: Sequence[str]) -> tuple[DifferenceKind, ...]:
    return tuple(DifferenceKind(name) for name in names)


async def groups_as_of(
    connection: Connection, position: int, wanted: EventFilter, after: UUID | None, limit: int
) -> list[GroupHead]:
    """Groups in order of id, beginning after one, each at the revision that it had at a place in the feed.

    A revision whose event is pending, or stands after the place, was not there yet. Groups without a revision then
    have revision 0. The place must still be kept. The filter's types do not matter.
    """
    cursor = await connection.execute(
        "WITH later AS (SELECT event_key FROM feed_pending UNION ALL SELECT event_key FROM feed_entry"
        " WHERE position > %(position)s), moved AS (SELECT r.group_key, min(r.revision) - 1 AS revision FROM later"
        " JOIN event e USING (event_key) JOIN enrollment_revision r USING (revision_key) GROUP BY r.group_key)"
        " SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, coalesce(m.revision, g.revision)"
        " FROM enrollment_group g LEFT JOIN moved m USING (group_key)"
        " WHERE (%(after)s::uuid IS NULL OR g.group_id > %(after)s)"
        " AND (%(contracts)s = '{}'::uuid[] OR g.contract_id = ANY(%(contracts)s))"
        " AND (%(primaries)s = '{}'::uuid[] OR g.primary_id = ANY(%(primaries)s))"
        " AND (%(members)s = '{}'::uuid[] OR g.group_key IN (SELECT group_key FROM group_member"
        " WHERE member_id = ANY(%(members)s)))"
        " ORDER BY g.group_id LIMIT %(limit)s",
        {
            "position": position,
            "after": after,
            "contracts": list(wanted.contract_ids),
            "primaries": list(wanted.primary_ids),
            "members": list(wanted.member_ids),
            "limit": limit,
        },
    )
    return [GroupHead(key, gid, GroupKey(c, p), n) for key, gid, c, p, n in await cursor.fetchall()]


async def moves(url: str, poll_seconds: float) -> AsyncGenerator[None]:
    """Yields whenever the feed may have moved: notified, and otherwise every so many seconds.

    On a connection of its own. Raises DatabaseUnavailable when that is lost; begin anew then.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name="affilia-feed", keepalives_idle=10
        )
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            yield
            while True:
                async for _ in connection.notifies(timeout=poll_seconds, stop_after=1):
                    pass
                yield
    except psycopg.OperationalError as away:
        raise DatabaseUnavailable from away
