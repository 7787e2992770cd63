"""Enrollment groups, read: as of now, as of a revision, as of an instant. No locks are taken."""

from collections.abc import Mapping, Sequence
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
from storage.database import Connection
from storage.documents import change_request_from_document
from storage.instants import settled_until


@dataclass(frozen=True, slots=True)
class AsOf:
    """As of when a read answers: a revision, an instant, or (neither) now."""

    revision: int | None = None
    instant: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupHead:
    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int


async def group_head(connection: Connection, group: UUID | GroupKey) -> GroupHead:
    """Finds a group by its id, or by contract and primary. Raises GroupUnknown."""
    where, named = _named(group)
    cursor = await connection.execute(
        f"SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group WHERE {where}",
        list(named.values()),
    )
    row = await cursor.fetchone()
    if row is None:
        raise GroupUnknown(**named)
    return GroupHead(row[0], row[1], GroupKey(row[2], row[3]), row[4])


def _named(group: UUID | GroupKey, of: str = "") -> tuple[str, dict[str, UUID]]:
    """How a group is found in SQL, and the ids that it is named by."""
    if isinstance(group, UUID):
        return f"{of}group_id = %s", {"group_id": group}
    return f"{of}contract_id = %s AND {of}primary_id = %s", group._asdict()


async def group_heads(connection: Connection, groups: Sequence[UUID | GroupKey]) -> dict[UUID | GroupKey, GroupHead]:
    """Finds many groups at once, by what each was asked for; those that there are not are left out."""
    ids = [group for group in groups if isinstance(group, UUID)]
    keys = [group for group in groups if isinstance(group, GroupKey)]
    cursor = await connection.execute(
        "SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group"
        " WHERE group_id = ANY(%s) OR (contract_id, primary_id) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))",
        [ids, [key.contract_id for key in keys], [key.primary_id for key in keys]],
    )
    found = [GroupHead(row[0], row[1], GroupKey(row[2], row[3]), row[4]) for row in await cursor.fetchall()]
    by_id: dict[UUID | GroupKey, GroupHead] = {head.group_id: head for head in found}
    return by_id | {head.key: head for head in found}


async def primary_of_change_request(connection: Connection, change_request_id: UUID) -> UUID | None:
    """In whose name the group of a change request stands; None where there is no such request."""
    cursor = await connection.execute(
        "SELECT primary_id FROM enrollment_group JOIN change_request USING (group_key) WHERE change_request_id = %s",
        [change_request_id],
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def members_of(connection: Connection, group: UUID | GroupKey) -> set[UUID]:
    """Whom a group concerns, or has concerned; nobody where there is no such group."""
    where, named = _named(group)
    cursor = await connection.execute(
        f"SELECT member_id FROM group_member JOIN enrollment_group USING (group_key) WHERE {where}",
        list(named.values()),
    )
    return {row[0] for row in await cursor.fetchall()}


async def group_state(connection: Connection, head: GroupHead, as_of: AsOf, touching: Span | None = None) -> GroupState:
    """A group at a revision, optionally only its periods with a day in a span. Raises RevisionUnknown."""
    (state,) = await group_states(connection, [head], as_of, touching)
    return state


async def read_group(
    connection: Connection, group: UUID | GroupKey, revision: int | None, touching: Span | None
) -> GroupState:
    """A group as of now or of a revision, in one query: the most frequent read of all.

    Raises GroupUnknown, RevisionUnknown.
    """
    where, named = _named(group, "g.")
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
    """Groups as of the same, in the order given; two queries however many they are. Raises RevisionUnknown."""
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
        its_periods = periods.get(head.group_key, ())
        states.append(GroupState(head.group_id, head.key, revision, made.cause, made.recorded_at, tuple(its_periods)))
    return states


async def _revisions_as_of(connection: Connection, heads: Sequence[GroupHead], as_of: AsOf) -> dict[int, int]:
    """For each group, by its key, the revision that is asked for; 0: the empty state before the first."""
    if as_of.revision is not None:
        return {head.group_key: as_of.revision for head in heads}
    if as_of.instant is None:
        return {head.group_key: head.revision for head in heads}
    await settled_until(connection, as_of.instant)
    cursor = await connection.execute(
        "SELECT group_key, max(revision) FROM enrollment_revision"
        " WHERE group_key = ANY(%s) AND recorded_at <= %s GROUP BY group_key",
        [[head.group_key for head in heads], as_of.instant],
    )
    known: dict[int, int] = dict(await cursor.fetchall())
    return {head.group_key: known.get(head.group_key, 0) for head in heads}


async def periods_of(connection: Connection, group_key: int, revision: int) -> list[Period]:
    """The periods of a revision in order of member, module and first day; none for revision 0."""
    return (await periods_at(connection, {group_key: revision})).get(group_key, [])


async def periods_at(
    connection: Connection, revisions: Mapping[int, int], touching: Span | None = None
) -> dict[int, list[Period]]:
    """The periods of several groups, by group key, each at a revision; in order of member, module and first day."""
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
        of_group.sort(key=lambda p: (p.member_id, p.module_id, p.days))
    return periods


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Whose groups are listed: exactly one."""

    contract_id: UUID | None = None
    primary_id: UUID | None = None
    member_id: UUID | None = None


async def list_heads(
    connection: Connection, which: GroupFilter, as_of: AsOf, after: UUID | None, limit: int
) -> list[GroupHead]:
    """The groups that match and had the revision, or existed at the instant, in order of id, beginning after one."""
    await settled_until(connection, as_of.instant)
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
    if after:
        where.append("g.group_id > %(after)s")
        named["after"] = after
    cursor = await connection.execute(
        "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, g.revision"
        f" FROM {source} WHERE {' AND '.join(where)} ORDER BY g.group_id LIMIT %(limit)s",
        named,
    )
    return [GroupHead(key, gid, GroupKey(c, p), n) for key, gid, c, p, n in await cursor.fetchall()]


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
    """The revisions of a group after one, in order."""
    cursor = await connection.execute(
        _REVISIONS + " WHERE r.group_key = %s AND r.revision > %s ORDER BY r.revision LIMIT %s",
        [head.group_key, after, limit],
    )
    return [_revision(head.group_id, row) for row in await cursor.fetchall()]


async def days_had_before(connection: Connection, group_key: int, revision: int) -> dict[EnrollmentKey, Days]:
    """The days that any revision before one had."""
    cursor = await connection.execute(
        "SELECT d.member_id, d.module_id, range_agg(d.gained) FROM enrollment_difference d"
        " JOIN enrollment_revision r USING (revision_key) WHERE d.group_key = %s AND r.revision < %s"
        " GROUP BY d.member_id, d.module_id",
        [group_key, revision],
    )
    return {EnrollmentKey(member, module): days for member, module, days in await cursor.fetchall()}


async def causes_between(
    connection: Connection, group_key: int, from_revision: int, to_revision: int
) -> dict[EnrollmentKey, list[DifferenceCause]]:
    """For every enrollment that a revision after `from_revision` changed: these revisions, in order, with reasons."""
    cursor = await connection.execute(
        "SELECT r.revision, d.member_id, d.module_id, c.document, q.recompute_id FROM enrollment_revision r"
        " JOIN enrollment_difference d USING (revision_key) LEFT JOIN change_request c USING (change_request_key)"
        " LEFT JOIN recompute q USING (recompute_key)"
        " WHERE r.group_key = %s AND r.revision > %s AND r.revision <= %s ORDER BY r.revision",
        [group_key, from_revision, to_revision],
    )
    causes: dict[EnrollmentKey, list[DifferenceCause]] = {}
    for revision, member_id, module_id, document, recompute_id in await cursor.fetchall():
        if document is None:
            cause = DifferenceCause(revision, RevisionCause(recompute_id=recompute_id))
        else:
            request = change_request_from_document(document)
            reason_code, note = request.reason_for(member_id, module_id)
            by = RevisionCause(change_request_id=request.change_request_id)
            cause = DifferenceCause(revision, by, reason_code, note, request.requester.reason)
        causes.setdefault(EnrollmentKey(member_id, module_id), []).append(cause)
    return causes


async def change_request(connection: Connection, change_request_id: UUID) -> ChangeRequest:
    """A stored request. Raises ChangeRequestUnknown."""
    cursor = await connection.execute(
        "SELECT document FROM change_request WHERE change_request_id = %s", [change_request_id]
    )
    row = await cursor.fetchone()
    if row is None:
        raise ChangeRequestUnknown(change_request_id)
    return change_request_from_document(row[0])


async def list_change_requests(
    connection: Connection, head: GroupHead, after: int, limit: int
) -> list[tuple[int, ChangeRequest]]:
    """The requests of a group after a key, in the order in which they were judged, each with its key."""
    cursor = await connection.execute(
        "SELECT change_request_key, document FROM change_request WHERE group_key = %s AND change_request_key > %s"
        " ORDER BY change_request_key LIMIT %s",
        [head.group_key, after, limit],
    )
    return [(key, change_request_from_document(document)) for key, document in await cursor.fetchall()]
