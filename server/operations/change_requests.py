"""Change requests: submitted, judged and carried out in one transaction; and read again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from domain.catalog.contract import Contract
from domain.days import to_date, to_day
from domain.enrollment import choices
from domain.enrollment.choices import Choice
from domain.enrollment.closing import erased_among
from domain.enrollment.decisions import ChangeProposal, EnrollmentKey, GroupKey
from domain.enrollment.differences import differences
from domain.enrollment.group import GroupBasis, Period, periods
from domain.enrollment.history import ChangeRequest, GroupState
from domain.enrollment.judging import Judgement, judge
from domain.enrollment.proposals import proposal_violations
from domain.enrollment.verdicts import Verdict
from domain.errors import MemberErased, ModuleUnknown, PastClosed, RequestMalformed, RevisionMismatch
from domain.identity import group_id
from domain.membership import MembershipType
from domain.pricing.changes import CostOutcome, cost_change, enrolled_on, with_choice
from domain.pricing.inquiries import Policy
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import OpenGroup, State, look_into, open_group
from server.operations.revising import catch_up, move_to
from storage import enrollment, enrollment_reads
from storage.database import Connection
from storage.enrollment_reads import group_head
from storage.requests import WriteKey, answered, remember


@dataclass(frozen=True, slots=True)
class Submitted:
    """The stored request, and the group after it."""

    change_request: ChangeRequest
    group: GroupState


async def submit(core: Core, call: Call, key: WriteKey, proposal: ChangeProposal) -> Submitted:
    """Judges a proposal and, if nothing speaks against it, carries it out; a repeated one answers the same again.

    Raises RequestMalformed, RequestIdReused, ContractUnknown, ModuleUnknown, MemberUnknown, MemberErased, PastClosed,
    RevisionMismatch; nothing is stored then (but for a recompute that was waiting, which stands whatever becomes of the
    request).
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    done = await core.write(call, lambda tx: _submit(core, call, key, proposal, tx))
    core.events_written.set()
    if isinstance(done, RevisionMismatch):
        raise done
    return done


async def _submit(
    core: Core, call: Call, key: WriteKey, proposal: ChangeProposal, tx: Connection
) -> Submitted | RevisionMismatch:
    if answer := await answered(tx, key):
        first_time = await enrollment_reads.change_request(tx, UUID(answer["change_request_id"]))
        return await _submitted(tx, first_time)
    group = await enrollment.lock_group(tx, group_id(*proposal.key), proposal.key)
    members = {scoped.change.member_id for scoped in proposal.changes}
    opened = await open_group(core, tx, group, also=members)
    await _refuse_unknown_modules(core, tx, proposal, opened.basis.contract)
    refuse_erased(proposal, opened.basis)
    opened = await catch_up(call, tx, opened)
    call.trail.outcome = "OK"
    current, expected = opened.group.revision, proposal.expected_revision
    if expected is not None and expected != current:
        call.trail.outcome = RevisionMismatch.reason
        return RevisionMismatch(group.group_id, expected, current)
    request = await _carry_out(call, key, proposal, tx, opened)
    await remember(tx, key, {"change_request_id": str(request.change_request_id)})
    return await _submitted(tx, request)


def refuse_erased(proposal: ChangeProposal, basis: GroupBasis) -> None:
    """Raises MemberErased for a proposal that names somebody whose facts were erased, PastClosed for one that would
    change days that were closed by it."""
    named = [proposal.key.primary_id, *(scoped.change.member_id for scoped in proposal.changes)]
    if erased := erased_among(basis.facts, named):
        raise MemberErased(erased)
    if basis.closed and any(scoped.change.days.start < basis.closed.until for scoped in proposal.changes):
        raise PastClosed(erased_among(basis.facts, basis.facts) or proposal.key.primary_id, to_date(basis.closed.until))


async def _refuse_unknown_modules(core: Core, tx: Connection, proposal: ChangeProposal, contract: Contract) -> None:
    """Raises ModuleUnknown for a module that no contract has ever listed; one of another contract is not offered."""
    named = {scoped.change.module_id for scoped in proposal.changes if scoped.change.module_id}
    if elsewhere := sorted(named - contract.slots.keys()):
        known = await core.contract_source.contracts_of_modules(tx, elsewhere)
        for module_id in elsewhere:
            if module_id not in known:
                raise ModuleUnknown(module_id)


async def _carry_out(
    call: Call, key: WriteKey, proposal: ChangeProposal, tx: Connection, opened: OpenGroup
) -> ChangeRequest:
    today = call.today(opened.basis.contract.time_zone)
    judgement = judge(proposal, opened.basis, opened.state, to_day(today))
    approved = judgement.verdict == Verdict.APPROVED
    makes_revision = approved and judgement.settlement.days != opened.state
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
    )
    change_request_key = await enrollment.add_change_request(tx, opened.group, request)
    if approved:
        settled, types = judgement.settlement.days, judgement.membership_types
        await enrollment.add_members(tx, opened.group, types)
        await move_to(
            tx, opened, settled, types, today, recorded_at=request.recorded_at, change_request_key=change_request_key
        )
    return request


async def _submitted(tx: Connection, request: ChangeRequest) -> Submitted:
    """The answer to a submit, the same the first time and ever after."""
    return Submitted(request, await enrollment_reads.read_group(tx, request.group_id, request.revision, None))


@dataclass(frozen=True, slots=True)
class Simulated:
    """What would become of a proposal, and the group's periods before and after, as if it were carried out."""

    judgement: Judgement
    before: tuple[Period, ...]
    after: tuple[Period, ...]
    cost: CostOutcome


async def simulate(core: Core, call: Call, proposal: ChangeProposal, cost_on: date | None) -> Simulated:
    """Judges a proposal as `submit` does, and stores nothing.

    The cost is that of a day (None: the first one that the proposal would change, or today).
    Raises RequestMalformed, ContractUnknown, ModuleUnknown, MemberUnknown.
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    async with core.database.snapshot() as connection:
        members = {scoped.change.member_id for scoped in proposal.changes}
        basis, state = await look_into(core, connection, proposal.key, also=members)
        refuse_erased(proposal, basis)
        await _refuse_unknown_modules(core, connection, proposal, basis.contract)
    today = call.today(basis.contract.time_zone)
    judgement = judge(proposal, basis, state, to_day(today))
    after, types = judgement.settlement.days, judgement.membership_types
    policy = Policy(basis.contract, group_id(*proposal.key), basis.primary_id, basis.facts)
    on = cost_on or _first_difference(state, after) or today
    cost = cost_change(policy, enrolled_on(state, on), enrolled_on(after, on), types, on)
    return Simulated(judgement, periods(state, basis.membership_types()), periods(after, types), cost)


def _first_difference(before: State, after: State) -> date | None:
    changed = differences(before, after, {})
    return min((to_date((d.gained | d.lost).first) for d in changed), default=None)


async def available_choices(
    core: Core, call: Call, group: UUID | GroupKey, member_id: UUID, membership_type: MembershipType | None, on: date
) -> Sequence[tuple[Choice, CostOutcome]]:
    """Every module of the version in force on a day, as the member could choose it, and what that would cost.

    Raises GroupUnknown (by id), ContractUnknown, MemberUnknown.
    """
    async with core.database.snapshot() as connection:
        key = group if isinstance(group, GroupKey) else (await group_head(connection, group)).key
        basis, state = await look_into(core, connection, key, also=[member_id])
        if erased := erased_among(basis.facts, [basis.primary_id, member_id]):
            raise MemberErased(erased)
    assumed = MembershipType.PRIMARY if member_id == key.primary_id else MembershipType.CHILD
    found = choices.available_choices(basis, member_id, membership_type or assumed, to_day(on))
    policy = Policy(basis.contract, group_id(*key), key.primary_id, basis.facts)
    types = {member_id: membership_type or assumed} | basis.membership_types()
    enrolled = enrolled_on(state, on)

    def cost(choice: Choice) -> CostOutcome:
        chosen = with_choice(enrolled, EnrollmentKey(member_id, choice.module_id), basis.contract)
        return cost_change(policy, enrolled, chosen, types, on)

    return [(choice, cost(choice)) for choice in found]


async def get_change_request(core: Core, call: Call, change_request_id: UUID) -> ChangeRequest:
    """A stored request. Raises ChangeRequestUnknown."""
    async with core.database.reading() as connection:
        return await enrollment_reads.change_request(connection, change_request_id)


async def list_change_requests(
    core: Core, call: Call, group: UUID, after: int, limit: int
) -> list[tuple[int, ChangeRequest]]:
    """Requests of a group in the order in which they were judged, each with its place. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        return await enrollment_reads.list_change_requests(connection, head, after, limit)
