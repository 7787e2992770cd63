"""The engine compared with the slow model, and the invariants of enrollment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.catalog.contract import Contract, ContractVersion
from domain.days import UNBOUNDED_END, Days, Span
from domain.enrollment.decisions import (
    Change,
    ChangeProposal,
    DaysChange,
    Decision,
    Enroll,
    EnrollmentKey,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    ScopedChange,
)
from domain.enrollment.desired import desired_days
from domain.enrollment.explaining import why_not
from domain.enrollment.group import GroupBasis, days_of, periods, replay
from domain.enrollment.judging import Judgement, judge
from domain.enrollment.settling import Settlement, settle
from domain.enrollment.verdicts import ViolationCode
from domain.members import Attribute, Facts
from domain.membership import MembershipType
from domain.rules.conditions import AllOf, AnyOf, Condition, EnrolledOn, HasAttribute, Negation, Rule, Subject
from tests.domain.day_by_day import OneDay, offences
from tests.support.builders import a_contract, a_module, a_version, an_id

FIRST = 1000
"""The first day of the contract. The grid starts one day before it and ends one day after the last possible change."""

LENGTH = 8
GRID = range(FIRST - 1, FIRST + LENGTH + 2)
WHOLE_GRID = range(FIRST - 1, FIRST + 2 * LENGTH + 2)
"""It also ends after every bounded span."""

MEMBERS = [UUID(int=n) for n in (1, 2, 3)]
PRIMARY = MEMBERS[0]
NAMES = ("A", "B", "X", "Y")
A, B, X, Y = MODULES = [an_id(name) for name in NAMES]
SLOTS = {A: "s", B: "s", X: None, Y: None}
TYPES = dict(zip(MEMBERS, (MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD), strict=True))

spans = st.builds(
    lambda start, length: Span(start, UNBOUNDED_END if length is None else start + length),
    st.integers(FIRST - 1, FIRST + LENGTH),
    st.one_of(st.none(), st.integers(1, LENGTH)),
)
subjects = st.sampled_from(Subject)
enrolled = st.builds(EnrolledOn, subjects, st.lists(st.sampled_from(MODULES), max_size=2, unique=True).map(tuple))
attributes = st.builds(HasAttribute, subjects, st.just("site"), st.just(("n",)))
own_attributes = st.builds(
    HasAttribute, st.sampled_from([Subject.SELF, Subject.PRIMARY]), st.just("site"), st.just(("n",))
)
leaves: SearchStrategy[Condition] = st.one_of(enrolled, attributes, st.builds(Negation, own_attributes))
conditions: SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)), st.sampled_from([AllOf, AnyOf]), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)
some_types = st.lists(st.sampled_from(list(TYPES.values())), max_size=2, unique=True).map(tuple)


@st.composite
def versions(draw: st.DrawFn, days: Span) -> ContractVersion:
    """Draws a version with some of the modules, some of which have a rule."""
    codes = iter(["R1", "R2", "R3", "R4", "R5"])

    def rules() -> tuple[Rule, ...]:
        wanted = draw(st.booleans())
        return (Rule(next(codes), "", draw(some_types), draw(conditions)),) if wanted else ()

    modules = [
        a_module(name, slot=SLOTS[an_id(name)], rules=rules(), membership_types=draw(some_types))
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    ]
    return a_version(*modules, days=days, rules=rules())


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Draws a contract with one or two versions; the last one can be bounded."""
    cut = draw(st.one_of(st.none(), st.integers(FIRST + 1, FIRST + LENGTH - 1)))
    end = draw(st.sampled_from([UNBOUNDED_END, FIRST + LENGTH]))
    days = [Span(FIRST, end)] if cut is None else [Span(FIRST, cut), Span(cut, end)]
    contract = a_contract(*(draw(versions(each)) for each in days))
    return replace(contract, unlisted=SLOTS)


def changes() -> SearchStrategy[Change]:
    members = st.sampled_from(MEMBERS)
    enrolls = st.builds(lambda m, x, d: Enroll(m, TYPES[m], x, d), members, st.sampled_from(MODULES), spans)
    leaves_of = st.builds(Leave, members, st.one_of(st.none(), st.sampled_from(MODULES)), spans)
    return st.one_of(enrolls, enrolls, enrolls, leaves_of)


decisions = st.builds(
    lambda some, codes: Decision(tuple(some), tuple(codes)),
    st.lists(changes(), min_size=1, max_size=3),
    st.lists(st.sampled_from(["R1", "R2"]), max_size=1),
)
facts = st.lists(st.tuples(spans, st.sampled_from("ns")), max_size=1).map(
    lambda some: Facts(attributes=tuple(Attribute(days, "site", value) for days, value in some))
)


@dataclass(frozen=True)
class Group:
    """A drawn group. Hypothesis prints its `repr` for a counterexample."""

    basis: GroupBasis

    def settled(self) -> Settlement:
        """Returns the types of all members, whether or not a decision names them."""
        return settle(desired_days(self.basis.decisions, self.basis.contract), self.basis.rulebook(TYPES))

    def on(self, day: int) -> OneDay:
        return OneDay(day, self.basis.contract, PRIMARY, TYPES, dict(self.basis.facts), self.basis.decisions)

    def judged(self, asked: Decision) -> Judgement:
        """Judges an admin's request on the settled state."""
        proposal = ChangeProposal(
            GroupKey(self.basis.contract.contract_id, PRIMARY),
            Requester(RequesterRole.ADMIN, "admin", "a test"),
            tuple(ScopedChange(change) for change in asked.changes),
            asked.overridden_rules,
        )
        return judge(proposal, self.basis, replay(self.basis).days, FIRST)


groups = st.builds(
    lambda contract, some, known: Group(
        GroupBasis(contract, PRIMARY, tuple(some), dict(zip(MEMBERS, known, strict=True)))
    ),
    contracts(),
    st.lists(decisions, min_size=1, max_size=5),
    st.tuples(facts, facts, facts),
)


RULE_NOT_SATISFIED, NOT_OFFERED = ViolationCode.RULE_NOT_SATISFIED, ViolationCode.NOT_OFFERED


def days_in(days: Days) -> set[int]:
    """Returns the single days of bounded days."""
    return {day for span in days.spans for day in range(*span)}


def on_day(days: Mapping[EnrollmentKey, Days], day: int) -> set[tuple[UUID, UUID]]:
    return {(key.member_id, key.module_id) for key, its_days in days.items() if its_days.holds(day)}


@settings(max_examples=400, deadline=None)
@given(groups)
def test_settled_days_equal_those_of_the_slow_engine(group: Group) -> None:
    settlement = group.settled()
    for day in GRID:
        assert on_day(settlement.days, day) == group.on(day).settled(), day


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
@given(groups, decisions)
def test_a_rejection_has_every_rule_and_day_that_the_slow_engine_finds(group: Group, asked: Decision) -> None:
    candidate = Group(replace(group.basis, decisions=(*group.basis.decisions, asked)))
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
    other = Group(replace(basis, contract=contract, facts=dict(known)))
    assert other.settled().days == group.settled().days


@settings(max_examples=100, deadline=None)
@given(groups)
def test_periods_are_the_settled_days_cut_into_runs(group: Group) -> None:
    settled = group.settled().days
    assert days_of(periods(settled, TYPES)) == settled


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
