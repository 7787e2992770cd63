"""Judges a change request, given the state of its group.

Nothing is stored here. Submitting and simulating differ only in what the operation does with the judgement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, UNBOUNDED_END, Day, Days, to_date
from domain.enrollment import commitment
from domain.enrollment.bounds import Bounds, causes_of_each, most_relevant
from domain.enrollment.decisions import (
    ChangeProposal,
    DaysChange,
    Decision,
    Enroll,
    EnrollmentKey,
    RequesterRole,
)
from domain.enrollment.desired import DaysByEnrollment, lay_over
from domain.enrollment.explaining import Explainer
from domain.enrollment.group import GroupBasis
from domain.enrollment.settling import Settlement, settle
from domain.enrollment.verdicts import Consequence, Notice, Verdict, Violation, ViolationCode
from domain.membership import MembershipType

OVERRIDABLE = "COMMITMENT_NOT_ELAPSED"
"""The only code of the system that an admin can override."""


REFUSALS = (ViolationCode.RULE_NOT_SATISFIED, ViolationCode.NOT_OFFERED)
"""Violations that follow from the settlement, which can explain them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a request.

    `days` are those of the candidate state, even if the request is rejected. `unknown_rules` are overridden codes that
    no version of the contract has.
    """

    verdict: Verdict
    violations: tuple[Violation, ...]
    violations_omitted: int
    notices: tuple[Notice, ...]
    consequences: tuple[Consequence, ...]
    unknown_rules: tuple[str, ...]
    decision: Decision
    days: Mapping[EnrollmentKey, Days]
    membership_types: Mapping[UUID, MembershipType]


def judge(proposal: ChangeProposal, basis: GroupBasis, before: Mapping[EnrollmentKey, Days], today: Day) -> Judgement:
    """Judges a request on the state `before` of its group, to which `basis` settles.

    `basis.facts` must contain everyone whom the request or an approved decision names.
    """
    rules = tuple(code for code in proposal.overridden_rules if code != OVERRIDABLE)
    asked = Decision(tuple(scoped.change for scoped in proposal.changes), rules)
    candidate = basis.with_decision(asked)
    types = candidate.membership_types()
    settlement = settle(candidate.folded.desired, candidate.rulebook(types))

    consequences = _consequences(before, settlement)
    explainer = Explainer(settlement)
    violations = [
        *_type_conflicts(basis, candidate),
        *_outside_contract(asked, basis.contract),
        *_backdated(proposal, basis.contract, today),
        *_unsettled(asked, basis.contract, explainer),
    ]
    if OVERRIDABLE not in proposal.overridden_rules:
        violations += _commitments(asked, basis.contract, before, settlement.days, today)
    if not_accepted := _not_accepted(proposal, consequences):
        violations.append(_consequences_not_accepted(not_accepted))
    every = _first_of_each(violations)
    reported = most_relevant(every, asked.changes)
    causes = causes_of_each(len(reported))
    reported = tuple(explainer.explained(each, causes) if each.code in REFUSALS else each for each in reported)
    notices = tuple(_notices(asked, basis.contract, explainer)) if not every else ()

    if consequences and not not_accepted:
        leaves = tuple(consequence.as_leave() for consequence in consequences)
        asked = replace(asked, consequence_leaves=leaves)
        desired = dict(settlement.desired)
        lay_over(desired, leaves, basis.contract)
        settlement = settle(desired, settlement.rulebook)
    verdict = Verdict.REJECTED if every else Verdict.APPROVED
    omitted = len(every) - len(reported)
    unknown = tuple(code for code in dict.fromkeys(rules) if code not in basis.contract.rule_codes)
    return Judgement(verdict, reported, omitted, notices, consequences, unknown, asked, settlement.days, types)


def _consequences(before: Mapping[EnrollmentKey, Days], after: Settlement) -> tuple[Consequence, ...]:
    """Returns days that were settled before, are still desired, and are no longer settled, in order of member and
    module.
    """
    return tuple(
        Consequence(key.member_id, key.module_id, span)
        for key in sorted(before, key=lambda key: key.order)
        for span in ((before[key] & after.desired.get(key, NO_DAYS)) - after.days.get(key, NO_DAYS)).spans
    )


def _enrolls_as_left(asked: Decision, contract: Contract) -> Iterator[tuple[Enroll, Days]]:
    """Yields every enroll with those of its days that later changes of the request leave unchanged."""
    for i, change in enumerate(asked.changes):
        if isinstance(change, Enroll):
            following = (other for other in asked.changes[i + 1 :] if isinstance(other, DaysChange))
            later = (other.days for other in following if _replaces(other, change, contract))
            yield change, Days.of(change.days) - Days.of(*later)


def _replaces(later: DaysChange, enroll: Enroll, contract: Contract) -> bool:
    """Returns whether a later change concerns the same member and slot."""
    if later.member_id != enroll.member_id:
        return False
    if isinstance(later, Enroll) and later.module_id in contract.mates(enroll.module_id):
        return True
    return later.module_id in (None, enroll.module_id)


def _unsettled(asked: Decision, contract: Contract, explainer: Explainer) -> Iterator[Violation]:
    """Yields violations for required days that aren't settled.

    An open enroll must be settled on its first day, a bounded one on all its days. The enrolls of one member on one
    module are judged together, so that a rule is reported once, with all offending days.
    """
    settlement = explainer.settlement
    required: DaysByEnrollment = {}
    for enroll, left in _enrolls_as_left(asked, contract):
        key = EnrollmentKey(enroll.member_id, enroll.module_id)
        days = Days.of_day(left.first) if enroll.days.end == UNBOUNDED_END and left else left
        if not contract.life.holds(enroll.days.start):
            # It is already rejected as OUTSIDE_CONTRACT. Its rules are checked, but NOT_OFFERED would be redundant.
            days &= settlement.rulebook.demands(key).offered
        required[key] = required.get(key, NO_DAYS) | days
    for key, days in required.items():
        yield from explainer.refusals(key, days - settlement.days.get(key, NO_DAYS))


def _notices(asked: Decision, contract: Contract, explainer: Explainer) -> Iterator[Notice]:
    """Yields the requested days on which open enrolls aren't in effect."""
    cut: DaysByEnrollment = {}
    for enroll, left in _enrolls_as_left(asked, contract):
        key = EnrollmentKey(enroll.member_id, enroll.module_id)
        cut[key] = cut.get(key, NO_DAYS) | (left - explainer.settlement.days.get(key, NO_DAYS))
    cut = {key: days for key, days in cut.items() if days}
    bounds = Bounds.of_each(len(cut))
    for key in sorted(cut):
        yield Notice(key.member_id, key.module_id, cut[key], *explainer.why_not(key, cut[key], bounds))


def _type_conflicts(basis: GroupBasis, candidate: GroupBasis) -> Iterator[Violation]:
    """Yields members whom the request enrolls, or whom decisions that count because of it enroll, with a type that
    differs from their earlier one, or who are wrongly PRIMARY or not PRIMARY.
    """
    known = basis.folded.types.conflicts
    for member_id, membership_type in candidate.folded.types.conflicts.items():
        if member_id not in known:
            yield Violation(
                ViolationCode.MEMBERSHIP_TYPE_CONFLICT,
                f"Member {member_id} can't be enrolled as {membership_type} in this group.",
                member_id=member_id,
            )


def _outside_contract(asked: Decision, contract: Contract) -> Iterator[Violation]:
    for change in asked.changes:
        if isinstance(change, DaysChange) and not contract.life.holds(change.days.start):
            yield _about(
                change,
                ViolationCode.OUTSIDE_CONTRACT,
                f"The contract is not in force on {to_date(change.days.start)}.",
            )


def _backdated(proposal: ChangeProposal, contract: Contract, today: Day) -> Iterator[Violation]:
    """Yields changes of a member that start earlier than the version in force on that day allows."""
    if proposal.requester.role == RequesterRole.ADMIN:
        return
    for scoped in proposal.changes:
        change = scoped.change
        if not isinstance(change, DaysChange):
            continue
        start = change.days.start
        version = contract.version_on(start)
        if version and start < today - version.max_backdating_days:
            yield _about(
                change,
                ViolationCode.BACKDATING_LIMIT,
                f"A change can start at most {version.max_backdating_days} days before today, got {to_date(start)}.",
            )


def _about(change: DaysChange, code: ViolationCode, message: str) -> Violation:
    return Violation(code, message, member_id=change.member_id, module_id=change.module_id, on=change.days.start)


def _commitments(
    asked: Decision,
    contract: Contract,
    before: Mapping[EnrollmentKey, Days],
    after: Mapping[EnrollmentKey, Days],
    today: Day,
) -> Iterator[Violation]:
    """Yields commitments that the request breaks: lost days, or else the run that a bounded enroll ends too early."""
    breaches = {breach.key: breach for breach in commitment.lost_commitments(contract, before, after, today)}
    for enroll, left in _enrolls_as_left(asked, contract):
        # If a later change of the request replaces the last day, this enroll doesn't end a run there.
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


def _not_accepted(proposal: ChangeProposal, consequences: Sequence[Consequence]) -> list[Consequence]:
    """Returns the consequences with a day that the proposal accepts neither individually nor with all others."""
    if proposal.accept_consequences:
        return []
    accepted: dict[tuple[UUID, UUID | None], Days] = {}
    for leave in proposal.accepted_leaves:
        key = leave.member_id, leave.module_id
        accepted[key] = accepted.get(key, NO_DAYS) | Days.of(leave.days)
    return [
        each for each in consequences if Days.of(each.days) - accepted.get((each.member_id, each.module_id), NO_DAYS)
    ]


def _consequences_not_accepted(consequences: Sequence[Consequence]) -> Violation:
    enrollments = {(c.member_id, c.module_id) for c in consequences}
    return Violation(
        ViolationCode.CONSEQUENCES_NOT_ACCEPTED,
        f"{len(enrollments)} other enrollment(s) would lose days. To allow this, set accept_consequences, or list the"
        " days in accepted_consequences.",
    )


def _first_of_each(violations: list[Violation]) -> list[Violation]:
    """Returns one violation per code, member and module, in order, with the first offending day."""
    first: dict[tuple[str, str, str], Violation] = {}
    for violation in violations:
        known = first.get(violation.order)
        if known is None or (violation.on or 0) < (known.on or 0):
            first[violation.order] = violation
    return [first[order] for order in sorted(first)]
