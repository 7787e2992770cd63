"""Explains how a revision of a group differs from the previous one, with decisive inputs and failed rules by run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.days import NO_DAYS, Day, Days
from domain.enrollment.changed_inputs import BasisChange, ChangedInput
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.decisive import Decisive, Effort, Run, decisive_inputs, runs_between
from domain.enrollment.explaining import Explainer
from domain.enrollment.failed_rules import (
    MAX_FACTS,
    MAX_RULES,
    FailedRule,
    FailedRules,
    SeenFact,
    ValuesThenAndNow,
    failed_rules,
)
from domain.enrollment.group import GroupBasis, replay

MAX_RUNS = 500
"""The maximum number of runs in one explanation."""
MAX_INPUTS = 50
"""The maximum number of inputs for one run."""
MAX_TOTAL = 2000
"""The maximum number of inputs, and of failed rules, in one explanation. With more runs, each has fewer."""


class RunFilter(NamedTuple):
    """Which enrollments to explain. None means all.

    `aliases` are other ids of the member, by which earlier revisions name them.
    """

    member_id: UUID | None = None
    module_id: UUID | None = None
    aliases: frozenset[UUID] = frozenset()

    def accepts(self, key: EnrollmentKey) -> bool:
        is_member = self.member_id in (None, key.member_id) or key.member_id in self.aliases
        return is_member and self.module_id in (None, key.module_id)


@dataclass(frozen=True, slots=True)
class ExplainedRun:
    """A run of gained or lost days and the inputs that decided it.

    `failed_rules` are the rules that exclude lost days that are still desired.
    """

    run: Run
    decisive: Decisive
    failed_rules: tuple[FailedRule, ...] = ()
    inputs_omitted: int = 0
    rules_omitted: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explained runs in order of member, module and first day, and how many more there are."""

    runs: Sequence[ExplainedRun]
    omitted: int = 0

    def parts(self) -> set[ChangedInput | SeenFact]:
        """Returns all inputs and facts in the explanation."""
        inputs = {each for run in self.runs for each in run.decisive.inputs}
        return inputs | {fact for run in self.runs for rule in run.failed_rules for fact in rule.facts}


def explained(
    change: BasisChange,
    before: Mapping[EnrollmentKey, Days],
    after: Mapping[EnrollmentKey, Days],
    which: RunFilter,
    effort: Effort,
) -> Explanation:
    """Explains the difference between the recorded days of two revisions, given the inputs of both."""
    runs = [run for run in runs_between(before, after) if which.accepts(run.key)]
    shown = runs[:MAX_RUNS]
    decisive = decisive_inputs(change, shown, effort)
    explainer = Explainer(replay(change.after))
    values = ValuesThenAndNow(change.earlier_facts, change.after.facts)
    limits = _Limits.of_each(len(shown))

    def explain(run: Run, found: Decisive) -> ExplainedRun:
        inputs = found.inputs[: limits.inputs]
        rules = FailedRules()
        if not run.gained and not found.is_incomplete:
            refused = explainer.settlement.refused.get(run.key, NO_DAYS) & Days.of(run.days)
            rules = failed_rules(run.key, refused, explainer, values, limits.rules, limits.facts)
        omitted = len(found.inputs) - len(inputs)
        return ExplainedRun(run, found._replace(inputs=inputs), rules.rules, omitted, rules.omitted)

    explained_runs = [explain(run, found) for run, found in zip(shown, decisive, strict=True)]
    return Explanation(explained_runs, len(runs) - len(shown))


class _Limits(NamedTuple):
    """The maximum number of inputs and failed rules of one run, and of facts of one rule."""

    inputs: int
    rules: int
    facts: int

    @classmethod
    def of_each(cls, runs: int) -> "_Limits":
        """Returns the limits for each of a number of runs. More runs get lower limits, but never less than two."""
        inputs, rules = (max(2, min(maximum, MAX_TOTAL // max(1, runs))) for maximum in (MAX_INPUTS, MAX_RULES))
        return cls(inputs, rules, max(2, min(MAX_FACTS, 2 * MAX_TOTAL // (max(1, runs) * rules))))


def excluded_on(
    basis: GroupBasis, which: RunFilter, day: Day
) -> tuple[tuple[EnrollmentKey, tuple[FailedRule, ...]], ...]:
    """Returns the enrollments that approved requests ask for on a day but rules exclude, with these rules."""
    settlement = replay(basis)
    explainer, values = Explainer(settlement), ValuesThenAndNow(basis.facts, basis.facts)
    return tuple(
        (key, failed_rules(key, Days.of_day(day), explainer, values).rules)
        for key in sorted(settlement.refused, key=lambda key: key.order)
        if which.accepts(key) and settlement.was_refused(key, day)
    )
