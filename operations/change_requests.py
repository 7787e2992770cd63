"""Simulates change requests, and reads stored ones."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.enrollment.choices import Choice
from domain.enrollment.closing import erased_among
from domain.enrollment.decisions import ChangeProposal, GroupKey
from domain.enrollment.effort import choices_seconds, judging_seconds
from domain.enrollment.history import ChangeRequest
from domain.enrollment.proposals import proposal_violations
from domain.errors import GroupUnknown, MemberErased, RequestMalformed
from domain.membership import MembershipType
from domain.pricing.changes import CostOutcome
from domain.pricing.simulating import Simulated, priced_choices, simulated
from operations.call import Call
from operations.core import Core
from operations.earlier_requests import check_earlier_requests
from operations.legacy.answering import answered_groups, found_by_searching
from operations.looking import look_into, state_of
from operations.paging import Page
from operations.submitting import reject_erased
from storage import change_request_lists, enrollment_reads, merges
from storage.change_request_lists import Listed
from storage.group_lookup import group_head
from storage.listing import ListFilter, RowPosition


async def simulate(core: Core, call: Call, proposal: ChangeProposal, cost_on: date | None) -> Simulated:
    """Judges a proposal as `submit` does, without storing anything.

    The cost is as of `cost_on` (None: the first day that the proposal would change, or today).

    Raises RequestMalformed, ContractUnknown, MemberUnknown, MemberMerged, LegacyCannotHold.
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    async with core.database.snapshot() as connection:
        await merges.reject_merged(connection, {proposal.key.primary_id, *proposal.members})
        seen = await look_into(core, call, connection, proposal.key, also=proposal.members)
        basis = seen.basis
        reject_erased(proposal, basis)
        await check_earlier_requests(connection, proposal, basis)
    today = call.today(basis.contract.time_zone)
    state = await state_of(core, call, seen)
    seconds = judging_seconds(proposal, basis)
    return await core.compute(call, seconds, simulated, proposal, basis, state, today, cost_on)


async def available_choices(
    core: Core, call: Call, group: UUID | GroupKey, member_id: UUID, membership_type: MembershipType | None, on: date
) -> Sequence[tuple[Choice, CostOutcome]]:
    """Returns whether a member could choose each module of the version in force on a day, and the resulting cost.

    Raises GroupUnknown (by id), ContractUnknown, MemberUnknown, LegacyCannotHold.
    """
    key = group if isinstance(group, GroupKey) else await _key_of(core, group)
    async with core.database.snapshot() as connection:
        seen = await look_into(core, call, connection, key, also=[member_id])
        basis = seen.basis
        if erased := erased_among(basis.facts, [basis.primary_id, member_id]):
            raise MemberErased(erased)
    assumed = MembershipType.PRIMARY if member_id == key.primary_id else MembershipType.CHILD
    state = await state_of(core, call, seen)
    seconds = choices_seconds(basis, to_day(on))
    return await core.compute(call, seconds, priced_choices, basis, state, member_id, membership_type or assumed, on)


async def _key_of(core: Core, group: UUID) -> GroupKey:
    """Returns the key of a group that the core has, or legacy tables that answer. Raises GroupUnknown."""
    async with core.database.reading() as connection:
        try:
            return (await group_head(connection, group)).key
        except GroupUnknown:
            if legacy := await answered_groups(core, connection, [group]):
                return legacy[group].key
    if not await found_by_searching(core):
        raise GroupUnknown(group_id=group)
    async with core.database.reading() as connection:
        if legacy := await answered_groups(core, connection, [group]):
            return legacy[group].key
    raise GroupUnknown(group_id=group)


async def get_change_request(core: Core, change_request_id: UUID) -> ChangeRequest:
    """Returns a stored request. Raises ChangeRequestUnknown."""
    async with core.database.reading() as connection:
        return await enrollment_reads.change_request(connection, change_request_id)


async def list_of_group(core: Core, group: UUID, which: ListFilter, page: Page[int], max_bytes: int) -> Listed:
    """Returns the requests of a group in the order in which they were judged.

    Returns at most `max_bytes` of stored requests, but at least one request. Raises GroupUnknown.
    """
    async with core.database.snapshot() as connection:
        of_group = replace(which, group_key=(await group_head(connection, group)).group_key)
        return await change_request_lists.list_of_group(connection, of_group, page.after, page.size, max_bytes)


async def list_of_all(core: Core, which: ListFilter, page: Page[RowPosition | None], max_bytes: int) -> Listed:
    """Returns the requests of all groups, newest first: at most `max_bytes`, but at least one request."""
    async with core.database.reading() as connection:
        return await change_request_lists.list_of_all(connection, which, page.after, page.size, max_bytes)
