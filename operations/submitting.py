"""Judges change requests and applies the approved ones, for many groups in one transaction.

The groups are opened together, each request is judged on its own group, and the decisions are written together. If a
request fails, nothing is stored for it, and the other requests of its transaction aren't affected.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from domain.days import to_date, to_day
from domain.enrollment.closing import erased_among
from domain.enrollment.decisions import ChangeProposal, DaysChange, members_named
from domain.enrollment.effort import judging_seconds, replay_seconds
from domain.enrollment.group import GroupBasis
from domain.enrollment.history import ChangeRequest, GroupState
from domain.enrollment.judging import judge
from domain.enrollment.proposals import proposal_violations
from domain.enrollment.verdicts import Verdict
from domain.errors import (
    DomainError,
    MemberErased,
    MemberMerged,
    PastClosed,
    RequestMalformed,
    RevisionMismatch,
    WriteConflict,
)
from domain.identity import group_id
from operations.batches import Batches
from operations.call import Call
from operations.catching_up import catch_up
from operations.computing import INLINE_SECONDS
from operations.core import Core
from operations.earlier_requests import check_earlier_requests
from operations.legacy.sides import hold_stages
from operations.opening import OpenGroup, try_to_open
from operations.revising import Settled, decided, differs, move_to
from storage import enrollment, enrollment_reads
from storage.group_writes import GroupWrites
from storage.postgres.database import Connection
from storage.postgres.locks import DecisionLocks, Lock
from storage.requests import WriteKey, answers_of


@dataclass(frozen=True, slots=True)
class Submitted:
    """The stored request, and the group after it; `view` is its view, if this call has made it."""

    change_request: ChangeRequest
    group: GroupState
    view: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Submit:
    """A proposal to judge, and the call and write that it came with."""

    call: Call
    key: WriteKey
    proposal: ChangeProposal
    group_id: UUID
    members: frozenset[UUID]
    """The members whom the proposal names."""


async def submit(core: Core, call: Call, key: WriteKey, proposal: ChangeProposal) -> Submitted:
    """Judges a proposal and applies it if it is approved. A retry returns the same result.

    Raises RequestMalformed, RequestIdReused, ContractUnknown, MemberUnknown, ChangeRequestUnknown, NotRevertible,
    MemberNotInGroup, MemberMerged, MemberErased, PastClosed,
    RevisionMismatch. After an error, nothing is stored, except a waiting recompute that ran before a RevisionMismatch.
    """
    if violations := list(proposal_violations(proposal)):
        raise RequestMalformed(violations)
    request = Submit(call, key, proposal, group_id(*proposal.key), proposal.members)
    if core.legacy:  # legacy rows are locked, which can take long, and can't be written together
        return await _alone(core, request)
    submits: Batches[Submit, Submitted] = core.submits
    late = core.database.why_none_is_free
    return await submits.do(request, request.group_id, partial(_together, core), partial(_alone, core), late)


async def _together(core: Core, requests: Sequence[Submit]) -> Sequence[Submitted | Exception | None]:
    """Judges requests about different groups in one transaction that never waits for locks.

    Returns None for those that must be judged alone, because others hold their locks or because that takes long.
    """

    async def work(tx: Connection) -> tuple[_Judging, Sequence[Call]]:
        judging = _Judging(core, tx, requests, DecisionLocks(tx, wait=False))
        return judging, await judging.run()

    judging = await core.write_together(work, patient=False, generic_plans=True)
    judging.committed()
    return [judging.outcomes[request] for request in requests]


async def _alone(core: Core, request: Submit) -> Submitted:
    """Judges a request in a transaction of its own, which waits for locks."""

    async def work(tx: Connection) -> tuple[_Judging, Sequence[Call]]:
        judging = _Judging(core, tx, [request], DecisionLocks(tx))
        calls = await judging.run()
        outcome = judging.outcomes[request]
        if isinstance(outcome, DomainError) and not calls:
            raise outcome  # also rolls back what was written to legacy tables
        return judging, calls

    judging = await core.write_together(work)
    judging.committed()
    outcome = judging.outcomes[request]
    if isinstance(outcome, Submitted):
        return outcome
    raise outcome or WriteConflict


@dataclass(slots=True)
class _Judging:
    """Requests about different groups that are judged in one transaction, and their outcomes.

    An outcome of None means that the request must be judged alone.
    """

    core: Core
    tx: Connection
    requests: Sequence[Submit]
    locks: DecisionLocks
    outcomes: dict[Submit, Submitted | DomainError | None] = field(default_factory=dict)
    changed: list[OpenGroup] = field(default_factory=list)

    async def run(self) -> Sequence[Call]:
        """Judges all requests and writes the decisions. Returns the calls for which something is stored."""
        for request in self.requests:
            request.call.trail.forget_resolved()
        await hold_stages(self.core, self.tx, {request.proposal.key.contract_id for request in self.requests})
        await self._lock()
        opened = await self._open(await self._without_answered())
        writes = GroupWrites()
        stored = [request.call for request, outcome in self.outcomes.items() if isinstance(outcome, Submitted)]
        for request, of_group in opened.items():
            await asyncio.sleep(0)  # lets other tasks run, including the one that keeps the transaction alive
            of_request = await self._judge(request, of_group)
            if of_request is not None:
                writes.extend(of_request)
                stored.append(request.call)
        await self.core.record(self.tx, writes)
        return stored

    def committed(self) -> None:
        """Caches the groups, after the transaction was committed."""
        for opened in self.changed:
            self.core.groups.remember(opened.group, opened.recorded)
        self.core.sequencing.wanted.set()

    async def _lock(self) -> None:
        """Locks the ids of the requests. A transaction that doesn't wait can take locks in any order, so it takes all
        locks that it is known to need with one statement."""
        things: dict[Lock, set[UUID]] = {Lock.REQUEST: {request.key.request_id for request in self.requests}}
        if not self.locks.wait:
            things[Lock.CONTRACT] = {request.proposal.key.contract_id for request in self.requests}
            things[Lock.MEMBER] = set().union(
                *(_named(request) | self.core.groups.enrolled(request.group_id) for request in self.requests)
            )
        await self.locks.take(things)

    async def _without_answered(self) -> list[Submit]:
        """Returns the requests that are new. Retried ones get their stored outcomes."""
        busy = self.locks.busy(Lock.REQUEST, [request.key.request_id for request in self.requests])
        answers = await answers_of(self.tx, [request.key for request in self.requests])
        new: dict[UUID, Submit] = {}
        for request in self.requests:
            answer = answers[request.key]
            if request.key.request_id in busy:
                self._fail(request, WriteConflict())
            elif isinstance(answer, DomainError):
                self._fail(request, answer)
            elif answer is not None:
                self.outcomes[request] = await self._first_time(request, answer)
            elif request.key.request_id in new:  # twice in one batch
                self.outcomes[request] = None
            else:
                new[request.key.request_id] = request
        return list(new.values())

    async def _first_time(self, request: Submit, answer: Mapping[str, Any]) -> Submitted:
        stored = await enrollment_reads.change_request(self.tx, UUID(answer["change_request_id"]))
        request.call.trail.resolved(change_request_id=stored.change_request_id, group_id=stored.group_id)
        group = await enrollment_reads.read_group(self.tx, stored.group_id, stored.revision, None)
        return Submitted(stored, group)

    async def _open(self, requests: Sequence[Submit]) -> dict[Submit, OpenGroup]:
        """Opens the groups of requests. Requests whose groups can't be opened fail."""
        if not requests:
            return {}
        for request in requests:
            request.call.trail.resolved_group(request.group_id, request.proposal.key)
        keys = {request.group_id: request.proposal.key for request in requests}
        locked = await enrollment.lock_groups_by_id(self.tx, keys, wait=self.locks.wait)
        also = {request.group_id: request.members for request in requests}
        opened = await try_to_open(self.core, requests[0].call, self.tx, list(locked.values()), also, self.locks)
        found: dict[Submit, OpenGroup] = {}
        for request in requests:
            of_group = opened.get(request.group_id, WriteConflict())
            if isinstance(of_group, DomainError):
                self._fail(request, of_group)
                continue
            request.call.trail.resolved(member_id=of_group.basis.facts)
            aliases = of_group.basis.aliases
            if merged := sorted(aliases.keys() & _named(request)):
                self._fail(request, MemberMerged(merged[0], aliases[merged[0]]))
            else:
                found[request] = of_group
        return found

    async def _judge(self, request: Submit, opened: OpenGroup) -> GroupWrites | None:
        """Judges a request on its group. Returns what to write, or None if there is nothing to write."""
        call, proposal, writes = request.call, request.proposal, GroupWrites()
        if not self.locks.wait and _takes_long(proposal, opened):
            self.outcomes[request] = None
            return None
        try:
            reject_erased(proposal, opened.basis)
            await check_earlier_requests(self.tx, proposal, opened.basis)
            opened = await catch_up(self.core, call, self.tx, opened, writes)
            call.trail.outcome = "OK"
            current, expected = opened.group.revision, proposal.expected_revision
            if expected is not None and expected != current:
                call.trail.outcome = RevisionMismatch.reason
                self.outcomes[request] = RevisionMismatch(request.group_id, expected, current)
            else:
                judged, opened = await _apply(self.core, self.tx, request, opened, writes)
                self.outcomes[request] = Submitted(judged, opened.recorded.current, opened.view)
        except DomainError as error:
            self._fail(request, error)
            return None
        self.changed.append(opened)
        return writes

    def _fail(self, request: Submit, error: DomainError) -> None:
        in_conflict = isinstance(error, WriteConflict) and not self.locks.wait
        self.outcomes[request] = None if in_conflict else error


def _named(request: Submit) -> frozenset[UUID]:
    """Returns the members whom a request names, including the primary."""
    return request.members | {request.proposal.key.primary_id}


def _takes_long(proposal: ChangeProposal, opened: OpenGroup) -> bool:
    seconds = judging_seconds(proposal, opened.basis)
    return seconds + (replay_seconds(opened.basis) if opened.waiting else 0.0) >= INLINE_SECONDS


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
    core: Core, tx: Connection, request: Submit, opened: OpenGroup, writes: GroupWrites
) -> tuple[ChangeRequest, OpenGroup]:
    """Judges a proposal, and records the request, the revision that it makes, and the response to repeated calls."""
    call, proposal = request.call, request.proposal
    today = call.today(opened.basis.contract.time_zone)
    seconds = judging_seconds(proposal, opened.basis)
    judgement = await core.compute(call, seconds, judge, proposal, opened.basis, opened.state, to_day(today))
    approved = judgement.verdict == Verdict.APPROVED
    makes_revision = approved and differs(opened, judgement.days, judgement.membership_types)
    judged = ChangeRequest(
        change_request_id=uuid4(),
        request_id=request.key.request_id,
        group_id=request.group_id,
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
        recorded_at=opened.next_instant(),
        actor=call.actor,
        unknown_rules=judgement.unknown_rules,
        violations_omitted=judgement.violations_omitted,
    )
    call.trail.resolved(change_request_id=judged.change_request_id)
    opened = decided(opened, judged, writes)
    if approved:
        settled = Settled(judgement.days, judgement.membership_types, today, request=judged)
        opened = await move_to(core, tx, opened, settled, writes)
    writes.add_answer(request.key, {"change_request_id": str(judged.change_request_id)})
    return judged, opened
