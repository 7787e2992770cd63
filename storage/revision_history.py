"""Loads history entries about groups: change requests, recomputes and their triggers, and revisions made by both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from domain.enrollment.differences import Difference, DifferenceKind
from domain.enrollment.group import Period
from domain.history.entries import (
    MAX_DIFFERENCES,
    MAX_TRIGGERS,
    DoneRecompute,
    HistoryEntry,
    RevisionMade,
    Trigger,
)
from domain.membership import MembershipType
from storage.contract_history import contract_entry_id
from storage.history_index import HistoryScope, Position, Source
from storage.member_history import fact_entry_id
from storage.postgres.database import Connection
from storage.postgres.documents import actor_from_document, change_request_from_document
from storage.recomputes import keyed_recomputes

RevisionKey = tuple[int, int]
"""The key of a group, and the number of one of its revisions."""


async def change_request_entries(
    connection: Connection, scope: HistoryScope, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for change requests, by position."""
    cursor = await connection.execute(
        "SELECT change_request_key, group_key, recorded_at, actor, document FROM change_request"
        " WHERE change_request_key = ANY(%s)",
        [[key for _, _, (key,) in positions]],
    )
    rows = await cursor.fetchall()
    requests = {key: change_request_from_document(document, actor) for key, _, _, actor, document in rows}
    wanted = [(group, requests[key].revision) for key, group, *_ in rows if requests[key].made_revision]
    made = await _revisions_made(connection, wanted)
    return {
        Position(recorded_at, Source.CHANGE_REQUEST, (key,)): HistoryEntry(
            f"{Source.CHANGE_REQUEST.name}/{requests[key].change_request_id}",
            recorded_at,
            actor_from_document(actor),
            requests[key],
            group_id=scope.groups[group].group_id,
            contract_id=scope.groups[group].key.contract_id,
            made=made[group, requests[key].revision] if requests[key].made_revision else None,
        )
        for key, group, recorded_at, actor, _ in rows
    }


async def recompute_entries(
    connection: Connection, scope: HistoryScope, positions: Sequence[Position]
) -> dict[Position, HistoryEntry]:
    """Returns the entries for recomputes, by position."""
    keys = [key for _, _, (key,) in positions]
    recomputes = await keyed_recomputes(connection, keys)
    cursor = await connection.execute(
        "SELECT recompute_key, group_key, actor FROM recompute WHERE recompute_key = ANY(%s)", [keys]
    )
    groups = {key: (group, actor) for key, group, actor in await cursor.fetchall()}
    wanted = [(groups[key][0], one.revision) for key, one in recomputes.items() if one.revision is not None]
    made, triggers = await _revisions_made(connection, wanted), await _triggers(connection, keys)
    found = {}
    for position in positions:
        (key,) = position.key
        (group, actor), one, newest = groups[key], recomputes[key], triggers.get(key, [])
        found[position] = HistoryEntry(
            f"{Source.RECOMPUTE.name}/{one.recompute_id}",
            position.recorded_at,
            actor_from_document(actor),
            DoneRecompute(one, tuple(newest[:MAX_TRIGGERS]), len(newest) > MAX_TRIGGERS),
            group_id=one.group_id,
            contract_id=scope.groups[group].key.contract_id,
            made=None if one.revision is None else made[group, one.revision],
        )
    return found


# A recompute reflects everything recorded before it. The group's previous change request or recompute already reflected
# what was recorded before that, because both run a waiting recompute first.
_TRIGGERS = (
    "SELECT q.recompute_key, t.member_id, t.contract_id, t.revision FROM recompute q"
    " JOIN enrollment_group g USING (group_key) CROSS JOIN LATERAL (SELECT coalesce(greatest("
    "(SELECT max(c.recorded_at) FROM change_request c"
    " WHERE c.group_key = q.group_key AND c.recorded_at < q.requested_at),"
    " (SELECT max(d.done_at) FROM recompute d WHERE d.group_key = q.group_key AND d.done_at < q.requested_at)"
    "), '-infinity') AS since) AS b CROSS JOIN LATERAL (SELECT * FROM ("
    "SELECT f.* FROM group_member m CROSS JOIN LATERAL ("
    "SELECT r.member_id, NULL::uuid AS contract_id, r.revision, r.recorded_at FROM member_revision r"
    " WHERE r.member_id = m.member_id AND r.kind = 'FACT' AND r.recorded_at > greatest(b.since, m.recorded_at)"
    " AND r.recorded_at <= q.done_at ORDER BY r.recorded_at DESC LIMIT %(limit)s) AS f WHERE m.group_key = q.group_key"
    " UNION ALL SELECT NULL, a.contract_id, a.revision, a.recorded_at FROM contract_revision a"
    " WHERE a.contract_id = g.contract_id AND a.recorded_at > b.since AND a.recorded_at <= q.done_at"
    ") AS newest ORDER BY recorded_at DESC, member_id, contract_id LIMIT %(limit)s) AS t"
    " WHERE q.recompute_key = ANY(%(keys)s) ORDER BY q.recompute_key, t.recorded_at DESC, t.member_id, t.contract_id"
)


async def _triggers(connection: Connection, keys: Sequence[int]) -> dict[int, list[Trigger]]:
    """Returns the triggers of recomputes by key, newest first: at most one more than is reported."""
    cursor = await connection.execute(_TRIGGERS, {"keys": list(keys), "limit": MAX_TRIGGERS + 1})
    found: dict[int, list[Trigger]] = {}
    for key, member_id, contract_id, revision in await cursor.fetchall():
        entry_id = fact_entry_id(member_id, revision) if member_id else contract_entry_id(contract_id, revision)
        found.setdefault(key, []).append(Trigger(entry_id, member_id))
    return found


async def _revisions_made(connection: Connection, wanted: Sequence[RevisionKey]) -> Mapping[RevisionKey, RevisionMade]:
    """Returns revisions of groups with their differences, ordered by member and module."""
    cursor = await connection.execute(
        "SELECT r.group_key, r.revision, d.member_id, d.membership_type, d.module_id, d.kinds, d.gained, d.lost"
        " FROM unnest(%s::bigint[], %s::integer[]) AS w(group_key, revision)"
        " JOIN enrollment_revision r USING (group_key, revision) JOIN enrollment_difference d USING (revision_key)",
        [[group for group, _ in wanted], [revision for _, revision in wanted]],
    )
    differences: dict[RevisionKey, list[Difference]] = {key: [] for key in wanted}
    types: dict[RevisionKey, dict[UUID, MembershipType]] = {key: {} for key in wanted}
    for group, revision, member_id, kind, module_id, kinds, gained, lost in await cursor.fetchall():
        types[group, revision][member_id] = MembershipType(kind)
        found = Difference(member_id, module_id, tuple(map(DifferenceKind, kinds)), gained, lost)
        differences[group, revision].append(found)
    for of_one in differences.values():
        of_one.sort(key=lambda each: (each.member_id.int, each.module_id.int))
    return {
        key: RevisionMade(key[1], tuple(of_one[:MAX_DIFFERENCES]), types[key], max(0, len(of_one) - MAX_DIFFERENCES))
        for key, of_one in differences.items()
    }


@dataclass(frozen=True, slots=True)
class PeriodsOfDay:
    """The periods of a group that include a day, at a revision and the previous one, and when it was recorded."""

    recorded_at: datetime
    before: tuple[Period, ...]
    after: tuple[Period, ...]


async def periods_around(connection: Connection, wanted: Mapping[RevisionKey, Any]) -> dict[RevisionKey, PeriodsOfDay]:
    """Returns the periods of groups before and after revisions, for one day (a date) per revision.

    Revisions are omitted if periods of their group have been removed since, because the result would be incomplete.
    """
    cursor = await connection.execute(
        "SELECT w.group_key, w.revision, n.recorded_at, r.revision, p.member_id, p.membership_type, p.module_id, p.days"
        " FROM unnest(%s::bigint[], %s::integer[], %s::date[]) AS w(group_key, revision, day)"
        " JOIN enrollment_revision n USING (group_key, revision) LEFT JOIN enrollment_revision r"
        " ON r.group_key = w.group_key AND r.revision BETWEEN w.revision - 1 AND w.revision"
        " LEFT JOIN enrollment_period p ON p.revision_key = r.revision_key AND p.days @> w.day"
        " WHERE NOT EXISTS (SELECT FROM group_member m JOIN erasure e USING (member_id)"
        " WHERE m.group_key = w.group_key AND e.periods_removed AND e.recorded_at >= n.recorded_at)",
        [[group for group, _ in wanted], [revision for _, revision in wanted], list(wanted.values())],
    )
    found: dict[RevisionKey, tuple[datetime, list[Period], list[Period]]] = {}
    for group, revision, recorded_at, of, member_id, kind, module_id, days in await cursor.fetchall():
        _, before, after = found.setdefault((group, revision), (recorded_at, [], []))
        if member_id is not None:
            period = Period(member_id, MembershipType(kind), module_id, days)
            (after if of == revision else before).append(period)
    return {key: PeriodsOfDay(at, tuple(before), tuple(after)) for key, (at, before, after) in found.items()}


async def first_days_of_corrected_types(
    connection: Connection, wanted: Sequence[RevisionKey]
) -> dict[RevisionKey, date]:
    """Returns the first day of each revision on which a member whose type it corrected is enrolled."""
    cursor = await connection.execute(
        "SELECT w.group_key, w.revision, min(lower(p.days)) FROM unnest(%s::bigint[], %s::integer[])"
        " AS w(group_key, revision) JOIN enrollment_revision r USING (group_key, revision)"
        " JOIN enrollment_difference d USING (revision_key)"
        " JOIN enrollment_period p ON p.revision_key = r.revision_key AND p.member_id = d.member_id"
        " WHERE 'TYPE_CORRECTED' = ANY(d.kinds) GROUP BY w.group_key, w.revision",
        [[group for group, _ in wanted], [revision for _, revision in wanted]],
    )
    return {(group, revision): on for group, revision, on in await cursor.fetchall()}
