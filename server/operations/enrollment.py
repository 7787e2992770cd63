"""Reading enrollments: groups, revisions and their differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.days import Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.differences import Difference, differences
from domain.enrollment.group import days_of
from domain.enrollment.history import DifferenceCause, GroupState, Revision
from domain.errors import FieldViolation, RequestMalformed, RevisionUnknown
from domain.membership import MembershipType
from server.operations.call import Call
from server.operations.core import Core
from storage import enrollment_reads
from storage.enrollment_reads import AsOf, GroupFilter, group_head, group_state, periods_of


def not_in_the_future(call: Call, instant: datetime | None, field: str) -> None:
    """Refuses an instant whose answer could still change."""
    if instant is not None and instant > call.clock():
        raise RequestMalformed([FieldViolation(field, "lies in the future; leave it unset for now")])


async def get_group(core: Core, call: Call, group: UUID | GroupKey, as_of: AsOf, touching: Span | None) -> GroupState:
    """A group at a revision or instant. Raises GroupUnknown, RevisionUnknown."""
    not_in_the_future(call, as_of.instant, "instant")
    async with core.database.reading() as connection:
        if as_of.instant is None:
            return await enrollment_reads.read_group(connection, group, as_of.revision, touching)
        head = await group_head(connection, group)
        return await group_state(connection, head, as_of, touching)


async def list_groups(
    core: Core,
    call: Call,
    which: GroupFilter,
    as_of: AsOf,
    touching: Span | None,
    after: UUID | None,
    limit: int,
) -> Sequence[GroupState]:
    """Groups in order of id, beginning after one."""
    not_in_the_future(call, as_of.instant, "instant")
    async with core.database.reading() as connection:
        heads = await enrollment_reads.list_heads(connection, which, as_of, after, limit)
        return await enrollment_reads.group_states(connection, heads, as_of, touching)


async def list_revisions(core: Core, call: Call, group: UUID, after: int, limit: int) -> Sequence[Revision]:
    """The revisions of a group after one, in order. Raises GroupUnknown."""
    async with core.database.reading() as connection:
        head = await group_head(connection, group)
        return await enrollment_reads.list_revisions(connection, head, after, limit)


@dataclass(frozen=True, slots=True)
class RevisionDifference:
    """How two revisions differ, as what everyone concerned belongs, and what changed each enrollment in between."""

    differences: Sequence[Difference]
    membership_types: Mapping[UUID, MembershipType]
    causes: Mapping[EnrollmentKey, Sequence[DifferenceCause]]


async def diff_revisions(
    core: Core, call: Call, group: UUID, from_revision: int, to_revision: int
) -> RevisionDifference:
    """How two revisions differ. Raises RequestMalformed, GroupUnknown, RevisionUnknown."""
    if from_revision > to_revision:
        raise RequestMalformed([FieldViolation("from_revision", "comes after to_revision")])
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        if to_revision > head.revision:
            raise RevisionUnknown(head.group_id, to_revision)
        before = await periods_of(connection, head.group_key, from_revision)
        after = await periods_of(connection, head.group_key, to_revision)
        had = await enrollment_reads.days_had_before(connection, head.group_key, from_revision)
        causes = await enrollment_reads.causes_between(connection, head.group_key, from_revision, to_revision)
    types = {period.member_id: period.membership_type for period in (*before, *after)}
    return RevisionDifference(differences(days_of(before), days_of(after), had), types, causes)
