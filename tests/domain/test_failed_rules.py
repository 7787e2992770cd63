"""Explained differences: failed rules with the facts that make them fail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from uuid import UUID

from hypothesis import given, settings

from domain.days import Day, Days, Span, to_day
from domain.enrollment.changed_inputs import BasisChange, ChangedFact
from domain.enrollment.decisions import Decision, Enroll
from domain.enrollment.decisive import FULL_EFFORT
from domain.enrollment.explained import ExplainedRun, RunFilter, explained
from domain.enrollment.failed_rules import FailedRule, SeenFact
from domain.enrollment.group import GroupBasis, replay
from domain.fact_changes import FactName
from domain.members import Address, Attribute, Employment, EmploymentStatus, FactKind, Facts
from domain.membership import MembershipType
from domain.rules.conditions import (
    Age,
    Alive,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    HasAttribute,
    Negation,
    Residence,
    Subject,
)
from tests.domain.test_decisive import basis_changes, runs_of
from tests.support.builders import a_contract, a_module, a_rule, a_version, an_id

PRIMARY, CHILD = an_id("primary"), an_id("child")
START = to_day(date(2026, 1, 1))
ALWAYS = Span.between(None, None)
BORN_ON = FactName(FactKind.DATE_OF_BIRTH)
SITE = FactName(FactKind.ATTRIBUTE, "site")
SELF = Subject.SELF
UNDER_26 = Age(SELF, None, 26)
NORTH = HasAttribute(SELF, "site", ("n",))


def a_basis(condition: Condition, child: Facts, primary: Facts | None = None) -> GroupBasis:
    modules = [a_module("base"), a_module("child", rules=[a_rule("RULE", condition)])]
    open_ended = Span(START, Span.between(None, None).end)
    enrolls = (
        Enroll(PRIMARY, MembershipType.PRIMARY, an_id("base"), open_ended),
        Enroll(CHILD, MembershipType.CHILD, an_id("child"), open_ended),
    )
    known = {PRIMARY: primary or Facts(), CHILD: child}
    return GroupBasis(a_contract(a_version(*modules)), PRIMARY, (Decision(enrolls),), known)


def runs_explained(before: GroupBasis, after: GroupBasis) -> tuple[ExplainedRun, ...]:
    change = BasisChange(before, after)
    return tuple(explained(change, replay(before).days, replay(after).days, RunFilter(), FULL_EFFORT).runs)


def only_rule(before: GroupBasis, after: GroupBasis) -> FailedRule:
    (run,) = runs_explained(before, after)
    (rule,) = run.failed_rules
    return rule


def seen(member_id: UUID, fact: FactName, day: Day, value: object, before: object) -> SeenFact:
    return SeenFact(member_id, fact, day, value, before)  # type: ignore[arg-type]


def test_a_corrected_birth_date_is_seen_with_its_value_then_and_now() -> None:
    before = a_basis(UNDER_26, Facts(born_on=date(2001, 3, 1)))
    after = a_basis(UNDER_26, Facts(born_on=date(2000, 3, 1)))
    (run,) = runs_explained(before, after)
    lost = Span(to_day(date(2026, 3, 1)), to_day(date(2027, 3, 1)))
    assert (run.run.days, run.run.gained) == (lost, False)
    assert run.decisive.inputs == (ChangedFact(CHILD, BORN_ON),)
    fact = seen(CHILD, BORN_ON, lost.start, date(2000, 3, 1), date(2001, 3, 1))
    assert run.failed_rules == (FailedRule("RULE", Days.of(lost), "under 26", (fact,)),)


def test_only_facts_of_parts_that_fail_are_seen() -> None:
    condition = AllOf((AnyOf((NORTH, UNDER_26)), Residence(SELF, ("FR",), ())))
    child = Facts(born_on=date(2010, 1, 1), addresses=(Address(ALWAYS, "FR", ""),))
    moved = replace(child, addresses=(Address(ALWAYS, "DE", ""),))
    rule = only_rule(a_basis(condition, child), a_basis(condition, moved))
    assert [fact.fact for fact in rule.facts] == [FactName(FactKind.ADDRESS)]


def test_a_fact_that_a_negation_excludes_is_seen() -> None:
    child = Facts(attributes=(Attribute(ALWAYS, "site", "n"),))
    rule = only_rule(a_basis(Negation(NORTH), Facts()), a_basis(Negation(NORTH), child))
    assert rule.facts == (seen(CHILD, SITE, START, "n", None),)


def test_the_date_that_makes_somebody_not_alive_is_seen() -> None:
    died, born = date(2026, 3, 10), date(2026, 2, 1)
    nothing_known = a_basis(Alive(SELF), Facts())
    rule = only_rule(nothing_known, a_basis(Alive(SELF), Facts(born_on=date(1990, 1, 1), died_on=died)))
    assert rule.condition == "alive"
    assert rule.facts == (seen(CHILD, FactName(FactKind.DATE_OF_DEATH), to_day(died) + 1, died, None),)
    rule = only_rule(nothing_known, a_basis(Alive(SELF), Facts(born_on=born)))
    assert rule.facts == (seen(CHILD, BORN_ON, START, born, None),)


def test_a_deleted_date_of_death_that_a_negation_requires_is_seen() -> None:
    died, not_alive = date(2025, 3, 10), Negation(Alive(SELF))
    rule = only_rule(a_basis(not_alive, Facts(died_on=died)), a_basis(not_alive, Facts()))
    assert rule.facts == (seen(CHILD, FactName(FactKind.DATE_OF_DEATH), START, None, died),)


def test_a_rule_over_every_member_sees_the_members_who_fail_it() -> None:
    condition = HasAttribute(Subject.EVERY_MEMBER, "site", ("n",))
    north, south = (Facts(attributes=(Attribute(ALWAYS, "site", value),)) for value in "ns")
    rule = only_rule(a_basis(condition, north, north), a_basis(condition, north, south))
    assert rule.facts == (seen(PRIMARY, SITE, START, "s", "n"),)


def test_an_ended_employment_with_any_employer_is_seen_with_its_employer() -> None:
    condition = Employed(SELF, (), same_sponsor=False)
    job = Employment(ALWAYS, "OTHER", EmploymentStatus.ACTIVE, None)
    rule = only_rule(a_basis(condition, Facts(employments=(job,))), a_basis(condition, Facts()))
    assert rule.facts == (seen(CHILD, FactName(FactKind.EMPLOYMENT, "OTHER"), START, None, job),)


def test_a_rule_over_enrollments_has_no_facts() -> None:
    condition = EnrolledOn(Subject.PRIMARY, (an_id("base"),))
    before = a_basis(condition, Facts())
    after = replace(before, contract=a_contract(a_version(*before.contract.versions[0].modules[1:])))
    child, primary = sorted(runs_explained(before, after), key=lambda run: run.run.key.member_id != CHILD)
    assert primary.failed_rules == (FailedRule("", Days.of(primary.run.days)),)
    (rule,) = child.failed_rules
    assert (rule.code, rule.condition, rule.facts) == ("RULE", f"the primary is enrolled on {an_id('base')}", ())


def test_a_filter_leaves_out_other_members_and_modules() -> None:
    before = a_basis(UNDER_26, Facts(born_on=date(2001, 3, 1)))
    change = BasisChange(before, a_basis(UNDER_26, Facts(born_on=date(2000, 3, 1))))
    days = replay(before).days, replay(change.after).days

    def count(which: RunFilter) -> int:
        return len(explained(change, *days, which, FULL_EFFORT).runs)

    assert count(RunFilter(CHILD)) == count(RunFilter(CHILD, an_id("child"))) == 1
    assert count(RunFilter(PRIMARY)) == count(RunFilter(CHILD, an_id("base"))) == 0


@settings(max_examples=150, deadline=None)
@given(basis_changes())
def test_every_lost_day_that_is_still_desired_is_excluded_by_a_failed_rule(change: BasisChange) -> None:
    before, settlement = replay(change.mixed(())), replay(change.after)
    runs = explained(change, before.days, settlement.days, RunFilter(), FULL_EFFORT).runs
    assert [each.run for each in runs] == runs_of(change)
    for each in runs:
        desired = settlement.desired.get(each.run.key, Days(())) & Days.of(each.run.days)
        excluded = Days.of(*_spans(each.failed_rules))
        assert excluded == (Days(()) if each.run.gained else desired)


def _spans(rules: tuple[FailedRule, ...]) -> Iterator[Span]:
    for rule in rules:
        yield from rule.days.spans
