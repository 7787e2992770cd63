"""The engine compared with the slow model, and the invariants of enrollment."""

from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.days import UNBOUNDED_END, Days, Span
from domain.enrollment.decisions import DaysChange, Decision, Enroll, EnrollmentKey
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis, days_of, periods, replay
from domain.enrollment.verdicts import ViolationCode
from domain.membership import MembershipType
from tests.domain.day_by_day import offences
from tests.domain.histories import (
    FIRST,
    GRID,
    MEMBERS,
    PRIMARY,
    WHOLE_GRID,
    A,
    B,
    Group,
    groups,
    groups_with_requests,
    on_day,
)
from tests.support.builders import a_contract, a_module, a_version

RULE_NOT_SATISFIED, NOT_OFFERED = ViolationCode.RULE_NOT_SATISFIED, ViolationCode.NOT_OFFERED


def days_in(days: Days) -> set[int]:
    """Returns the single days of bounded days."""
    return {day for span in days.spans for day in range(*span)}


@settings(max_examples=400, deadline=None)
@given(groups)
def test_settled_days_equal_those_of_the_slow_engine(group: Group) -> None:
    settlement = group.settled()
    for day in GRID:
        assert on_day(settlement.days, day) == group.on(day).settled(), day
    assert replay(group.basis).days == settlement.days


@settings(max_examples=150, deadline=None)
@given(groups)
def test_settled_days_are_allowed_and_every_other_desired_day_would_break_a_rule(group: Group) -> None:
    settlement = group.settled()
    for day in GRID:
        slow = group.on(day)
        kept, everyone = on_day(settlement.days, day), slow.first_phase()
        assert kept <= slow.desired()
        assert not any(slow.broken(*one, kept, everyone) for one in kept)
        for refused in slow.desired() - kept:
            broken = slow.broken(*refused, kept | {refused}, everyone)
            assert broken
            reported = why_not(EnrollmentKey(*refused), Days.of_day(day), settlement).violations
            assert {violation.rule_code or violation.code.value for violation in reported} == broken


@settings(max_examples=300, deadline=None)
@given(groups_with_requests())
def test_a_rejection_has_every_rule_and_day_that_the_slow_engine_finds(drawn: tuple[Group, Decision]) -> None:
    group, asked = drawn
    candidate = group.plus(asked)
    expected = offences(asked, [candidate.on(day) for day in WHOLE_GRID])
    judgement = group.judged(asked)
    by_rules = [v for v in judgement.violations if v.code in (RULE_NOT_SATISFIED, NOT_OFFERED)]
    assert {(v.rule_code or v.code.value, v.member_id, v.module_id): days_in(v.days) for v in by_rules} == expected
    assert [v.on for v in by_rules] == [min(days_in(v.days)) for v in by_rules]
    changes = [c for c in asked.changes if isinstance(c, DaysChange)]
    outside = [c.days.start for c in changes if not candidate.on(c.days.start).in_force()]
    reported = [v.on for v in judgement.violations if v.code == ViolationCode.OUTSIDE_CONTRACT]
    assert set(reported) <= set(outside)
    assert bool(reported) == bool(outside)
    conflicts = [v.member_id for v in judgement.violations if v.code == ViolationCode.MEMBERSHIP_TYPE_CONFLICT]
    assert set(conflicts) == candidate.recorded.conflicts()


@settings(max_examples=150, deadline=None)
@given(groups)
def test_no_two_modules_of_a_slot_share_a_day(group: Group) -> None:
    settled = group.settled().days
    for member in MEMBERS:
        assert not settled.get(EnrollmentKey(member, A), Days(())) & settled.get(EnrollmentKey(member, B), Days(()))


@settings(max_examples=150, deadline=None)
@given(groups, st.randoms(use_true_random=False))
def test_the_order_of_rules_modules_and_members_does_not_matter(group: Group, shuffle: Random) -> None:
    basis = group.basis
    versions_shuffled = []
    for version in basis.contract.versions:
        modules, rules = list(version.modules), list(version.rules)
        shuffle.shuffle(modules)
        shuffle.shuffle(rules)
        versions_shuffled.append(replace(version, modules=tuple(modules), rules=tuple(rules)))
    known = list(basis.facts.items())
    shuffle.shuffle(known)
    contract = replace(basis.contract, versions=tuple(versions_shuffled))
    other = replace(group, basis=replace(basis, contract=contract, facts=dict(known)))
    assert other.settled().days == group.settled().days


@settings(max_examples=100, deadline=None)
@given(groups)
def test_periods_are_the_settled_days_cut_into_runs(group: Group) -> None:
    settled, types = replay(group.basis).days, group.basis.membership_types()
    assert days_of(periods(settled, types)) == settled
    assert {period.member_id: period.membership_type for period in periods(settled, types)}.items() <= types.items()


@settings(max_examples=300, deadline=None)
@given(groups)
def test_membership_types_equal_those_of_the_slow_model(group: Group) -> None:
    assert group.basis.membership_types() == group.recorded.types()


@settings(max_examples=100, deadline=None)
@given(groups)
def test_a_chain_has_only_rules_that_refuse_enrollments_that_day(group: Group) -> None:
    settlement = group.settled()
    for key in settlement.desired:
        missing = settlement.desired[key] - settlement.days.get(key, Days(()))
        for violation in why_not(key, missing, settlement).violations:
            assert violation.days <= settlement.desired[key]
            for cause in violation.chain:
                rests_on = EnrollmentKey(cause.member_id, cause.module_id)
                assert settlement.was_refused(rests_on, cause.on)
                assert cause.on == violation.on
                assert (cause.rule_code or cause.code.value) in settlement.broken_rules(rests_on, Days.of_day(cause.on))


def test_replaying_equals_settling_the_decisions() -> None:
    contract = a_contract(a_version(a_module("A"), days=Span(FIRST, UNBOUNDED_END)))
    basis = GroupBasis(
        contract, PRIMARY, (Decision((Enroll(PRIMARY, MembershipType.PRIMARY, A, Span(FIRST, UNBOUNDED_END)),)),), {}
    )
    assert replay(basis).days == {EnrollmentKey(PRIMARY, A): Days.of(Span(FIRST, UNBOUNDED_END))}
