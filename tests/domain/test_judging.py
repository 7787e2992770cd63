"""Judgements of single requests: the reported cases, each with related ones."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, to_day
from domain.enrollment.decisions import (
    Change,
    ChangeProposal,
    Decision,
    Enroll,
    EnrollmentKey,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    ScopedChange,
)
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.judging import Judgement, judge
from domain.enrollment.unmet import unmet_enrolls
from domain.enrollment.verdicts import Verdict, Violation
from domain.members import Facts
from domain.membership import MembershipType
from domain.rules.conditions import HasAttribute, Subject
from tests.support.builders import a_contract, a_module, a_rule, a_span, a_version, an_id

PRIMARY = an_id("primary")
A = an_id("A")
NEVER = a_rule("NEVER", HasAttribute(Subject.SELF, "site", ("n",)))
STRICT = a_contract(a_version(a_module("A", rules=[NEVER])))
"""A contract from 2026 on with a module A that no member is allowed to have."""


def enroll(first_on: str, last_on: str | None = None, module_id: UUID = A) -> Enroll:
    return Enroll(PRIMARY, MembershipType.PRIMARY, module_id, a_span(first_on, last_on))


def leave(first_on: str, last_on: str | None = None, module_id: UUID | None = A) -> Leave:
    return Leave(PRIMARY, module_id, a_span(first_on, last_on))


def basis(contract: Contract, *decisions: Decision) -> GroupBasis:
    return GroupBasis(contract, PRIMARY, decisions, {PRIMARY: Facts()})


def judged(
    state: GroupBasis, *changes: Change, overridden: tuple[str, ...] = (), today: str = "2026-01-01"
) -> Judgement:
    """Returns a request: an admin's if it overrides a rule, otherwise the primary's own."""
    role = RequesterRole.ADMIN if overridden else RequesterRole.MEMBER
    proposal = ChangeProposal(
        GroupKey(state.contract.contract_id, PRIMARY),
        Requester(role, str(PRIMARY), "a test"),
        tuple(ScopedChange(change) for change in changes),
        overridden,
    )
    return judge(proposal, state, replay(state).days, to_day(date.fromisoformat(today)))


def reported(judgement: Judgement) -> list[tuple[str, str]]:
    return [(v.rule_code or v.code.value, str(date.fromordinal(v.on or 0))) for v in judgement.violations]


def only(judgement: Judgement) -> Violation:
    (violation,) = judgement.violations
    return violation


def days(*spans: tuple[str, str | None]) -> Days:
    return Days.of(*(a_span(*each) for each in spans))


# ---------------------------------------------------------------- overrides


def settled(*decisions: Decision) -> Mapping[EnrollmentKey, Days]:
    return replay(basis(STRICT, *decisions)).days


def test_an_override_applies_on_the_days_of_its_requests_enroll() -> None:
    assert settled(Decision((enroll("2026-03-01"),), ("NEVER",))) == {
        EnrollmentKey(PRIMARY, A): days(("2026-03-01", None))
    }


def test_an_override_in_a_leave_does_not_apply_to_a_later_enroll() -> None:
    left = Decision((leave("2026-03-01"),), ("NEVER",))
    assert settled(left, Decision((enroll("2026-04-01"),))) == {}
    assert reported(judged(basis(STRICT, left), enroll("2026-04-01"))) == [("NEVER", "2026-04-01")]


def test_an_override_in_a_leave_of_all_modules_does_not_apply_to_a_later_enroll() -> None:
    left = Decision((leave("2026-03-01", module_id=None),), ("NEVER",))
    assert settled(left, Decision((enroll("2026-04-01"),))) == {}


def test_a_request_that_leaves_and_enrolls_overrides_rules_on_the_enrolls_days_only() -> None:
    both = Decision((leave("2026-03-01", "2026-03-31"), enroll("2026-05-01", "2026-05-31")), ("NEVER",))
    asked_again = Decision((enroll("2026-02-01"),))
    assert settled(both, asked_again) == {EnrollmentKey(PRIMARY, A): days(("2026-05-01", "2026-05-31"))}


def test_an_override_still_applies_after_later_decisions_on_the_enrolls_days() -> None:
    waived = Decision((enroll("2026-03-01", "2026-06-30"),), ("NEVER",))
    left, again = Decision((leave("2026-04-01"),)), Decision((enroll("2026-05-01"),))
    expected = days(("2026-03-01", "2026-03-31"), ("2026-05-01", "2026-06-30"))
    assert settled(waived, left, again) == {EnrollmentKey(PRIMARY, A): expected}


def test_a_decision_can_override_rules_on_days_before_a_day_only() -> None:
    taken_over = Decision((enroll("2026-03-01"),), ("NEVER",), overridden_before=date(2026, 3, 15))
    assert settled(taken_over) == {EnrollmentKey(PRIMARY, A): days(("2026-03-01", "2026-03-14"))}
    too_late = replace(taken_over, overridden_before=date(2026, 3, 1))
    assert settled(too_late) == {}


def test_a_group_that_relied_on_the_override_of_a_leave_reports_the_days_that_it_loses() -> None:
    state = basis(STRICT, Decision((leave("2026-03-01"),), ("NEVER",)), Decision((enroll("2026-04-01", "2026-06-30"),)))
    before = {EnrollmentKey(PRIMARY, A): days(("2026-04-01", "2026-06-30"))}
    (unmet,) = unmet_enrolls(state, replay(state), before).enrolls
    assert (unmet.days, unmet.newly) == (before[EnrollmentKey(PRIMARY, A)], before[EnrollmentKey(PRIMARY, A)])
    assert [reason.rule_code for reason in unmet.reasons] == ["NEVER"]


def test_a_leave_can_override_a_commitment() -> None:
    committed = a_contract(a_version(a_module("A", commitment_months=12)))
    state = basis(committed, Decision((enroll("2026-01-01"),)))
    assert reported(judged(state, leave("2026-03-01"), today="2026-02-01")) == [
        ("COMMITMENT_NOT_ELAPSED", "2026-03-01")
    ]
    passed = judged(state, leave("2026-03-01"), overridden=("COMMITMENT_NOT_ELAPSED",), today="2026-02-01")
    assert passed.verdict == Verdict.APPROVED


# ---------------------------------------------------------------- unknown rules


def test_unknown_overridden_codes_are_reported_once_each_and_have_no_effect() -> None:
    judgement = judged(
        basis(STRICT), enroll("2026-03-01"), overridden=("NEVR", "COMMITMENT_NOT_ELAPSED", "OLD", "NEVR")
    )
    assert judgement.unknown_rules == ("NEVR", "OLD")
    assert reported(judgement) == [("NEVER", "2026-03-01")]


def test_a_rule_of_any_version_on_a_module_or_on_the_version_itself_is_known() -> None:
    contract = a_contract(
        a_version(a_module("A", rules=[NEVER]), days=a_span("2026-01-01", "2026-12-31")),
        a_version(a_module("A"), days=a_span("2027-01-01"), rules=[a_rule("ADULT")]),
    )
    judgement = judged(basis(contract), enroll("2026-03-01"), overridden=("NEVER", "ADULT"))
    assert judgement.unknown_rules == ()
    assert judgement.verdict == Verdict.APPROVED


# ---------------------------------------------------------------- outside the contract


def lasting(**module: object) -> Contract:
    """Returns a contract from 2026 to 2027 with a module A."""
    return a_contract(a_version(replace(a_module("A"), **module), days=a_span("2026-01-01", "2027-12-31")))  # type: ignore[arg-type]


def test_outside_contract_is_reported_beside_the_commitment_that_the_same_enroll_breaks() -> None:
    judgement = judged(basis(lasting(commitment_months=12)), enroll("2025-12-31", "2026-03-01"))
    assert reported(judgement) == [("COMMITMENT_NOT_ELAPSED", "2026-03-02"), ("OUTSIDE_CONTRACT", "2025-12-31")]
    assert judgement.violations[0].earliest_last_on == date(2026, 12, 31)


def test_outside_contract_is_reported_beside_rules_on_the_days_within_the_contract() -> None:
    judgement = judged(basis(lasting(rules=(NEVER,))), enroll("2025-12-01", "2026-01-31"))
    assert reported(judgement) == [("NEVER", "2026-01-01"), ("OUTSIDE_CONTRACT", "2025-12-01")]
    assert judgement.violations[0].days == days(("2026-01-01", "2026-01-31"))


def test_outside_contract_is_reported_instead_of_not_offered_on_any_day_of_the_same_enroll() -> None:
    judgement = judged(basis(lasting(membership_types=(MembershipType.CHILD,))), enroll("2025-12-01", "2026-01-31"))
    assert reported(judgement) == [("OUTSIDE_CONTRACT", "2025-12-01")]


def test_not_offered_is_reported_for_another_enroll_beside_outside_contract() -> None:
    contract = lasting(membership_types=(MembershipType.CHILD,))
    judgement = judged(basis(contract), enroll("2025-12-01", "2026-01-31"), enroll("2026-03-01", "2026-03-10"))
    assert reported(judgement) == [("NOT_OFFERED", "2026-03-01"), ("OUTSIDE_CONTRACT", "2025-12-01")]
    assert judgement.violations[0].days == days(("2026-03-01", "2026-03-10"))


def test_days_outside_on_both_sides_are_reported_once_as_outside_contract() -> None:
    assert reported(judged(basis(lasting()), enroll("2025-12-01", "2028-01-31"))) == [
        ("OUTSIDE_CONTRACT", "2025-12-01")
    ]


def test_an_open_enroll_from_before_the_contract_is_outside_it_and_nothing_else() -> None:
    assert reported(judged(basis(lasting(rules=(NEVER,))), enroll("2025-12-01"))) == [
        ("OUTSIDE_CONTRACT", "2025-12-01")
    ]


def test_an_open_enroll_whose_days_before_the_contract_are_replaced_is_judged_on_its_first_remaining_day() -> None:
    judgement = judged(basis(lasting(rules=(NEVER,))), enroll("2025-12-01"), leave("2025-12-01", "2026-02-28"))
    assert reported(judgement) == [("NEVER", "2026-03-01"), ("OUTSIDE_CONTRACT", "2025-12-01")]


def test_an_enroll_that_ends_after_the_contract_is_not_offered_on_the_days_after_it() -> None:
    judgement = judged(basis(lasting()), enroll("2027-12-01", "2028-01-31"))
    assert reported(judgement) == [("NOT_OFFERED", "2028-01-01")]


def test_backdating_of_another_change_is_reported_beside_outside_contract() -> None:
    judgement = judged(basis(lasting()), enroll("2026-01-01", "2026-01-31"), enroll("2025-12-01"), today="2026-02-01")
    assert reported(judgement) == [("BACKDATING_LIMIT", "2026-01-01"), ("OUTSIDE_CONTRACT", "2025-12-01")]


def test_a_leave_from_before_the_contract_reports_the_commitment_that_it_breaks() -> None:
    state = basis(lasting(commitment_months=12), Decision((enroll("2026-01-01"),)))
    assert reported(judged(state, leave("2025-12-01"), today="2026-02-01")) == [
        ("COMMITMENT_NOT_ELAPSED", "2026-01-01"),
        ("OUTSIDE_CONTRACT", "2025-12-01"),
    ]


# ---------------------------------------------------------------- several enrolls


def test_a_violation_has_the_days_of_all_enrolls_of_the_member_on_the_module() -> None:
    judgement = judged(basis(STRICT), enroll("2026-03-01", "2026-03-10"), enroll("2026-05-01", "2026-05-10"))
    assert only(judgement).days == days(("2026-03-01", "2026-03-10"), ("2026-05-01", "2026-05-10"))
    assert reported(judgement) == [("NEVER", "2026-03-01")]


def test_the_first_offending_day_is_the_earliest_of_all_enrolls_whatever_their_order() -> None:
    judgement = judged(basis(STRICT), enroll("2026-09-01"), enroll("2026-03-01", "2026-03-31"))
    assert only(judgement).days == days(("2026-03-01", "2026-03-31"), ("2026-09-01", "2026-09-01"))
    assert reported(judgement) == [("NEVER", "2026-03-01")]


def test_days_of_an_enroll_that_a_later_one_repeats_are_reported_once() -> None:
    judgement = judged(basis(STRICT), enroll("2026-03-01", "2026-03-10"), enroll("2026-03-05", "2026-03-20"))
    assert only(judgement).days == days(("2026-03-01", "2026-03-20"))


def test_not_offered_has_the_days_of_all_enrolls() -> None:
    contract = lasting(membership_types=(MembershipType.CHILD,))
    judgement = judged(basis(contract), enroll("2026-03-01", "2026-03-10"), enroll("2026-05-01", "2026-05-10"))
    assert only(judgement).days == days(("2026-03-01", "2026-03-10"), ("2026-05-01", "2026-05-10"))


def test_of_two_runs_ended_too_early_the_one_of_the_first_enroll_is_reported() -> None:
    contract = lasting(commitment_months=12)
    late, early = enroll("2026-09-01", "2026-09-30"), enroll("2026-03-01", "2026-03-31")
    assert only(judged(basis(contract), late, early)).earliest_last_on == date(2027, 8, 31)
    assert only(judged(basis(contract), early, late)).earliest_last_on == date(2027, 2, 28)


def test_a_committed_day_that_is_lost_is_reported_rather_than_a_run_that_ends_too_early() -> None:
    state = basis(lasting(commitment_months=2), Decision((enroll("2026-06-01"),)))
    request: list[Change] = [leave("2026-06-15"), enroll("2026-02-01", "2026-02-10")]
    assert reported(judged(state, *request, today="2026-06-01")) == [
        ("BACKDATING_LIMIT", "2026-02-01"),
        ("COMMITMENT_NOT_ELAPSED", "2026-06-15"),
    ]


def test_outside_contract_names_the_earliest_first_day_of_a_member_on_a_module() -> None:
    judgement = judged(basis(lasting()), enroll("2028-05-01"), enroll("2025-05-01", "2025-05-31"))
    assert reported(judgement) == [("OUTSIDE_CONTRACT", "2025-05-01")]
