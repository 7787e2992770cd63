"""Reads the states and revisions of enrollment groups: as of now, of a revision, or of an instant. Takes no locks."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.differences import PolicyEvent
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest, DifferenceCause, GroupState, Revision, RevisionCause
from domain.errors import ChangeRequestUnknown, GroupUnknown, RevisionUnknown
from domain.membership import MembershipType
from storage.enrollment import LockedGroup
from storage.group_lookup import AsOf, GroupHead, named_group
from storage.migration_stages import LEGACY_ANSWERS
from storage.postgres.database import Connection
from storage.postgres.documents import change_request_from_document
from storage.postgres.rows import fetch_column, fetch_first


async def modules_with_periods(connection: Connection, contract_id: UUID, module_ids: Collection[UUID]) -> set[UUID]:
    """Returns those of some modules on which anybody is enrolled under a contract, in the current revisions."""
    return set(
        await fetch_column(
            connection,
            UUID,
            "SELECT DISTINCT p.module_id FROM enrollment_group g JOIN enrollment_revision r USING (group_key, revision)"
            " JOIN enrollment_period p USING (revision_key) WHERE g.contract_id = %s AND p.module_id = ANY(%s)",
            [contract_id, list(module_ids)],
        )
    )


async def group_state(connection: Connection, head: GroupHead, as_of: AsOf, touching: Span | None = None) -> GroupState:
    """Returns a group as of a point of time, optionally with only those periods that overlap a span.

    Raises RevisionUnknown.
    """
    (state,) = await group_states(connection, [head], as_of, touching)
    return state


_LEGACY_ANSWERS = (
    "EXISTS (SELECT FROM legacy_identifier i JOIN migration m USING (country) WHERE i.kind = 'CONTRACT'"
    f" AND i.id = g.contract_id AND {LEGACY_ANSWERS})"
)


async def read_group(
    connection: Connection,
    group: UUID | GroupKey,
    revision: int | None,
    touching: Span | None,
    *,
    unless_legacy_answers: bool = False,
) -> GroupState:
    """Returns a group as of now or of a revision in one query, because this is the most frequent read.

    With `unless_legacy_answers`, a group that legacy tables answer for isn't found. Raises GroupUnknown,
    RevisionUnknown.
    """
    where, named = named_group(group, "g.")
    if unless_legacy_answers:
        where += f" AND NOT {_LEGACY_ANSWERS}"
    cursor = await connection.execute(
        "SELECT g.group_id, g.contract_id, g.primary_id, r.revision, r.recorded_at, c.change_request_id,"
        " q.recompute_id, p.member_id, p.membership_type, p.module_id, p.days"
        " FROM enrollment_group g LEFT JOIN enrollment_revision r"
        " ON r.group_key = g.group_key AND r.revision = coalesce(%s::integer, g.revision)"
        " LEFT JOIN change_request c USING (change_request_key) LEFT JOIN recompute q USING (recompute_key)"
        " LEFT JOIN enrollment_period p ON p.revision_key = r.revision_key AND (%s::daterange IS NULL OR p.days && %s)"
        f" WHERE {where}",
        [revision, touching, touching, *named.values()],
    )
    rows = await cursor.fetchall()
    if not rows:
        raise GroupUnknown(**named)
    group_id, contract_id, primary_id, found, recorded_at, change_request_id, recompute_id = rows[0][:7]
    key = GroupKey(contract_id, primary_id)
    if found is None:
        if revision:
            raise RevisionUnknown(group_id, revision)
        return GroupState(group_id, key, 0, None, None, ())
    periods = [
        Period(member_id, MembershipType(kind), module_id, days)
        for *_, member_id, kind, module_id, days in rows
        if member_id is not None
    ]
    periods.sort(key=lambda p: (p.member_id, p.module_id, p.days))
    cause = RevisionCause(change_request_id, recompute_id)
    return GroupState(group_id, key, found, cause, recorded_at, tuple(periods))


async def group_states(
    connection: Connection, heads: Sequence[GroupHead], as_of: AsOf, touching: Span | None = None
) -> list[GroupState]:
    """Returns groups as of the same point of time, in the order given, with two queries in total. Raises
    RevisionUnknown."""
    wanted = await _revisions_as_of(connection, heads, as_of)
    cursor = await connection.execute(
        _REVISIONS + " JOIN unnest(%s::bigint[], %s::integer[]) AS w(group_key, revision)"
        " ON r.group_key = w.group_key AND r.revision = w.revision",
        [list(wanted), list(wanted.values())],
    )
    found = {row[0]: row for row in await cursor.fetchall()}
    periods = await periods_at(connection, wanted, touching)
    states = []
    for head in heads:
        revision = wanted[head.group_key]
        if revision == 0:
            states.append(GroupState(head.group_id, head.key, 0, None, None, ()))
            continue
        if head.group_key not in found:
            raise RevisionUnknown(head.group_id, revision)
        made = _revision(head.group_id, found[head.group_key])
        of_group = periods.get(head.group_key, ())
        states.append(GroupState(head.group_id, head.key, revision, made.cause, made.recorded_at, tuple(of_group)))
    return states


async def newest_states(
    connection: Connection, groups: Sequence[LockedGroup]
) -> dict[int, tuple[GroupState, dict[EnrollmentKey, Days]]]:
    """Returns the states of locked groups that have revisions, and the days that each enrollment had in any revision.
    They are by group key, and read with one query."""
    if not groups:
        return {}
    of_key = {group.group_key: group for group in groups}
    cursor = await connection.execute(
        "SELECT r.group_key, r.recorded_at, c.change_request_id, q.recompute_id, e.* FROM enrollment_revision r"
        " JOIN unnest(%s::bigint[], %s::integer[]) AS w(group_key, revision) USING (group_key, revision)"
        " LEFT JOIN change_request c USING (change_request_key) LEFT JOIN recompute q USING (recompute_key)"
        " LEFT JOIN LATERAL ("
        "SELECT p.member_id, p.module_id, p.membership_type, p.days, NULL::datemultirange AS had"
        " FROM enrollment_period p WHERE p.revision_key = r.revision_key"
        " UNION ALL SELECT d.member_id, d.module_id, NULL, NULL, range_agg(d.gained)"
        " FROM enrollment_difference d WHERE d.group_key = r.group_key GROUP BY d.member_id, d.module_id) AS e ON true",
        [list(of_key), [group.revision for group in groups]],
    )
    revisions: dict[int, tuple[datetime, RevisionCause]] = {}
    periods: dict[int, list[Period]] = {group_key: [] for group_key in of_key}
    had: dict[int, dict[EnrollmentKey, Days]] = {group_key: {} for group_key in of_key}
    for group_key, recorded_at, *cause, member_id, module_id, kind, days, ever in await cursor.fetchall():
        revisions[group_key] = recorded_at, RevisionCause(*cause)
        if kind is not None:
            periods[group_key].append(Period(member_id, MembershipType(kind), module_id, days))
        elif ever is not None:
            had[group_key][EnrollmentKey(member_id, module_id)] = ever
    states = {}
    for group_key, (recorded_at, made_by) in revisions.items():
        group = of_key[group_key]
        of_group = sorted(periods[group_key], key=lambda p: (p.member_id.int, p.module_id.int, p.days))
        state = GroupState(group.group_id, group.key, group.revision, made_by, recorded_at, tuple(of_group))
        states[group_key] = state, had[group_key]
    return states


async def _revisions_as_of(connection: Connection, heads: Sequence[GroupHead], as_of: AsOf) -> dict[int, int]:
    """Returns the revision of each group to read, by group key. 0 is the empty state before the first revision."""
    if as_of.revision is not None:
        return {head.group_key: as_of.revision for head in heads}
    if as_of.instant is None:
        return {head.group_key: head.revision for head in heads}
    cursor = await connection.execute(
        "SELECT group_key, max(revision) FROM enrollment_revision"
        " WHERE group_key = ANY(%s) AND recorded_at <= %s GROUP BY group_key",
        [[head.group_key for head in heads], as_of.instant],
    )
    known: dict[int, int] = dict(await cursor.fetchall())
    return {head.group_key: known.get(head.group_key, 0) for head in heads}


async def periods_of(connection: Connection, group_key: int, revision: int) -> list[Period]:
    """Returns the periods of a revision in order of member, module and first day. Revision 0 has none."""
    return (await periods_at(connection, {group_key: revision})).get(group_key, [])


async def periods_at(
    connection: Connection, revisions: Mapping[int, int], touching: Span | None = None
) -> dict[int, list[Period]]:
    """Returns the periods of groups by group key, each at a revision, in order of member, module and first day."""
    cursor = await connection.execute(
        "SELECT r.group_key, p.member_id, p.membership_type, p.module_id, p.days"
        " FROM unnest(%s::bigint[], %s::integer[]) AS w(group_key, revision)"
        " JOIN enrollment_revision r ON r.group_key = w.group_key AND r.revision = w.revision"
        " JOIN enrollment_period p USING (revision_key) WHERE %s::daterange IS NULL OR p.days && %s",
        [list(revisions), list(revisions.values()), touching, touching],
    )
    periods: dict[int, list[Period]] = {}
    for group_key, member_id, kind, module_id, days in await cursor.fetchall():
        periods.setdefault(group_key, []).append(Period(member_id, MembershipType(kind), module_id, days))
    for of_group in periods.values():
        of_group.sort(key=lambda p: (p.member_id.int, p.module_id.int, p.days))
    return periods


_REVISIONS = (
    "SELECT r.group_key, r.revision, r.recorded_at, r.policy_event, c.change_request_id, q.recompute_id"
    " FROM enrollment_revision r LEFT JOIN change_request c USING (change_request_key)"
    " LEFT JOIN recompute q USING (recompute_key)"
)


def _revision(group_id: UUID, row: Sequence[Any]) -> Revision:
    _, revision, recorded_at, policy_event, change_request_id, recompute_id = row
    cause = RevisionCause(change_request_id, recompute_id)
    return Revision(group_id, revision, cause, recorded_at, PolicyEvent(policy_event))


async def list_revisions(connection: Connection, head: GroupHead, after: int, limit: int) -> list[Revision]:
    """Returns the revisions of a group after a given one, in order."""
    cursor = await connection.execute(
        _REVISIONS + " WHERE r.group_key = %s AND r.revision > %s ORDER BY r.revision LIMIT %s",
        [head.group_key, after, limit],
    )
    return [_revision(head.group_id, row) for row in await cursor.fetchall()]


async def days_had_before(connection: Connection, group_key: int, revision: int) -> dict[EnrollmentKey, Days]:
    """Returns all days of each enrollment that any revision before a given one had."""
    if revision <= 1:
        return {}
    cursor = await connection.execute(
        "SELECT d.member_id, d.module_id, range_agg(d.gained) FROM enrollment_difference d"
        " JOIN enrollment_revision r USING (revision_key) WHERE d.group_key = %s AND r.revision < %s"
        " GROUP BY d.member_id, d.module_id",
        [group_key, revision],
    )
    return {EnrollmentKey(member, module): days for member, module, days in await cursor.fetchall()}


async def causes_between(
    connection: Connection, group_key: int, from_revision: int, to_revision: int, *, for_member: bool
) -> dict[EnrollmentKey, list[DifferenceCause]]:
    """Returns the revisions after `from_revision` that changed each enrollment, in order and with their reasons.

    With `for_member`, the reasons of admins are omitted.
    """
    # Two queries, so that a request that changed many enrollments is read only once.
    cursor = await connection.execute(
        "SELECT r.revision, c.document, c.actor, q.recompute_id FROM enrollment_revision r"
        " LEFT JOIN change_request c USING (change_request_key) LEFT JOIN recompute q USING (recompute_key)"
        " WHERE r.group_key = %s AND r.revision > %s AND r.revision <= %s",
        [group_key, from_revision, to_revision],
    )
    made_by: dict[int, ChangeRequest | RevisionCause] = {}
    for revision, document, actor, recompute_id in await cursor.fetchall():
        if document is None:
            made_by[revision] = RevisionCause(recompute_id=recompute_id)
        else:
            made = change_request_from_document(document, actor)
            made_by[revision] = made.as_shown_to_members() if for_member else made
    cursor = await connection.execute(
        "SELECT r.revision, d.member_id, d.module_id FROM enrollment_revision r"
        " JOIN enrollment_difference d USING (revision_key)"
        " WHERE r.group_key = %s AND r.revision > %s AND r.revision <= %s ORDER BY r.revision",
        [group_key, from_revision, to_revision],
    )
    causes: dict[EnrollmentKey, list[DifferenceCause]] = {}
    for revision, member_id, module_id in await cursor.fetchall():
        by = made_by[revision]
        if isinstance(by, RevisionCause):
            cause = DifferenceCause(revision, by)
        else:
            reason_code, note = by.reason_for(member_id, module_id)
            request = RevisionCause(change_request_id=by.change_request_id)
            cause = DifferenceCause(revision, request, reason_code, note, by.requester.reason)
        causes.setdefault(EnrollmentKey(member_id, module_id), []).append(cause)
    return causes


async def change_request(connection: Connection, change_request_id: UUID) -> ChangeRequest:
    """Returns a stored change request. Raises ChangeRequestUnknown."""
    statement = "SELECT document, actor FROM change_request WHERE change_request_id = %s"
    found = await fetch_first(connection, change_request_from_document, statement, [change_request_id])
    if found is None:
        raise ChangeRequestUnknown(change_request_id)
    return found
