"""Settling: the largest set of enrollment days that decisions ask for and every rule allows.

The set is computed as two greatest fixed points. In the first phase, every predicate over "every member" counts as
true; the result bounds the days on which each member can be enrolled. In the second phase all rules apply, and
"every member" means those people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.days import NO_DAYS, Day, Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.enrollments import Enrollments, Predicate
from domain.enrollment.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Settlement:
    """The desired days of a group, the rules that were applied, and the days that were kept.

    `allowed` are the desired days that facts allow, `first` and `second` are the results of the two phases, and
    `settled` is `second` plus the closed days, if any. `refused` are the days that were desired and not kept. No
    mapping contains an empty set of days.
    """

    desired: Mapping[EnrollmentKey, Days]
    rulebook: Rulebook
    allowed: Mapping[EnrollmentKey, Days]
    first: Enrollments
    second: Enrollments
    settled: Enrollments
    refused: Mapping[EnrollmentKey, Days]

    @property
    def days(self) -> Mapping[EnrollmentKey, Days]:
        """The settled days of each enrollment."""
        return self.settled.days

    def broken_rules(self, key: EnrollmentKey, days: Days) -> dict[str, Days]:
        """Returns, for days that an enrollment doesn't have, the rules that adding each single day would break."""
        return self.rulebook.broken_rules(key, days, self.settled)

    def was_refused(self, key: EnrollmentKey, day: Day) -> bool:
        """Returns whether a day was desired and not kept."""
        return self.refused.get(key, NO_DAYS).holds(day)


def settle(desired: Mapping[EnrollmentKey, Days], rulebook: Rulebook) -> Settlement:
    """Returns the largest set of days. It doesn't depend on the order of rules, members or modules."""
    allowed = allowed_by_facts(desired, rulebook)
    unchecked = [key for key in allowed if rulebook.demands(key).on_enrollments]
    first, _ = largest_kept(Enrollments(allowed), unchecked, rulebook)
    # The second fixed point is a subset of the first, which can only break rules over "every member".
    second, changed = first.changed({}, rulebook.holding.predicates, first.by_member())
    second, _ = largest_kept(second, dependents(changed, rulebook), rulebook)
    settled = with_closed_days(second, rulebook)
    return Settlement(desired, rulebook, allowed, first, second, settled, refused_days(desired, settled))


def allowed_by_facts(desired: Mapping[EnrollmentKey, Days], rulebook: Rulebook) -> dict[EnrollmentKey, Days]:
    """Returns the desired days that aren't closed and that no rule over facts alone forbids."""
    start = rulebook.closed.still_open(desired) if rulebook.closed else desired
    return {key: left for key, days in start.items() if (left := days & rulebook.demands(key).allowed_by_facts)}


def largest_kept(
    kept: Enrollments, unchecked: Iterable[EnrollmentKey], rulebook: Rulebook
) -> tuple[Enrollments, set[EnrollmentKey]]:
    """Removes days that the remaining enrollments don't allow, until nothing changes.

    `unchecked` are the enrollments that may break a rule; after each step, those whose rules depend on what the step
    changed. Also returns the enrollments that lost days.
    """
    reduced: set[EnrollmentKey] = set()
    while unchecked:
        changes = {}
        for key in unchecked:
            before = kept.of(key)
            after = rulebook.demands(key).allowed(before, kept)
            if after != before:
                changes[key] = after
        kept, changed = kept.changed(changes, rulebook.holding.predicates, kept.max_days)
        reduced.update(changes)
        unchecked = dependents(changed, rulebook)
    return kept, reduced


def dependents(predicates: Iterable[Predicate], rulebook: Rulebook) -> set[EnrollmentKey]:
    """Returns the enrollments whose rules depend on any of the predicates."""
    return {key for predicate in predicates for key in rulebook.dependents(predicate)}


def with_closed_days(kept: Enrollments, rulebook: Rulebook) -> Enrollments:
    """Returns the enrollments plus the days that were closed when a member's facts were erased."""
    return Enrollments(rulebook.closed.with_past(kept.days), kept.max_days) if rulebook.closed else kept


def refused_days(desired: Mapping[EnrollmentKey, Days], settled: Enrollments) -> dict[EnrollmentKey, Days]:
    """Returns the days that were desired and not kept, without enrollments that have none."""
    return {key: left for key, days in desired.items() if (left := days - settled.of(key))}
