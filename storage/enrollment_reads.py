"""Reads of enrollment groups: as of now, of a revision, or of an instant. They take no locks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
from storage.migration_stages import LEGACY_ANSWERS
from storage.postgres.database import Connection
from storage.postgres.documents import change_request_from_document
from storage.postgres.rows import fetch_all, fetch_column, fetch_first, find_value


@dataclass(frozen=True, slots=True)
class AsOf:
    """The point of time of a read: a revision, an instant, or now if both are None."""

    revision: int | None = None
    instant: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupHead:
    """A group and its current revision, or the revision to read."""

    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int


async def group_head(connection: Connection, group: UUID | GroupKey) -> GroupHead:
    """Returns a group by its id, or by contract and primary. Raises GroupUnknown."""
    where, named = _named(group)
    found = await fetch_first(
        connection,
        group_head_of_row,
        f"SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group WHERE {where}",
        list(named.values()),
    )
    if found is None:
        raise GroupUnknown(**named)
    return found


async def group_recorded_at(connection: Connection, group: UUID | GroupKey) -> datetime | None:
    """Returns when something of a group was recorded last, or None if there is no such group."""
    where, named = _named(group)
    statement = f"SELECT recorded_at FROM enrollment_group WHERE {where}"
    return await find_value(connection, datetime, statement, list(named.values()))


def group_head_of_row(
    *, group_key: int, group_id: UUID, contract_id: UUID, primary_id: UUID, revision: int
) -> GroupHead:
    """Returns the group of a row with these columns."""
    return GroupHead(group_key, group_id, GroupKey(contract_id, primary_id), revision)


def _named(group: UUID | GroupKey, of: str = "") -> tuple[str, dict[str, UUID]]:
    """Returns the SQL condition that finds a group, and its parameters by name."""
    if isinstance(group, UUID):
        return f"{of}group_id = %s", {"group_id": group}
    return f"{of}contract_id = %s AND {of}primary_id = %s", group._asdict()


async def group_heads(connection: Connection, groups: Sequence[UUID | GroupKey]) -> dict[UUID | GroupKey, GroupHead]:
    """Returns many groups in one query, by the key that each was asked for. Groups that do not exist are omitted."""
    ids = [group for group in groups if isinstance(group, UUID)]
    keys = [group for group in groups if isinstance(group, GroupKey)]
    found = await fetch_all(
        connection,
        group_head_of_row,
        "SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group"
        " WHERE group_id = ANY(%s) OR (contract_id, primary_id) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))",
        [ids, [key.contract_id for key in keys], [key.primary_id for key in keys]],
    )
    by_id: dict[UUID | GroupKey, GroupHead] = {head.group_id: head for head in found}
    return by_id | {head.key: head for head in found}


async def causing_subject(connection: Connection, group_key: int) -> str | None:
    """Returns the subject who caused the waiting recompute of a group or, if none is waiting, its newest revision.

    Returns None if the group has neither.
    """
    return await find_value(
        connection,
        str,
        "SELECT coalesce(w.actor, c.actor, q.actor)->>'subject' FROM enrollment_group g"
        " LEFT JOIN recompute w ON w.group_key = g.group_key AND w.done_at IS NULL AND w.failed_at IS NULL"
        " LEFT JOIN enrollment_revision r ON r.group_key = g.group_key AND r.revision = g.revision"
        " LEFT JOIN change_request c USING (change_request_key)"
        " LEFT JOIN recompute q ON q.recompute_key = r.recompute_key WHERE g.group_key = %s",
        [group_key],
    )


async def primary_of_change_request(connection: Connection, change_request_id: UUID) -> UUID | None:
    """Returns the primary of the group of a change request, or None if there is no such request."""
    return await find_value(
        connection,
        UUID,
        "SELECT primary_id FROM enrollment_group JOIN change_request USING (group_key) WHERE change_request_id = %s",
        [change_request_id],
    )


async def members_of(connection: Connection, group: UUID | GroupKey) -> set[UUID]:
    """Returns the members whom a group concerns, now or earlier. Empty if there is no such group."""
    where, named = _named(group)
    statement = f"SELECT member_id FROM group_member JOIN enrollment_group USING (group_key) WHERE {where}"
    return set(await fetch_column(connection, UUID, statement, list(named.values())))


async def contracts_of_member(connection: Connection, member_id: UUID) -> set[UUID]:
    """Returns the contracts of all groups to which a member belongs or belonged.

    Empty if the member's periods were erased.
    """
    return set(
        await fetch_column(
            connection,
            UUID,
            "SELECT DISTINCT g.contract_id FROM group_member m JOIN enrollment_group g USING (group_key)"
            " WHERE m.member_id = %s"
            " AND NOT EXISTS (SELECT FROM erasure e WHERE e.member_id = m.member_id AND e.periods_removed)",
            [member_id],
        )
    )


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
    where, named = _named(group, "g.")
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


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups to list. Exactly one field is set."""

    contract_id: UUID | None = None
    primary_id: UUID | None = None
    member_id: UUID | None = None


async def list_heads(
    connection: Connection,
    which: GroupFilter,
    as_of: AsOf,
    after: UUID | None,
    limit: int,
    *,
    without: Collection[str] = (),
) -> list[GroupHead]:
    """Returns the matching groups that had the revision, or existed at the instant, in order of id, starting after a
    given one. Groups of contracts that are mapped in one of the countries `without` are left out."""
    source, where, named = "enrollment_group g", [], dict[str, Any](limit=limit)
    if which.contract_id:
        where.append("g.contract_id = %(contract)s")
        named["contract"] = which.contract_id
    if which.primary_id:
        where.append("g.primary_id = %(primary)s")
        named["primary"] = which.primary_id
    if which.member_id:
        source += " JOIN group_member m USING (group_key)"
        where.append("m.member_id = %(member)s")
        named["member"] = which.member_id
        if as_of.instant:
            where.append("m.recorded_at <= %(instant)s")
    if as_of.revision:
        where.append("g.revision >= %(revision)s")
        named["revision"] = as_of.revision
    if as_of.instant:
        where.append(
            "EXISTS (SELECT FROM change_request c WHERE c.group_key = g.group_key AND c.recorded_at <= %(instant)s)"
        )
        named["instant"] = as_of.instant
    if without:
        where.append(
            "NOT EXISTS (SELECT FROM legacy_identifier i WHERE i.kind = 'CONTRACT' AND i.id = g.contract_id"
            " AND i.country = ANY(%(without)s))"
        )
        named["without"] = list(without)
    if after:
        where.append("g.group_id > %(after)s")
        named["after"] = after
    return await fetch_all(
        connection,
        group_head_of_row,
        "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, g.revision"
        f" FROM {source} WHERE {' AND '.join(where)} ORDER BY g.group_id LIMIT %(limit)s",
        named,
    )


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
