"""Reads of the change feed: its head, the events after a position, and the state of groups as of a position.

Positions have no gaps, so a reader can tell that nothing is missing. `outbox.py` appends to the feed and trims it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.enrollment.decisions import GroupKey
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
from domain.enrollment.history import ChangeRequest, RevisionCause
from domain.membership import MembershipType
from storage.bounded_reads import read_up_to
from storage.group_lookup import GroupHead, group_head_of_row
from storage.outbox import CHANNEL
from storage.postgres.database import Connection
from storage.postgres.documents import DocumentDamaged, change_request_from_document
from storage.postgres.notifications import notified
from storage.postgres.rows import fetch_all, fetch_one, find_value
from storage.postgres.sessions import FEED

NOTHING_KNOWN: Mapping[UUID, PolicyRevision] = {}


@dataclass(frozen=True, slots=True)
class FeedHead:
    """The id of the feed, its last event, and the last event that was trimmed.

    Position 0, without an event, is the position before the first event.
    """

    feed_id: UUID
    position: int
    event_id: UUID | None
    trimmed_position: int
    trimmed_event_id: UUID | None


async def read_feed_head(connection: Connection) -> FeedHead:
    """Returns the current head."""
    return await fetch_one(
        connection,
        FeedHead,
        "SELECT h.feed_id, h.position, coalesce(e.event_id, h.trimmed_event_id) AS event_id, h.trimmed_position,"
        " h.trimmed_event_id FROM feed_head h LEFT JOIN feed_entry f USING (position)"
        " LEFT JOIN event e USING (event_key)",
    )


async def event_id_at(connection: Connection, position: int) -> UUID | None:
    """Returns the event at a position, or None if there is none or it was trimmed."""
    statement = "SELECT e.event_id FROM feed_entry f JOIN event e USING (event_key) WHERE f.position = %s"
    return await find_value(connection, UUID, statement, [position])


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """The head of an event, and the keys of its details."""

    head: EventHead
    revision_key: int | None
    change_request_key: int | None
    failed_recompute: FailedRecompute | None


async def entries_after(connection: Connection, position: int, limit: int) -> list[FeedEntry]:
    """Returns the entries after a position, in order."""
    return await fetch_all(
        connection,
        _entry,
        "SELECT f.position, e.event_id, e.kind, g.group_id, g.contract_id, g.primary_id, e.member_ids, e.recorded_at,"
        " e.revision_key, e.change_request_key, q.recompute_id, e.failed_attempts, e.next_attempt_at"
        " FROM feed_entry f JOIN event e USING (event_key) JOIN enrollment_group g USING (group_key)"
        " LEFT JOIN recompute q USING (recompute_key) WHERE f.position > %s ORDER BY f.position LIMIT %s",
        [position, limit],
    )


def _entry(
    *,
    kind: str,
    contract_id: UUID,
    primary_id: UUID,
    member_ids: list[UUID],
    revision_key: int | None,
    change_request_key: int | None,
    recompute_id: UUID | None,
    failed_attempts: int,
    next_attempt_at: datetime | None,
    **columns: Any,
) -> FeedEntry:
    key = GroupKey(contract_id, primary_id)
    head = EventHead(type=EventType(kind), key=key, member_ids=frozenset(member_ids), **columns)
    failed = FailedRecompute(recompute_id, failed_attempts, next_attempt_at) if recompute_id else None
    return FeedEntry(head, revision_key, change_request_key, failed)


async def leading_events(
    connection: Connection,
    entries: Sequence[FeedEntry],
    max_weight: int,
    known: Mapping[UUID, PolicyRevision] = NOTHING_KNOWN,
) -> list[EnrollmentEvent]:
    """Returns the complete events of the first entries, at least one, with a total weight of at most `max_weight`.

    Details that are in `known`, by event id, are not read from the database.
    """

    async def read(some: Sequence[FeedEntry]) -> list[EnrollmentEvent]:
        return await events_of(connection, some, known)

    return await read_up_to(entries, read, lambda event: event.weight, max_weight)


async def events_of(
    connection: Connection, entries: Sequence[FeedEntry], known: Mapping[UUID, PolicyRevision] = NOTHING_KNOWN
) -> list[EnrollmentEvent]:
    """Returns complete events in the order given, with at most four queries in total, in one or two round trips.

    Details in `known`, by event id, are not read. An event whose stored details are damaged is marked as incomplete;
    the others are not affected.
    """
    unknown = [entry for entry in entries if entry.head.event_id not in known]
    rejected_keys = [entry.change_request_key for entry in unknown if entry.change_request_key]
    rejected = await _change_requests(connection, rejected_keys) if rejected_keys else {}
    rows = await _rows_of(connection, [entry.revision_key for entry in unknown if entry.revision_key])
    return [
        EnrollmentEvent(entry.head, detail)
        if (detail := known.get(entry.head.event_id))
        else _event(entry, rows, rejected)
        for entry in entries
    ]


async def _rows_of(connection: Connection, revision_keys: list[int]) -> "_Rows":
    if not revision_keys:
        return _Rows({}, {}, {})
    async with connection.pipeline():
        found = await connection.execute(_REVISIONS, [revision_keys])
        differing = await connection.execute(_DIFFERENCES, [revision_keys])
        enrolled = await connection.execute(_PERIODS, [revision_keys])
    return _Rows(
        {key: row for key, *row in await found.fetchall()},
        _grouped(await differing.fetchall()),
        _grouped(await enrolled.fetchall()),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of some revisions, by key. Those of a revision include the document and actor of its request, if any."""

    revisions: Mapping[int, Sequence[Any]]
    differences: Mapping[int, list[Any]]
    periods: Mapping[int, list[Any]]


def _event(entry: FeedEntry, rows: _Rows, requests: Mapping[int, ChangeRequest]) -> EnrollmentEvent:
    if entry.failed_recompute:
        return EnrollmentEvent(entry.head, entry.failed_recompute)
    if entry.change_request_key:
        rejected = requests.get(entry.change_request_key)
        return EnrollmentEvent(entry.head, rejected, is_incomplete=rejected is None)
    key = entry.revision_key or 0
    try:
        revision, change_request_id, recompute_id, document, actor = rows.revisions[key]
        request = _readable(document, actor) if change_request_id else None
        cause = RevisionCause(change_request_id, recompute_id)
        detail = _policy_revision(revision, cause, request, rows.differences.get(key, []), rows.periods.get(key, []))
    except (KeyError, ValueError):  # a row is missing or has an unknown value
        return EnrollmentEvent(entry.head, None, is_incomplete=True)
    return EnrollmentEvent(entry.head, detail, is_incomplete=bool(change_request_id) and request is None)


_REVISIONS = (
    "SELECT r.revision_key, r.revision, c.change_request_id, q.recompute_id, c.document, c.actor"
    " FROM enrollment_revision r LEFT JOIN change_request c USING (change_request_key)"
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


async def _change_requests(connection: Connection, keys: list[int]) -> dict[int, ChangeRequest]:
    """Returns change requests by key, without those that are damaged."""
    cursor = await connection.execute(
        "SELECT change_request_key, document, actor FROM change_request WHERE change_request_key = ANY(%s)", [keys]
    )
    found = ((key, _readable(document, actor)) for key, document, actor in await cursor.fetchall())
    return {key: request for key, request in found if request is not None}


def _readable(document: Any, actor: Any) -> ChangeRequest | None:
    """Returns a change request, or None if it is damaged."""
    try:
        return change_request_from_document(document, actor)
    except DocumentDamaged:
        return None


def _grouped(rows: list[Any]) -> dict[int, list[Any]]:
    """Returns rows by their first column, without that column."""
    grouped: dict[int, list[Any]] = {}
    for key, *rest in rows:
        grouped.setdefault(key, []).append(rest)
    return grouped


def _policy_revision(
    revision: int,
    cause: RevisionCause,
    request: ChangeRequest | None,
    differences: Sequence[Any],
    periods: Sequence[Any],
) -> PolicyRevision:
    differing = [
        (Difference(member_id, module_id, _kinds(kinds), gained, lost), MembershipType(kind))
        for member_id, kind, module_id, kinds, gained, lost in differences
    ]
    enrolled = [Period(member, MembershipType(kind), module, days) for member, kind, module, days in periods]
    return PolicyRevision.of(revision, cause, request, differing, enrolled)


def _kinds(names: Sequence[str]) -> tuple[DifferenceKind, ...]:
    return tuple(DifferenceKind(name) for name in names)


async def groups_as_of(
    connection: Connection, position: int, wanted: EventFilter, after: UUID | None, limit: int
) -> list[GroupHead]:
    """Returns groups in order of id, starting after a given one, each at the revision that it had at a position in the
    feed.

    Revisions whose event is pending or has a later position are not included. A group without an earlier revision has
    revision 0. The position must not have been trimmed. The types in the filter are ignored.
    """
    return await fetch_all(
        connection,
        group_head_of_row,
        "WITH later AS (SELECT event_key FROM feed_pending UNION ALL SELECT event_key FROM feed_entry"
        " WHERE position > %(position)s), moved AS (SELECT r.group_key, min(r.revision) - 1 AS revision FROM later"
        " JOIN event e USING (event_key) JOIN enrollment_revision r USING (revision_key) GROUP BY r.group_key)"
        " SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, coalesce(m.revision, g.revision) AS revision"
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
            "primaries": list(wanted.all_primary_ids),
            "members": list(wanted.all_member_ids),
            "limit": limit,
        },
    )


def moves(url: str, poll_seconds: float) -> AsyncGenerator[Connection]:
    """Yields when the feed may have new events: at every notification, and at least every `poll_seconds`.

    Raises DatabaseUnavailable when the connection is lost. Then call this function again.
    """
    return notified(url, FEED, CHANNEL, poll_seconds)
