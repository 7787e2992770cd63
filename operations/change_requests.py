"""Judges and applies change requests in one transaction, simulates them, and reads stored ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID, uuid4

from domain.days import to_date, to_day
from domain.enrollment.choices import Choice
from domain.enrollment.closing import erased_among
from domain.enrollment.decisions import ChangeProposal, DaysChange, GroupKey, members_named
from domain.enrollment.effort import choices_seconds, judging_seconds
from domain.enrollment.group import GroupBasis
from domain.enrollment.history import ChangeRequest, GroupState, RevisionCause
from domain.enrollment.judging import judge
from domain.enrollment.proposals import proposal_violations
from domain.enrollment.verdicts import Verdict
from domain.errors import GroupUnknown, MemberErased, PastClosed, RequestMalformed, RevisionMismatch
from domain.identity import group_id
from domain.membership import MembershipType
from domain.pricing.changes import CostOutcome
from domain.pricing.simulating import Simulated, priced_choices, simulated
from operations.call import Call
from operations.catching_up import catch_up
from operations.core import Core
from operations.earlier_requests import check_earlier_requests
from operations.legacy.answering import answered_groups, found_by_searching
from operations.legacy.sides import hold_stages
from operations.opening import OpenGroup, look_into, open_group, state_of
from operations.paging import Page
from operations.revising import Settled, differs, move_to
from storage import change_request_lists, enrollment, enrollment_reads, merges
from storage.change_request_lists import Listed
from storage.enrollment_reads import group_head
from storage.listing import ListFilter, RowPosition
from storage.postgres.database import Connection
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class Submitted:
    """The stored request, and the group after it."""

    change_request: ChangeRequest
    group: GroupState


async def submit(core: Core, call: Call, key: WriteKey, proposal: ChangeProposal) -> Submitted:
    """Judges a proposal and applies it if it is approved. A retry returns the same result.

    Raises RequestMalformed, RequestIdReused, ContractUnknown, MemberUnknown, ChangeRequestUnknown, NotRevertible,
    MemberNotInGroup, MemberMerged, MemberErased, PastClosed,
    RevisionMismatch. After an error, nothing is stored, except a waiting recompute that ran before a RevisionMismatch.
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    done = await core.write(call, lambda tx: _submit(core, call, key, proposal, tx))
    core.sequencing.wanted.set()
    if isinstance(done, RevisionMismatch):
        raise done
    return done


async def _submit(
    core: Core, call: Call, key: WriteKey, proposal: ChangeProposal, tx: Connection
) -> Submitted | RevisionMismatch:
    await hold_stages(core, tx, [proposal.key.contract_id])
    if answer := await find_answer(tx, key):
        first_time = await enrollment_reads.change_request(tx, UUID(answer["change_request_id"]))
        call.trail.resolved(change_request_id=first_time.change_request_id, group_id=first_time.group_id)
        return await _submitted(tx, first_time)
    group = await enrollment.lock_group(tx, group_id(*proposal.key), proposal.key)
    call.trail.resolved_group(group.group_id, group.key)
    members = members_named(scoped.change for scoped in proposal.changes)
    opened = await open_group(core, call, tx, group, also=members)
    call.trail.resolved(member_id=opened.basis.facts)
    await merges.reject_merged(tx, {proposal.key.primary_id, *members})
    reject_erased(proposal, opened.basis)
    await check_earlier_requests(tx, proposal, opened.basis)
    opened = await catch_up(core, call, tx, opened)
    call.trail.outcome = "OK"
    current, expected = opened.group.revision, proposal.expected_revision
    if expected is not None and expected != current:
        call.trail.outcome = RevisionMismatch.reason
        return RevisionMismatch(group.group_id, expected, current)
    request = await _apply(core, call, key, proposal, tx, opened)
    await store_answer(tx, key, {"change_request_id": str(request.change_request_id)})
    return await _submitted(tx, request)


def reject_erased(proposal: ChangeProposal, basis: GroupBasis) -> None:
    """Rejects proposals that an erasure makes impossible.

    Raises MemberErased if the proposal names a member whose facts were erased, PastClosed if it would change days that
    an erasure has closed.
    """
    named = [proposal.key.primary_id, *members_named(scoped.change for scoped in proposal.changes)]
    if erased := erased_among(basis.facts, named):
        raise MemberErased(erased)
    spans = [scoped.change.days for scoped in proposal.changes if isinstance(scoped.change, DaysChange)]
    if basis.closed and any(days.start < basis.closed.until for days in spans):
        raise PastClosed(erased_among(basis.facts, basis.facts) or proposal.key.primary_id, to_date(basis.closed.until))


async def _apply(
    core: Core, call: Call, key: WriteKey, proposal: ChangeProposal, tx: Connection, opened: OpenGroup
) -> ChangeRequest:
    today = call.today(opened.basis.contract.time_zone)
    seconds = judging_seconds(proposal, opened.basis)
    judgement = await core.compute(call, seconds, judge, proposal, opened.basis, opened.state, to_day(today))
    approved = judgement.verdict == Verdict.APPROVED
    makes_revision = approved and differs(opened, judgement.days, judgement.membership_types)
    request = ChangeRequest(
        change_request_id=uuid4(),
        request_id=key.request_id,
        group_id=opened.group.group_id,
        key=proposal.key,
        requester=proposal.requester,
        changes=proposal.changes,
        overridden_rules=proposal.overridden_rules,
        accept_consequences=proposal.accept_consequences,
        verdict=judgement.verdict,
        violations=judgement.violations,
        notices=judgement.notices,
        consequences=judgement.consequences,
        revision=opened.group.revision + makes_revision,
        made_revision=makes_revision,
        recorded_at=await enrollment.recording_instant(tx, opened.group),
        actor=call.actor,
        unknown_rules=judgement.unknown_rules,
        violations_omitted=judgement.violations_omitted,
    )
    call.trail.resolved(change_request_id=request.change_request_id)
    change_request_key = await enrollment.add_change_request(tx, opened.group, request)
    if approved:
        settled = Settled(
            judgement.days,
            judgement.membership_types,
            today,
            RevisionCause(request.change_request_id),
            recorded_at=request.recorded_at,
            change_request_key=change_request_key,
        )
        await enrollment.add_members(tx, opened.group, settled.membership_types)
        await move_to(core, tx, opened, settled)
    return request


async def _submitted(tx: Connection, request: ChangeRequest) -> Submitted:
    """Returns the result of a submit. A retry returns the same result."""
    return Submitted(request, await enrollment_reads.read_group(tx, request.group_id, request.revision, None))


async def simulate(core: Core, call: Call, proposal: ChangeProposal, cost_on: date | None) -> Simulated:
    """Judges a proposal as `submit` does, without storing anything.

    The cost is as of `cost_on` (None: the first day that the proposal would change, or today).

    Raises RequestMalformed, ContractUnknown, MemberUnknown, MemberMerged, LegacyCannotHold.
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    async with core.database.snapshot() as connection:
        members = members_named(scoped.change for scoped in proposal.changes)
        await merges.reject_merged(connection, {proposal.key.primary_id, *members})
        seen = await look_into(core, call, connection, proposal.key, also=members)
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
