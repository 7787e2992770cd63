"""Explanations of many runs, inputs and facts fit into a message, and their inputs can be sent to a worker."""

import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from domain.actors import Actor, ActorKind
from domain.days import Span, to_day
from domain.enrollment.changed_inputs import BasisChange, ChangedFact
from domain.enrollment.decisions import Decision, Enroll, GroupKey
from domain.enrollment.decisive import FULL_EFFORT
from domain.enrollment.effort import search_effort, search_seconds
from domain.enrollment.explained import MAX_RUNS, RunFilter, explained
from domain.enrollment.explained_in_words import Origin, Reader
from domain.enrollment.group import GroupBasis, replay
from domain.members import Attribute, Facts
from domain.membership import MembershipType
from domain.rules.conditions import AllOf, HasAttribute, Subject
from operations.explanations import ExplainedDifference
from server.mapping.explanation import MAX_TOTAL_CHANGES, difference_explained_to_proto
from tests.support.builders import a_contract, a_module, a_rule, a_version, an_id

PRIMARY = an_id("primary")
START = to_day(date(2026, 1, 1))
RUNS, RULES, NAMES = MAX_RUNS + 10, 12, 12
MAX_BYTES = 4 * 1024 * 1024


def a_change(value: str) -> BasisChange:
    """Returns a change of many attributes, on each of many separate days, each of which many rules examine."""
    days = [Span(START + 2 * n, START + 2 * n + 1) for n in range(RUNS)]
    names = [f"attribute-{n:03}" for n in range(NAMES)]
    condition = AllOf(tuple(HasAttribute(Subject.SELF, name, ("before",)) for name in names))
    module = a_module("base", rules=[a_rule(f"RULE_{n:03}", condition) for n in range(RULES)])
    enrolls = tuple(Enroll(PRIMARY, MembershipType.PRIMARY, an_id("base"), each) for each in days)
    before, after = (
        Facts(attributes=tuple(Attribute(each, name, text) for name in names for each in days))
        for text in ("before", value)
    )
    basis = GroupBasis(a_contract(a_version(module)), PRIMARY, (Decision(enrolls),), {PRIMARY: before})
    return BasisChange(basis, replace(basis, facts={PRIMARY: after}))


def response_bytes(change: BasisChange, *, recorded_before: bool = True) -> int:
    before = replay(change.before).days if recorded_before else {}
    after = replay(change.after).days if recorded_before else replay(change.before).days
    explanation = explained(change, before, after, RunFilter(), FULL_EFFORT)
    assert (len(explanation.runs), explanation.omitted) == (MAX_RUNS, RUNS - MAX_RUNS)
    origin = Origin(datetime(2026, 1, 1, tzinfo=UTC), Actor(ActorKind.SERVICE, "x" * 100))
    found = ExplainedDifference(
        UUID(int=1),
        GroupKey(change.after.contract.contract_id, PRIMARY),
        change,
        explanation,
        {PRIMARY: MembershipType.PRIMARY},
        dict.fromkeys(explanation.parts(), origin),
    )
    response = difference_explained_to_proto(found, Reader(reads_all_facts=True))
    for run in response.runs:
        assert run.is_incomplete == (not recorded_before)
        assert all(each.fact.changes_omitted for each in run.decisive_inputs)
        if recorded_before:
            assert len(run.failed_rules) + run.rules_omitted == RULES
            assert all(len(rule.facts) + rule.facts_omitted == NAMES for rule in run.failed_rules)
        else:
            assert len(run.decisive_inputs) + run.inputs_omitted == NAMES
    changes = sum(len(each.fact.changes) for run in response.runs for each in run.decisive_inputs)
    assert changes <= MAX_TOTAL_CHANGES
    return response.ByteSize()


def test_many_runs_with_many_rules_and_facts_fit_into_a_message() -> None:
    assert response_bytes(a_change("x" * 100)) < MAX_BYTES


def test_many_incomplete_runs_with_many_inputs_fit_into_a_message() -> None:
    assert response_bytes(a_change("x" * 100), recorded_before=False) < MAX_BYTES


def test_a_change_of_inputs_can_be_sent_to_a_worker() -> None:
    change = a_change("after")
    assert len(change.inputs) == NAMES
    copy: BasisChange = pickle.loads(pickle.dumps(change))  # noqa: S301 (our own)
    assert copy.inputs == change.inputs
    assert all(isinstance(each, ChangedFact) for each in copy.inputs)
    days = replay(change.before).days, replay(change.after).days
    arguments = (*days, RunFilter(), search_effort(change.after))
    assert explained(copy, *arguments) == explained(change, *arguments)
    assert pickle.loads(pickle.dumps(explained(change, *arguments))) == explained(change, *arguments)  # noqa: S301


def test_fewer_sets_are_tried_for_groups_that_take_long_to_replay() -> None:
    large = a_change("after").after
    small, large = replace(large, decisions=()), replace(large, decisions=large.decisions * 3000)
    assert search_effort(small) == FULL_EFFORT
    assert 2 <= search_effort(large).replays < 10 > search_effort(large).sets
    assert search_seconds(large, 5) > search_seconds(small, 5)
