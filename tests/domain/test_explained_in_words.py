"""Explanations as sentences, for readers who can see everything and for those who can't."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain.actors import BEFORE_ACTORS, Actor, ActorKind
from domain.days import UNBOUNDED_END, Days, Span, to_day
from domain.enrollment.changed_inputs import BasisChange, ChangedFact, ChangedInput, NewDecision
from domain.enrollment.decisions import Decision, EnrollmentKey
from domain.enrollment.decisive import Decisive, Run
from domain.enrollment.explained import ExplainedRun
from domain.enrollment.explained_in_words import Origin, Reader, days_in_words, rule_in_words, run_in_words
from domain.enrollment.failed_rules import FailedRule, SeenFact
from domain.enrollment.group import GroupBasis
from domain.enrollment.versions import ChangedContract, ChangedVersion
from domain.fact_changes import ALWAYS, FactName
from domain.members import Employment, EmploymentStatus, FactKind, Facts
from tests.support.builders import a_contract, a_version, an_id

PRIMARY, CHILD = an_id("primary"), an_id("child")
BORN_ON, JOB = FactName(FactKind.DATE_OF_BIRTH), FactName(FactKind.EMPLOYMENT, "ACME")
START = to_day(date(2026, 3, 1))
LATER = Span(START, UNBOUNDED_END)
FEED = Origin(datetime(2026, 2, 10, 9, tzinfo=UTC), Actor(ActorKind.SERVICE, "hr-feed"))
EVERYTHING, NOTHING = Reader(reads_all_facts=True), Reader(reads_all_facts=False, reads_subjects=False)
REQUEST = UUID(int=7)


def a_change() -> BasisChange:
    """Returns a change of the child's birth date and employment, of the sponsor, and of one version."""
    job = Employment(ALWAYS, "ACME", EmploymentStatus.ACTIVE, None)
    before = Facts(born_on=date(2001, 3, 1), employments=(job,))
    after = Facts(born_on=date(2000, 3, 1), employments=(replace(job, status=EmploymentStatus.RETIRED),))
    contract = a_contract(a_version(days=LATER))
    amended = replace(contract, versions=(replace(contract.versions[0], max_backdating_days=1),))
    decided = (Decision((), change_request_id=REQUEST),)
    migrated = Decision((), change_request_id=REQUEST, overridden_before=date(2026, 3, 1))
    return BasisChange(
        GroupBasis(contract, PRIMARY, decided, {PRIMARY: Facts(), CHILD: before}),
        GroupBasis(amended, PRIMARY, (*decided * 5, migrated), {PRIMARY: Facts(), CHILD: after}),
    )


def said(reader: Reader, *inputs: ChangedInput, origin: Origin | None = FEED, **more: bool) -> str:
    change = a_change()
    change.__dict__["earlier_facts"] = change.before.facts  # as if an earlier decision named the child
    run = Run(EnrollmentKey(CHILD, an_id("base")), LATER, gained=False)
    explained = ExplainedRun(run, Decisive(inputs, **more))
    return run_in_words(explained, change, [origin] * len(inputs), reader)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (NewDecision(1, REQUEST), f"change request {REQUEST}"),
        (NewDecision(5, REQUEST), f"migration from legacy tables, change request {REQUEST}"),
        (ChangedFact(CHILD, BORN_ON), f"date of birth of member {CHILD} changed from 2001-03-01 to 2000-03-01"),
        (
            ChangedFact(CHILD, FactName(FactKind.EMPLOYMENT)),
            f"employment of member {CHILD} changed from active to retired at ACME",
        ),
        (ChangedVersion(LATER), "contract version from 2026-03-01 changed"),
        (ChangedContract(), "contract changed"),
    ],
)
def test_a_run_says_what_decided_it_and_who_recorded_that(changed: ChangedInput, words: str) -> None:
    assert said(EVERYTHING, changed) == f"Lost from 2026-03-01 on: {words}, recorded by hr-feed on 2026-02-10."


def test_readers_without_rights_see_neither_values_nor_subjects() -> None:
    words = said(NOTHING, ChangedFact(CHILD, BORN_ON))
    assert words == (
        f"Lost from 2026-03-01 on: date of birth of member {CHILD} changed, recorded by a service on 2026-02-10."
    )


def test_only_some_of_many_inputs_are_said() -> None:
    many = [NewDecision(n, UUID(int=n)) for n in range(5)]
    assert said(EVERYTHING, *many).endswith("; and 2 more.")


def test_recordings_from_before_actors_have_no_subject_and_unknown_ones_no_date() -> None:
    request = NewDecision(1, REQUEST)
    before_actors = Origin(FEED.recorded_at, BEFORE_ACTORS)
    assert said(EVERYTHING, request, origin=before_actors).endswith(f"{REQUEST}, recorded on 2026-02-10.")
    assert said(EVERYTHING, request, origin=None).endswith(f"{REQUEST}.")


def test_an_incomplete_explanation_says_so() -> None:
    words = "Lost from 2026-03-01 on: the cause is no longer on record; 1 recorded input changed."
    assert said(EVERYTHING, NewDecision(1, REQUEST), is_incomplete=True) == words


def a_rule(*facts: SeenFact, omitted: int = 0) -> FailedRule:
    return FailedRule("CHILD_AGE", Days.of(LATER), "under 26", facts, omitted)


SEEN = SeenFact(CHILD, BORN_ON, START, date(2000, 3, 1), date(2001, 3, 1))


def test_a_rule_is_said_with_the_values_that_make_it_fail() -> None:
    known = rule_in_words(a_rule(SEEN), [FEED], CHILD, EVERYTHING)
    assert known == (
        "CHILD_AGE: under 26; date of birth 2000-03-01, recorded by hr-feed on 2026-02-10; before: 2001-03-01."
    )
    unchanged = replace(SEEN, value_before=SEEN.value)
    assert rule_in_words(a_rule(unchanged), [None], PRIMARY, EVERYTHING) == (
        f"CHILD_AGE: under 26; date of birth of member {CHILD} 2000-03-01."
    )
    assert rule_in_words(a_rule(), [], CHILD, EVERYTHING) == "CHILD_AGE: under 26."
    assert rule_in_words(a_rule(SEEN, omitted=3), [None], CHILD, EVERYTHING).endswith("; and 3 more facts.")
    assert rule_in_words(FailedRule("", Days.of(LATER)), [], CHILD, EVERYTHING) == (
        "The module is not offered to the member."
    )


def test_a_death_is_said_with_its_date_only_to_readers_of_facts() -> None:
    death = SeenFact(CHILD, FactName(FactKind.DATE_OF_DEATH), START, date(2026, 3, 10), None)
    rule = FailedRule("ALIVE", Days.of(LATER), "alive", (death,))
    assert rule_in_words(rule, [FEED], CHILD, EVERYTHING) == (
        "ALIVE: alive; died on 2026-03-10, recorded by hr-feed on 2026-02-10; before: unknown."
    )
    assert f"member {CHILD} died on 2026-03-10" in rule_in_words(rule, [None], PRIMARY, EVERYTHING)
    assert rule_in_words(rule, [FEED], CHILD, NOTHING) == "ALIVE depends on date of death."


def test_a_rule_over_hidden_facts_is_said_with_their_kinds_only() -> None:
    job = SeenFact(PRIMARY, JOB, START, None, None)
    assert rule_in_words(a_rule(SEEN, job), [FEED, None], CHILD, NOTHING) == (
        "CHILD_AGE depends on date of birth and employment."
    )
    own = replace(NOTHING, member_id=PRIMARY)
    assert rule_in_words(a_rule(SEEN, job), [FEED, None], CHILD, own) == (
        f"CHILD_AGE: under 26; employment with ACME of member {PRIMARY} unknown; date of birth of others."
    )


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (LATER, "from 2026-03-01 on"),
        (Span(START, START + 1), "on 2026-03-01"),
        (Span(START, START + 31), "from 2026-03-01 to 2026-03-31"),
    ],
)
def test_days_are_said_with_their_last_day_included(days: Span, words: str) -> None:
    assert days_in_words(days) == words
