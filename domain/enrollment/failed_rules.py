"""Finds the rules that exclude days of an enrollment, and the facts that make them fail, with old and new values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from domain.days import Day, Days, to_day
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.enrollments import Enrollments
from domain.enrollment.explaining import Explainer
from domain.enrollment.holding import NOTHING_KNOWN
from domain.fact_changes import WITHOUT_DAYS, FactName, FactValue, ValueSpans, date_of, value_spans
from domain.members import FactKind, Facts
from domain.rules.conditions import (
    Age,
    Alive,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    FactLeaf,
    HasAttribute,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)
from domain.rules.wording import Names, condition_in_words

MAX_RULES, MAX_FACTS = 20, 20
"""The maximum number of failed rules for one run of days, and of facts for each rule."""


@dataclass(frozen=True, slots=True)
class SeenFact:
    """A fact that makes a rule fail: its value on the rule's first day, and its earlier value. None means unknown."""

    member_id: UUID
    fact: FactName
    day: Day
    value: FactValue | None
    value_before: FactValue | None


@dataclass(frozen=True, slots=True)
class FailedRule:
    """A rule that excludes days. If the module isn't offered to the member, code and condition are empty.

    `condition` is what the rule requires, in words.
    """

    code: str
    days: Days
    condition: str = ""
    facts: Sequence[SeenFact] = ()
    facts_omitted: int = 0


class FailedRules(NamedTuple):
    """The rules that exclude days, in order of code, and how many more there are."""

    rules: tuple[FailedRule, ...] = ()
    omitted: int = 0


def failed_rules(
    key: EnrollmentKey,
    days: Days,
    explainer: Explainer,
    values: "ValuesThenAndNow",
    max_rules: int = MAX_RULES,
    max_facts: int = MAX_FACTS,
) -> FailedRules:
    """Returns the rules that exclude days of an enrollment."""
    contract = explainer.settlement.rulebook.contract
    modules = {module.module_id: module.display_name for version in contract.versions for module in version.modules}
    names = Names(modules, contract.currency_code)
    refusals = list(explainer.refusals(key, days))
    found = []
    for refusal in refusals[:max_rules]:
        code, missed = refusal.rule_code, refusal.days
        failing = _FailingLeaves(key, missed.first, explainer)
        found.append(_failed_rule(code, missed, failing, values, names, max_facts) if code else FailedRule("", missed))
    return FailedRules(tuple(found), len(refusals) - len(found))


def _failed_rule(
    code: str, days: Days, failing: "_FailingLeaves", values: "ValuesThenAndNow", names: Names, max_facts: int
) -> FailedRule:
    conditions = failing.conditions(code)
    in_words = " and ".join(dict.fromkeys(condition_in_words(condition, names) for condition in conditions))
    leaves = dict.fromkeys(leaf for condition in conditions for leaf in failing.leaves(condition))
    facts = list(
        dict.fromkeys(
            (member_id, fact) for leaf, member_id in leaves for fact in failing.facts(leaf, member_id, values)
        )
    )
    seen = tuple(values.seen(member_id, fact, days.first) for member_id, fact in facts[:max_facts])
    return FailedRule(code, days, in_words, seen, len(facts) - len(seen))


@dataclass(slots=True)
class ValuesThenAndNow:
    """The facts of members at an earlier revision and now. They are indexed by fact when first needed."""

    before: Mapping[UUID, Facts]
    now: Mapping[UUID, Facts]
    _spans: dict[tuple[UUID, bool], ValueSpans] = field(default_factory=dict)

    def of(self, member_id: UUID) -> tuple[Facts, Facts]:
        """Returns the earlier and the current facts of a member."""
        return self.before.get(member_id, NOTHING_KNOWN), self.now.get(member_id, NOTHING_KNOWN)

    def seen(self, member_id: UUID, fact: FactName, day: Day) -> SeenFact:
        """Returns a fact with its current and earlier value on a day."""
        value, before = self._value(member_id, fact, day, is_now=True), self._value(member_id, fact, day, is_now=False)
        return SeenFact(member_id, fact, day, value, before)

    def _value(self, member_id: UUID, fact: FactName, day: Day, *, is_now: bool) -> FactValue | None:
        facts = self.of(member_id)[is_now]
        if fact.kind in WITHOUT_DAYS:
            return date_of(facts, fact.kind)
        spans = self._spans.get((member_id, is_now))
        if spans is None:
            spans = self._spans[member_id, is_now] = value_spans(facts)
        return next((value for days, value in spans.get(fact, ()) if days.holds(day)), None)


class _FailingLeaves:
    """Finds the parts of a rule's condition that make it fail if one enrollment is added on one day."""

    def __init__(self, key: EnrollmentKey, on: Day, explainer: Explainer) -> None:
        self._key, self._on, self._explainer = key, on, explainer
        self._rulebook = explainer.settlement.rulebook
        self._holding = self._rulebook.holding
        settled = explainer.settlement.settled
        self._enrollments: Enrollments = settled.with_added(key, Days.of_day(on), self._holding.predicates)

    def conditions(self, code: str) -> list[Condition]:
        """Returns the conditions of the failing rules with this code."""
        demands = self._explainer.demands(self._key, code, self._on)
        return [demand.rule.condition for demand in demands if not self.holds(demand.rule.condition)]

    def holds(self, condition: Condition) -> bool:
        resolved = self._holding.resolve(condition, self._key.member_id)
        days = resolved if isinstance(resolved, Days) else resolved.days(self._enrollments)
        return days.holds(self._on)

    def leaves(self, condition: Condition, *, wanted: bool = True) -> Iterator[tuple[FactLeaf, UUID]]:
        """Yields each leaf over facts whose result isn't `wanted`, with each member for whom it isn't."""
        if self.holds(condition) == wanted:
            return
        match condition:
            case AllOf(parts) | AnyOf(parts):
                for part in parts:
                    yield from self.leaves(part, wanted=wanted)
            case Negation(inner):
                yield from self.leaves(inner, wanted=not wanted)
            case EnrolledOn():
                return
            case leaf:
                subjects = self._explainer.subjects(leaf, self._key, self._on)
                if leaf.subject is Subject.ANY_MEMBER:
                    subjects = subjects | {self._key.member_id}
                for member_id in sorted(subjects):
                    if self._holding.fact_days(leaf, member_id).holds(self._on) != wanted:
                        yield leaf, member_id

    def facts(self, leaf: FactLeaf, member_id: UUID, values: ValuesThenAndNow) -> list[FactName]:
        """Returns the facts of a member that a leaf depends on."""
        return _facts_of(leaf, self._on, self._rulebook.contract.sponsor_id, values.of(member_id))


def _facts_of(leaf: FactLeaf, on: Day, sponsor_id: str, states: Sequence[Facts]) -> list[FactName]:
    """Returns the facts that a leaf depends on. A leaf over any employer depends on every employment on the day."""
    match leaf:
        case Age():
            return [FactName(FactKind.DATE_OF_BIRTH)]
        case Residence():
            return [FactName(FactKind.ADDRESS)]
        case HasAttribute(_, name, _):
            return [FactName(FactKind.ATTRIBUTE, name)]
        case Alive():
            is_unborn = any(facts.born_on and on < to_day(facts.born_on) for facts in states)
            has_died = any(facts.died_on and on > to_day(facts.died_on) for facts in states)
            kinds = ((is_unborn, FactKind.DATE_OF_BIRTH), (has_died, FactKind.DATE_OF_DEATH))
            return [FactName(kind) for matters, kind in kinds if matters] or [FactName(FactKind.DATE_OF_DEATH)]
        case Employed(same_sponsor=True) | Tenure(same_sponsor=True) | SalaryRange(same_sponsor=True):
            return [FactName(FactKind.EMPLOYMENT, sponsor_id)]
        case _:
            employers = {job.employer_id for facts in states for job in facts.employments if job.days.holds(on)}
            return [FactName(FactKind.EMPLOYMENT, employer) for employer in sorted(employers) or [""]]
