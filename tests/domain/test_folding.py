"""Folded decisions are those of the whole history, however a basis was derived, and in every order of derivation."""

from dataclasses import replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog.contract import Contract
from domain.enrollment.closing import Closed
from domain.enrollment.decisions import Decision
from domain.enrollment.folding import Folded, size_of
from domain.enrollment.group import GroupBasis, replay
from domain.members import Facts
from tests.domain.histories import (
    FIRST,
    MEMBERS,
    PRIMARY,
    Group,
    contracts,
    facts,
    groups,
    groups_with_requests,
    histories,
)
from tests.domain.recorded import Recorded

positions = st.integers(0, 10)


def from_the_start(basis: GroupBasis) -> GroupBasis:
    """Returns an equal basis that has folded nothing yet."""
    return GroupBasis(basis.contract, basis.primary_id, basis.decisions, basis.facts, basis.closed, basis.aliases)


def step_by_step(basis: GroupBasis, folded_first: int) -> GroupBasis:
    """Returns an equal basis that folded its first decisions together, and the others one by one."""
    built = from_the_start(replace(basis, decisions=basis.decisions[:folded_first]))
    for decision in basis.decisions[folded_first:]:
        built = built.with_decision(decision)
    return built


@settings(max_examples=100, deadline=None)
@given(groups, positions)
def test_folding_decisions_one_by_one_equals_folding_them_together(group: Group, folded_first: int) -> None:
    basis = group.basis
    built = step_by_step(basis, folded_first)
    assert built == basis
    assert built.folded == from_the_start(basis).folded
    assert replay(built).days == replay(from_the_start(basis)).days
    assert built.membership_types() == group.recorded.types()
    assert built.folded.types.conflicts.keys() == group.recorded.conflicts()
    assert list(built.counting()) == group.recorded.as_read()


@settings(max_examples=60, deadline=None)
@given(groups_with_requests(), positions, st.booleans())
def test_a_judgement_is_the_same_from_cached_decisions(
    drawn: tuple[Group, Decision], folded_first: int, accept_consequences: bool
) -> None:
    group, asked = drawn
    remembered = Group(step_by_step(group.basis, folded_first), group.recorded)
    fresh = Group(from_the_start(group.basis), group.recorded)
    judgements = [each.judged(asked, accept_consequences=accept_consequences) for each in (remembered, fresh)]
    assert judgements[0] == judgements[1]


@settings(max_examples=60, deadline=None)
@given(groups, contracts(), histories(), facts)
def test_a_replaced_contract_history_or_merge_is_folded_again(
    group: Group, contract: Contract, other: Recorded, known: Facts
) -> None:
    basis = group.basis
    unread = basis.folded
    for replaced in (
        replace(basis, contract=contract),
        replace(basis, decisions=other.decisions),
        replace(basis, decisions=basis.decisions[:-1]),
        replace(basis, aliases=other.aliases()),
        replace(basis, primary_id=MEMBERS[1]),
        replace(basis, contract=contract, decisions=other.decisions, aliases=other.aliases(), facts={PRIMARY: known}),
    ):
        assert replaced.size == size_of(replaced.decisions)
        assert replaced.folded == from_the_start(replaced).folded
        again = Decision((), change_request_id=UUID(int=5000))
        assert replaced.with_decision(again).folded == from_the_start(replaced.with_decision(again)).folded
    assert basis.folded is unread


@settings(max_examples=20, deadline=None)
@given(groups, facts)
def test_a_fold_outlives_replaced_facts_and_closed_days(group: Group, known: Facts) -> None:
    basis = group.basis
    folded = basis.folded
    closed = Closed(FIRST + 2, {}, frozenset({PRIMARY}), PRIMARY)
    replaced = replace(basis, facts={PRIMARY: known}, closed=closed)
    assert replaced.folded is folded
    assert replaced == from_the_start(replaced)


@settings(max_examples=30, deadline=None)
@given(groups, histories())
def test_additional_decisions_do_not_change_an_existing_fold(group: Group, other: Recorded) -> None:
    basis = group.basis
    built, before = basis, [copied(basis.folded)]
    bases = [basis]
    for decision in other.decisions:
        built = built.with_decision(decision)
        bases.append(built)
        before.append(copied(built.folded))
    assert [copied(each.folded) for each in bases] == before


def copied(folded: Folded) -> Folded:
    """Returns a fold that shares no mapping with the given one."""
    types = folded.types
    return Folded(
        folded.decided,
        folded.reverted,
        dict(folded.desired),
        {key: dict(codes) for key, codes in folded.overrides.items()},
        replace(types, known=dict(types.known), by_reverted=dict(types.by_reverted), conflicts=dict(types.conflicts)),
        folded.size,
    )
