"""Reads groups, their revisions, and the differences between revisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.actors import ActorKind
from domain.days import Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.differences import Difference, corrected_members, differences
from domain.enrollment.group import days_of, types_of
from domain.enrollment.history import DifferenceCause, GroupState, Revision
from domain.errors import FieldViolation, GroupUnknown, NoLegacySource, RequestMalformed, RevisionUnknown
from domain.membership import MembershipType
from operations.call import Call
from operations.core import Core
from operations.legacy.answering import SourceOfTruth
from operations.legacy.reading import legacy_group_state, legacy_page
from operations.paging import Page
from storage import enrollment_reads, group_lookup
from storage.enrollment_reads import group_state, periods_of
from storage.group_lookup import AsOf, GroupFilter, group_head, group_recorded_at
from storage.group_views import ViewKey
from storage.postgres.instants import settled_until


def reject_future(call: Call, instant: datetime | None, field: str) -> None:
    """Raises RequestMalformed for an instant in the future, whose state could still change."""
    if instant is not None and instant > call.clock():
        raise RequestMalformed([FieldViolation(field, "is in the future; leave it unset to read the present state")])


async def get_group(
    core: Core, call: Call, group: UUID | GroupKey, as_of: AsOf, touching: Span | None, source: SourceOfTruth
) -> GroupState:
    """Returns a group as of a revision or instant.

    Raises GroupUnknown, RevisionUnknown, NoLegacySource, LegacyHasNoHistory.
    """
    reject_future(call, as_of.instant, "instant")
    if source is SourceOfTruth.FORCE_LEGACY and not core.legacy:
        raise NoLegacySource
    follows = bool(core.legacy) and source is not SourceOfTruth.FORCE_CORE
    if source is not SourceOfTruth.FORCE_LEGACY and as_of.instant is None:
        try:
            async with core.database.reading() as connection:
                return await enrollment_reads.read_group(
                    connection, group, as_of.revision, touching, unless_legacy_answers=follows
                )
        except GroupUnknown:
            if not follows:
                raise
    if follows and (state := await legacy_group_state(core, group, source, as_of, touching)):
        return state
    await settled_until(core.database, as_of.instant, lambda connection: group_recorded_at(connection, group))
    async with core.database.reading() as connection:
        head = await group_head(connection, group)
        return await group_state(connection, head, as_of, touching)


async def find_view(
    core: Core, call: Call, group_id: str, as_of: AsOf, touching: Span | None, source: SourceOfTruth
) -> bytes | None:
    """Returns the stored view of a group as of now or of a revision, if the caller can receive it as it is.

    `group_id` must be the text of a UUID. If the result is None, `get_group` answers, with the same result or an error.
    The ids that an admin receives are recorded in the audit log, so their responses are always made from states. Raises
    DatabaseUnavailable, Overloaded.
    """
    if core.group_view is None or call.caller.kind is ActorKind.ADMIN:
        return None
    if as_of.instant is not None or touching is not None or source is SourceOfTruth.FORCE_LEGACY:
        return None
    unless_legacy_answers = bool(core.legacy) and source is not SourceOfTruth.FORCE_CORE
    return await core.view_reads.view(core.database, ViewKey(group_id, as_of.revision, unless_legacy_answers))


async def list_groups(
    core: Core,
    call: Call,
    which: GroupFilter,
    as_of: AsOf,
    touching: Span | None,
    page: Page[UUID | None],
    source: SourceOfTruth,
) -> Sequence[GroupState]:
    """Returns groups in order of id. Raises NoLegacySource, LegacyHasNoHistory."""
    reject_future(call, as_of.instant, "instant")
    legacy, countries = await legacy_page(core, which, source, as_of, touching, page)
    if source is SourceOfTruth.FORCE_LEGACY or (which.contract_id and countries):
        return legacy
    await settled_until(core.database, as_of.instant)
    async with core.database.reading() as connection:
        heads = await group_lookup.list_heads(connection, which, as_of, page.after, page.size, without=countries)
        states = await enrollment_reads.group_states(connection, heads, as_of, touching)
    return sorted([*states, *legacy], key=lambda state: state.group_id)[: page.size] if legacy else states


async def list_revisions(core: Core, group: UUID, page: Page[int]) -> Sequence[Revision]:
    """Returns the revisions of a group, oldest first. Raises GroupUnknown."""
    async with core.database.reading() as connection:
        head = await group_head(connection, group)
        return await enrollment_reads.list_revisions(connection, head, page.after, page.size)


@dataclass(frozen=True, slots=True)
class RevisionDifference:
    """How two revisions differ, with the membership types of the members and the causes of each difference."""

    differences: Sequence[Difference]
    membership_types: Mapping[UUID, MembershipType]
    causes: Mapping[EnrollmentKey, Sequence[DifferenceCause]]


async def diff_revisions(
    core: Core, call: Call, group: UUID, from_revision: int, to_revision: int
) -> RevisionDifference:
    """Compares two revisions. Raises RequestMalformed, GroupUnknown, RevisionUnknown."""
    if from_revision > to_revision:
        raise RequestMalformed(
            [FieldViolation("from_revision", f"must not exceed to_revision {to_revision}, got {from_revision}")]
        )
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        if to_revision > head.revision:
            raise RevisionUnknown(head.group_id, to_revision)
        before = await periods_of(connection, head.group_key, from_revision)
        after = await periods_of(connection, head.group_key, to_revision)
        had = await enrollment_reads.days_had_before(connection, head.group_key, from_revision)
        causes = await enrollment_reads.causes_between(
            connection, head.group_key, from_revision, to_revision, for_member=call.caller.kind is ActorKind.MEMBER
        )
    types = {period.member_id: period.membership_type for period in (*before, *after)}
    corrected = corrected_members(types_of(before), types_of(after))
    return RevisionDifference(differences(days_of(before), days_of(after), had, corrected), types, causes)
