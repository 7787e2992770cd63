"""Decisive inputs, compared with a brute-force search over all sets of changed inputs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.catalog.contract import Contract, ContractVersion
from domain.days import NO_DAYS, UNBOUNDED_END, Days, Span, to_date
from domain.enrollment.changed_inputs import BasisChange, ChangedFact, ChangedInput, NewDecision, NewMerge
from domain.enrollment.decisions import Decision, Enroll
from domain.enrollment.decisive import Effort, Run, decisive_inputs, runs_between
from domain.enrollment.explained import RunFilter, explained
from domain.enrollment.explained_in_words import Reader, run_in_words
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.versions import ChangedContract, ChangedVersion, contract_changes, mixed_contract
from domain.fact_changes import FactName
from domain.members import Attribute, FactKind, Facts
from domain.membership import MembershipType
from domain.rules.conditions import AllOf, HasAttribute, Subject
from tests.domain.histories import (
    FIRST,
    LENGTH,
    MEMBERS,
    NO_DECISIONS,
    PRIMARY,
    SLOTS,
    contracts,
    histories,
    spans,
    versions,
)
from tests.domain.recorded import Recorded
from tests.support.builders import a_contract, a_module, a_rule, a_version, an_id

MAX_INPUTS = 7
SITE = FactName(FactKind.ATTRIBUTE, "site")
site = st.lists(st.tuples(spans, st.sampled_from("ns")), max_size=1).map(
    lambda some: tuple(Attribute(days, "site", value) for days, value in some)
)
other = st.lists(spans, max_size=1).map(lambda some: tuple(Attribute(days, "other", "x") for days in some))
facts = st.builds(lambda one, two: Facts(attributes=(*two, *one)), site, other)


@st.composite
def amended(draw: st.DrawFn, before: Contract) -> Contract:
    """Draws a later state of a contract: versions are kept, changed, added, removed, and end on other days."""
    cut = draw(st.one_of(st.none(), st.integers(FIRST + 1, FIRST + LENGTH - 1)))
    starts = [FIRST, cut] if cut else [FIRST]
    starts = sorted({*starts, *(v.days.start for v in before.versions if draw(st.booleans()))})
    ends = [*starts[1:], draw(st.sampled_from([UNBOUNDED_END, FIRST + LENGTH, before.versions[-1].days.end]))]
    kept = {version.days.start: version for version in before.versions}
    made = []
    for start, end in zip(starts, ends, strict=True):
        days = Span(start, end)
        is_kept = start in kept and draw(st.booleans())
        made.append(replace(kept[start], days=days) if is_kept else draw(versions(days)))
    name = draw(st.sampled_from([before.display_name, "renamed"]))
    return replace(before, versions=tuple(made), display_name=name)


@st.composite
def basis_changes(draw: st.DrawFn) -> BasisChange:
    contract = draw(contracts())
    made = draw(st.one_of(st.just(NO_DECISIONS), histories(max_size=3)))
    later = draw(st.one_of(st.just(made), histories(made, max_size=3)))
    known = {member: draw(facts) for member in MEMBERS}
    known_later = {member: draw(facts) if draw(st.integers(0, 2)) == 0 else known[member] for member in MEMBERS}
    amendment = draw(st.one_of(st.just(contract), amended(contract)))
    return BasisChange(basis_of(contract, made, known), basis_of(amendment, later, known_later))


def basis_of(contract: Contract, recorded: Recorded, known: dict[UUID, Facts]) -> GroupBasis:
    """Returns what a group is computed from: merged members have no facts of their own."""
    aliases = recorded.aliases()
    facts_of = {member: of_one for member, of_one in known.items() if member not in aliases}
    return GroupBasis(contract, PRIMARY, recorded.decisions, facts_of, aliases=aliases)


def runs_of(change: BasisChange) -> list[Run]:
    return runs_between(replay(change.mixed(())).days, replay(change.after).days)


def suffices(change: BasisChange, run: Run, chosen: Sequence[ChangedInput]) -> bool:
    days = Days.of(run.days)
    return replay(change.mixed(chosen)).days.get(run.key, NO_DAYS) & days == (days if run.gained else NO_DAYS)


def sets_by_size(inputs: Sequence[ChangedInput]) -> Iterator[tuple[ChangedInput, ...]]:
    for size in range(len(inputs) + 1):
        yield from combinations(inputs, size)


@settings(max_examples=300, deadline=None)
@given(basis_changes())
def test_every_changed_input_leads_to_the_later_inputs_and_none_to_the_earlier_ones(change: BasisChange) -> None:
    assert replay(change.mixed(change.inputs)).days == replay(change.after).days
    if change.before.decisions:
        assert replay(change.mixed(())).days == replay(replace(change.before, closed=None)).days
    else:
        assert not replay(change.mixed(())).days


@settings(max_examples=300, deadline=None)
@given(contracts().flatmap(lambda before: st.tuples(st.just(before), amended(before))))
def test_mixed_contracts_equal_either_state_at_the_extremes(states: tuple[Contract, Contract]) -> None:
    before, after = states
    changes = contract_changes(before, after)
    assert mixed_contract(before, after, changes).versions == after.versions
    assert mixed_contract(before, after, ()).versions == before.versions
    assert mixed_contract(before, after, ()).slots == SLOTS


@settings(max_examples=150, deadline=None)
@given(basis_changes())
def test_no_smaller_set_suffices_than_the_one_found(change: BasisChange) -> None:
    runs = runs_of(change)
    assume(len(change.inputs) <= MAX_INPUTS)
    for run, found in zip(runs, decisive_inputs(change, runs), strict=True):
        first = next(chosen for chosen in sets_by_size(change.inputs) if suffices(change, run, chosen))
        assert not found.is_incomplete
        assert not found.is_reducible
        assert found.inputs == first


@settings(max_examples=150, deadline=None)
@given(basis_changes(), st.integers(0, 8))
def test_beyond_the_limit_of_sets_no_input_of_the_found_set_can_be_left_out(change: BasisChange, sets: int) -> None:
    runs = runs_of(change)
    for run, found in zip(runs, decisive_inputs(change, runs, Effort(sets=sets)), strict=True):
        assert suffices(change, run, found.inputs)
        assert not found.is_reducible
        for i in range(len(found.inputs)):
            assert not suffices(change, run, found.inputs[:i] + found.inputs[i + 1 :])


@settings(max_examples=100, deadline=None)
@given(basis_changes(), st.integers(2, 12))
def test_a_search_that_runs_out_of_replays_still_finds_a_set_that_suffices(change: BasisChange, replays: int) -> None:
    runs = runs_of(change)
    for run, found in zip(runs, decisive_inputs(change, runs, Effort(replays=replays)), strict=True):
        assert suffices(change, run, found.inputs)


def test_recorded_days_that_the_inputs_do_not_lead_to_are_incomplete_with_every_changed_input() -> None:
    contract = a_contract(a_version(a_module("base")))
    basis = GroupBasis(contract, PRIMARY, (), {PRIMARY: Facts()})
    enroll = Enroll(PRIMARY, MembershipType.PRIMARY, an_id("base"), Span(a_start(), UNBOUNDED_END))
    after = replace(basis, decisions=(Decision((enroll,)),))
    gained, lost = (
        Run(key, Span(a_start() - 9, a_start()), gained=is_gained)
        for key in replay(after).days
        for is_gained in (True, False)
    )
    for found in decisive_inputs(BasisChange(basis, after), [gained, lost]):
        assert found.is_incomplete
        assert found.inputs == (NewDecision(0, None),)


def a_start() -> int:
    return a_contract().versions[0].days.start


NORTH, RED = HasAttribute(Subject.SELF, "site", ("n",)), HasAttribute(Subject.SELF, "colour", ("red",))


def enrolled_with(*attributes: Attribute) -> GroupBasis:
    module = a_module("base", rules=[a_rule("BOTH", AllOf((NORTH, RED)))])
    enroll = Enroll(PRIMARY, MembershipType.PRIMARY, an_id("base"), Span(a_start(), UNBOUNDED_END))
    known = {PRIMARY: Facts(attributes=attributes)}
    return GroupBasis(a_contract(a_version(module)), PRIMARY, (Decision((enroll,)),), known)


def test_two_facts_that_only_matter_together_are_both_decisive_and_a_third_one_is_not() -> None:
    always = Span.between(None, None)
    facts = (
        Attribute(always, "colour", "red"),
        Attribute(always, "shape", "round"),
        Attribute(always, "site", "n"),
    )
    change = BasisChange(enrolled_with(), enrolled_with(*facts))
    (run,) = runs_of(change)
    (found,) = decisive_inputs(change, [run])
    assert found.inputs == tuple(
        ChangedFact(PRIMARY, FactName(FactKind.ATTRIBUTE, name)) for name in ("colour", "site")
    )


def test_a_merge_decides_the_days_that_the_other_member_gains_and_the_merged_one_loses() -> None:
    child, double = MEMBERS[2:]
    enroll = Enroll(double, MembershipType.CHILD, an_id("base"), Span(a_start(), UNBOUNDED_END))
    known = {PRIMARY: Facts(), double: Facts()}
    before = GroupBasis(a_contract(a_version(a_module("base"))), PRIMARY, (Decision((enroll,)),), known)
    after = replace(before, facts={PRIMARY: Facts(), child: Facts()}, aliases={double: child})
    change = BasisChange(before, after)
    runs = runs_of(change)
    assert [(run.key.member_id, run.gained) for run in runs] == [(child, True), (double, False)]
    assert [found.inputs for found in decisive_inputs(change, runs)] == [(NewMerge(double, child),)] * 2
    (found, _) = explained(change, replay(before).days, replay(after).days, RunFilter(), Effort()).runs
    sentence = run_in_words(found, change, [None], Reader(reads_all_facts=True))
    assert sentence == f"Gained from {to_date(a_start())} on: member {double} was merged into member {child}."


def test_a_second_merge_applies_to_members_who_were_merged_before() -> None:
    partner, child, double = MEMBERS[1:]
    enroll = Enroll(double, MembershipType.CHILD, an_id("base"), Span(a_start(), UNBOUNDED_END))
    contract = a_contract(a_version(a_module("base")))
    before = GroupBasis(contract, PRIMARY, (Decision((enroll,)),), {child: Facts()}, aliases={double: child})
    after = replace(before, facts={partner: Facts()}, aliases={double: partner})
    change = BasisChange(before, after)
    assert change.inputs == (NewMerge(child, partner),)
    assert replay(change.mixed(())).days == replay(before).days
    assert replay(change.mixed(change.inputs)).days == replay(after).days


def test_facts_of_a_member_count_as_changed_only_if_an_earlier_decision_used_them() -> None:
    with_site = enrolled_with(Attribute(Span.between(None, None), "site", "n"))
    first = BasisChange(replace(enrolled_with(), decisions=()), with_site)
    assert first.inputs == (NewDecision(0, None),)
    assert BasisChange(enrolled_with(), with_site).inputs == (ChangedFact(PRIMARY, SITE),)


FIRST_HALF, SECOND_HALF = Span(1, 10), Span(10, UNBOUNDED_END)
OPEN = Span(1, UNBOUNDED_END)
BASE, OTHER = a_version(a_module("base")), a_version(a_module("other"))


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([(OPEN, BASE)], [(FIRST_HALF, BASE), (SECOND_HALF, OTHER)], [ChangedVersion(SECOND_HALF)]),
        ([(FIRST_HALF, BASE), (SECOND_HALF, OTHER)], [(OPEN, BASE)], [ChangedVersion(SECOND_HALF)]),
        ([(FIRST_HALF, BASE)], [(FIRST_HALF, BASE), (SECOND_HALF, OTHER)], [ChangedVersion(SECOND_HALF)]),
        ([(OPEN, BASE)], [(FIRST_HALF, BASE)], [ChangedVersion(FIRST_HALF)]),
        ([(OPEN, BASE)], [(OPEN, OTHER)], [ChangedVersion(OPEN)]),
        ([(OPEN, BASE)], [(OPEN, BASE)], []),
    ],
)
def test_a_version_that_only_ends_because_another_follows_is_unchanged(
    before: Sequence[tuple[Span, ContractVersion]],
    after: Sequence[tuple[Span, ContractVersion]],
    changes: Sequence[ChangedVersion],
) -> None:
    earlier, later = (
        a_contract(*(replace(version, days=days) for days, version in state)) for state in (before, after)
    )
    assert list(contract_changes(earlier, later)) == changes


def test_fields_outside_the_versions_are_one_input() -> None:
    assert contract_changes(a_contract(), replace(a_contract(), sponsor_id="OTHER")) == (ChangedContract(),)
