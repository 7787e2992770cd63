"""Formats explanations as sentences: what decided a run of days, and why a rule excludes days.

The sentences contain no names of people, and no facts or subjects of actors that the reader isn't allowed to see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from domain.actors import BEFORE_ACTORS, Actor, ActorKind
from domain.days import Span
from domain.enrollment.changed_inputs import BasisChange, ChangedFact, ChangedInput, NewDecision, NewMerge
from domain.enrollment.explained import ExplainedRun
from domain.enrollment.failed_rules import FailedRule, SeenFact
from domain.enrollment.versions import ChangedContract, ChangedVersion
from domain.fact_changes import FactChange, FactName
from domain.fact_wording import fact_in_words, value_in_words
from domain.members import FactKind

MAX_INPUTS_IN_WORDS = 3
"""The maximum number of inputs in a sentence."""

KINDS_OF_ACTORS = {
    ActorKind.MEMBER: "a member",
    ActorKind.ADMIN: "an administrator",
    ActorKind.SERVICE: "a service",
    ActorKind.SYSTEM: "the system",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose facts the reader of an explanation can see (all, or only those of `member_id`), and whether the subjects of
    actors are shown.
    """

    reads_all_facts: bool
    member_id: UUID | None = None
    reads_subjects: bool = True

    def reads_facts_of(self, member_id: UUID) -> bool:
        return self.reads_all_facts or member_id == self.member_id


@dataclass(frozen=True, slots=True)
class Origin:
    """When and by whom a value was recorded."""

    recorded_at: datetime
    actor: Actor


def run_in_words(explained: ExplainedRun, change: BasisChange, origins: Sequence[Origin | None], reader: Reader) -> str:
    """Returns one sentence about what decided a run. `origins` has the origins of its inputs, in the same order."""
    run, decisive = explained.run, explained.decisive
    happened = f"{'Gained' if run.gained else 'Lost'} {days_in_words(run.days)}"
    if decisive.is_incomplete:
        changed = _count(len(decisive.inputs) + explained.inputs_omitted)
        return f"{happened}: the cause is no longer on record; {changed} changed."
    causes = inputs_in_words(decisive.inputs, run.days, change, origins, reader, explained.inputs_omitted)
    return f"{happened}: {causes}."


def inputs_in_words(
    inputs: Sequence[ChangedInput],
    days: Span,
    change: BasisChange,
    origins: Sequence[Origin | None],
    reader: Reader,
    omitted: int = 0,
) -> str:
    """Returns changed inputs and who recorded them. Facts have their values on the first of some days.

    `origins` has the origins of the inputs, in the same order.
    """
    shown = [
        _input(each, days, change, reader) + _recorded(origin, reader)
        for each, origin in zip(inputs[:MAX_INPUTS_IN_WORDS], origins, strict=False)
    ]
    more = len(inputs) + omitted - len(shown)
    return f"{'; and '.join(shown)}{f'; and {more} more' if more else ''}"


def rule_in_words(rule: FailedRule, origins: Sequence[Origin | None], of: UUID, reader: Reader) -> str:
    """Returns one sentence about a failed rule and the facts that make it fail. `of` is the enrolled member."""
    if not rule.code:
        return "The module is not offered to the member."
    hidden = [fact for fact in rule.facts if not reader.reads_facts_of(fact.member_id)]
    if hidden and len(hidden) == len(rule.facts):
        return f"{rule.code} depends on {_kinds(hidden)}."
    parts = [
        _seen(fact, origin, of, reader)
        for fact, origin in zip(rule.facts, origins, strict=True)
        if reader.reads_facts_of(fact.member_id)
    ]
    if hidden:
        parts.append(f"{_kinds(hidden)} of others")
    if rule.facts_omitted:
        parts.append(f"and {rule.facts_omitted} more facts")
    return f"{rule.code}: {'; '.join((rule.condition, *parts))}."


def days_in_words(days: Span) -> str:
    """Returns a span of days, such as "from 2026-03-01 on" or "from 2026-03-01 to 2026-03-31"."""
    first, last = days.first_on, days.last_on
    if first is not None and first == last:
        return f"on {first}"
    start = f"from {first}" if first else ""
    return " ".join(filter(None, (start, f"to {last}" if last else "on")))


class VersionState(StrEnum):
    """How a version of a contract changed."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


def version_state(change: BasisChange, version: ChangedVersion) -> VersionState:
    """Returns whether a version was added, removed or changed."""
    earlier, later = (
        {each.days.start for each in contract.versions} for contract in (change.before.contract, change.after.contract)
    )
    start = version.days.start
    if start not in earlier:
        return VersionState.ADDED
    return VersionState.CHANGED if start in later else VersionState.REMOVED


def _input(changed: ChangedInput, days: Span, change: BasisChange, reader: Reader) -> str:
    match changed:
        case NewDecision(index, change_request_id):
            is_migration = change.after.decisions[index].overridden_before is not None
            return f"{'migration from legacy tables, ' if is_migration else ''}change request {change_request_id}"
        case NewMerge(from_member_id, into_member_id):
            return f"member {from_member_id} was merged into member {into_member_id}"
        case ChangedFact(member_id):
            return _changed_fact(changed, days, change, shows_values=reader.reads_facts_of(member_id))
        case ChangedVersion(version_days):
            return f"contract version from {version_days.first_on} {version_state(change, changed).lower()}"
        case ChangedContract():
            return "contract changed"


def _changed_fact(changed: ChangedFact, days: Span, change: BasisChange, *, shows_values: bool) -> str:
    """Returns how a fact changed on the first of some days, or just that it changed if it only did on other days."""
    whose = f"{fact_in_words(changed.fact)} of member {changed.member_id} changed"
    if not shows_values:
        return whose
    on_first = [each for each in change.changes_of(changed) if each.days is None or each.days.holds(days.start)]
    return f"{whose} {', '.join(map(_transition, on_first))}" if on_first else whose


def _transition(each: FactChange) -> str:
    at = f" at {each.fact.name}" if each.fact.kind is FactKind.EMPLOYMENT else ""
    return f"from {value_in_words(each.before)} to {value_in_words(each.after)}{at}"


def _seen(fact: SeenFact, origin: Origin | None, of: UUID, reader: Reader) -> str:
    is_own = fact.member_id == of
    if fact.fact.kind is FactKind.DATE_OF_DEATH and fact.value is not None:
        shown = f"{'' if is_own else f'member {fact.member_id} '}died on {value_in_words(fact.value)}"
    else:
        whose = "" if is_own else f" of member {fact.member_id}"
        shown = f"{fact_in_words(fact.fact)}{whose} {value_in_words(fact.value)}"
    now = f"{shown}{_recorded(origin, reader)}"
    return now if fact.value == fact.value_before else f"{now}; before: {value_in_words(fact.value_before)}"


def _kinds(facts: Sequence[SeenFact]) -> str:
    return " and ".join(dict.fromkeys(fact_in_words(FactName(fact.fact.kind)) for fact in facts))


def _recorded(origin: Origin | None, reader: Reader) -> str:
    if origin is None:
        return ""
    on = origin.recorded_at.astimezone(UTC).date()
    if origin.actor == BEFORE_ACTORS:
        return f", recorded on {on}"
    subject = origin.actor.subject if reader.reads_subjects else KINDS_OF_ACTORS[origin.actor.kind]
    return f", recorded by {subject} on {on}"


def _count(inputs: int) -> str:
    return "1 recorded input" if inputs == 1 else f"{inputs or 'no'} recorded inputs"
