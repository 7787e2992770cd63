"""Flow 1: what becomes of a change request, given the state of its group (`enrollment.md`).

Pure: nothing is stored here. Submitting and simulating differ only in what the operation does with the judgement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, UNBOUNDED_END, Day, Days, Span, to_date
from domain.enrollment import commitment
from domain.enrollment.decisions import (
    ChangeProposal,
    Decision,
    Enroll,
    EnrollmentKey,
    Leave,
    RequesterRole,
)
from domain.enrollment.desired import DaysByEnrollment, desired_days, lay_over
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis
from domain.enrollment.settling import Settlement, settle
from domain.enrollment.verdicts import Consequence, Notice, Verdict, Violation, ViolationCode
from domain.membership import MembershipType

OVERRIDABLE = "COMMITMENT_NOT_ELAPSED"
"""The only one of the system's own codes that an admin may override."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a request. `settlement` is the candidate's state, also when it is rejected."""

    verdict: Verdict
    violations: tuple[Violation, ...]
    notices: tuple[Notice, ...]
    consequences: tuple[Consequence, ...]
    decision: Decision
    settlement: Settlement
    membership_types: Mapping[UUID, MembershipType]


def judge(proposal: ChangeProposal, basis: GroupBasis, before: Mapping[EnrollmentKey, Days], today: Day) -> Judgement:
    """Judges a request on the state `before` of its group, which `basis` settles to.

    `basis.facts` must hold everyone whom the request or an approved decision names.
    """
    rules = tuple(code for code in proposal.overridden_rules if code != OVERRIDABLE)
    asked = Decision(tuple(scoped.change for scoped in proposal.changes), rules)
    candidate = replace(basis, decisions=(*basis.decisions, asked))
    types = candidate.membership_types()
    settlement = settle(desired_days(candidate.decisions, basis.contract), candidate.rulebook(types))

    consequences = _consequences(before, settlement)
    violations = [
        *_type_conflicts(asked, basis),
        *_outside_contract(asked, basis.contract),
        *_backdated(proposal, basis.contract, today),
        *_unsettled(asked, basis.contract, settlement),
    ]
    if OVERRIDABLE not in proposal.overridden_rules:
        violations += _commitments(asked, basis.contract, before, settlement.days, today)
    if consequences and not proposal.accept_consequences:
        violations.append(_not_accepted(consequences))
    violations = _first_of_each(violations)
    notices = tuple(_notices(asked, basis.contract, settlement)) if not violations else ()

    if consequences and proposal.accept_consequences:
        leaves = tuple(consequence.as_leave() for consequence in consequences)
        asked = replace(asked, consequence_leaves=leaves)
        desired = dict(settlement.desired)
        lay_over(desired, leaves, basis.contract)
        settlement = settle(desired, settlement.rulebook)
    verdict = Verdict.REJECTED if violations else Verdict.APPROVED
    return Judgement(verdict, tuple(violations), notices, consequences, asked, settlement, types)


def _consequences(before: Mapping[EnrollmentKey, Days], after: Settlement) -> tuple[Consequence, ...]:
    """The days settled before, still desired, and not settled after, in order of member, module and day."""
    return tuple(
        Consequence(key.member_id, key.module_id, span)
        for key in sorted(before)
        for span in ((before[key] & after.desired.get(key, NO_DAYS)) - after.days.get(key, NO_DAYS)).spans
    )


def _enrolls_as_left(asked: Decision, contract: Contract) -> Iterator[tuple[Enroll, Days]]:
    """Every enroll that begins within the contract's life, with the days that later changes of the request leave it."""
    for i, change in enumerate(asked.changes):
        if isinstance(change, Enroll) and contract.life.holds(change.days.start):
            later = (other.days for other in asked.changes[i + 1 :] if _decides_anew(other, change, contract))
            yield change, Days.of(change.days) - Days.of(*later)


def _decides_anew(later: Enroll | Leave, enroll: Enroll, contract: Contract) -> bool:
    """Whether a later change says something else about the member's slot."""
    if later.member_id != enroll.member_id:
        return False
    if isinstance(later, Enroll) and later.module_id in contract.mates(enroll.module_id):
        return True
    return later.module_id in (None, enroll.module_id)


def _unsettled(asked: Decision, contract: Contract, settlement: Settlement) -> Iterator[Violation]:
    """An open enroll must be settled on its first day, a bounded one on all of its days."""
    for enroll, left in _enrolls_as_left(asked, contract):
        key = EnrollmentKey(enroll.member_id, enroll.module_id)
        must = left
        if enroll.days.end == UNBOUNDED_END and left:
            must = Days.of(Span(left.first, left.first + 1))
        yield from why_not(key, must - settlement.days.get(key, NO_DAYS), settlement)


def _notices(asked: Decision, contract: Contract, settlement: Settlement) -> Iterator[Notice]:
    """What open enrolls asked for and will not have."""
    cut: DaysByEnrollment = {}
    for enroll, left in _enrolls_as_left(asked, contract):
        key = EnrollmentKey(enroll.member_id, enroll.module_id)
        cut[key] = cut.get(key, NO_DAYS) | (left - settlement.days.get(key, NO_DAYS))
    for key in sorted(cut):
        if days := cut[key]:
            yield Notice(key.member_id, key.module_id, days, tuple(why_not(key, days, settlement)))


def _type_conflicts(asked: Decision, basis: GroupBasis) -> Iterator[Violation]:
    """One membership type per member, for ever; the primary is PRIMARY, and nobody else is."""
    types = basis.membership_types()
    for change in asked.changes:
        if not isinstance(change, Enroll):
            continue
        known = types.setdefault(change.member_id, change.membership_type)
        is_primary = change.membership_type == MembershipType.PRIMARY
        if known != change.membership_type or is_primary != (change.member_id == basis.primary_id):
            yield Violation(
                ViolationCode.MEMBERSHIP_TYPE_CONFLICT,
                f"Member {change.member_id} cannot be {change.membership_type} in this group.",
                member_id=change.member_id,
            )


def _outside_contract(asked: Decision, contract: Contract) -> Iterator[Violation]:
    for change in asked.changes:
        if not contract.life.holds(change.days.start):
            yield _about(
                change,
                ViolationCode.OUTSIDE_CONTRACT,
                f"The contract is not in force on {to_date(change.days.start)}.",
            )


def _backdated(proposal: ChangeProposal, contract: Contract, today: Day) -> Iterator[Violation]:
    """A member's change may not begin longer ago than the version in force on its first day allows."""
    if proposal.requester.role == RequesterRole.ADMIN:
        return
    for scoped in proposal.changes:
        start = scoped.change.days.start
        version = contract.version_on(start)
        if version and start < today - version.max_backdating_days:
            yield _about(
                scoped.change,
                ViolationCode.BACKDATING_LIMIT,
                f"A change may begin at most {version.max_backdating_days} days before today, not on {to_date(start)}.",
            )


def _about(change: Enroll | Leave, code: ViolationCode, message: str) -> Violation:
    return Violation(code, message, member_id=change.member_id, module_id=change.module_id, on=change.days.start)


def _commitments(
    asked: Decision,
    contract: Contract,
    before: Mapping[EnrollmentKey, Days],
    after: Mapping[EnrollmentKey, Days],
    today: Day,
) -> Iterator[Violation]:
    breaches = {breach.key: breach for breach in commitment.lost_commitments(contract, before, after, today)}
    for enroll, left in _enrolls_as_left(asked, contract):
        # A last day that a later change of the request takes away is not where this enroll ends a run.
        if enroll.days.end != UNBOUNDED_END and left.holds(enroll.days.end - 1):
            key = EnrollmentKey(enroll.member_id, enroll.module_id)
            had, has = before.get(key, NO_DAYS), after.get(key, NO_DAYS)
            if breach := commitment.run_ended_early(contract, key, enroll.days, had, has):
                breaches.setdefault(key, breach)
    for key, on, earliest in breaches.values():
        yield Violation(
            ViolationCode.COMMITMENT_NOT_ELAPSED,
            f"Member {key.member_id} is committed to module {key.module_id} until {earliest}.",
            member_id=key.member_id,
            module_id=key.module_id,
            on=on,
            earliest_last_on=earliest,
        )


def _not_accepted(consequences: tuple[Consequence, ...]) -> Violation:
    enrollments = {(c.member_id, c.module_id) for c in consequences}
    return Violation(
        ViolationCode.CONSEQUENCES_NOT_ACCEPTED,
        f"{len(enrollments)} other enrollment(s) would lose days, and nobody has accepted that.",
    )


def _first_of_each(violations: list[Violation]) -> list[Violation]:
    """One violation per code, member and module, with the first offending day, in order."""
    first: dict[tuple[str, str, str], Violation] = {}
    for violation in violations:
        known = first.get(violation.order)
        if known is None or (violation.on or 0) < (known.on or 0):
            first[violation.order] = violation
    return [first[order] for order in sorted(first)]
