"""Settled: the largest set of enrollment days that decisions ask for and every rule allows (section 3).

Two greatest fixed points. In the first, every "every member" leaf counts as true, which tells who is enrolled at most
on each day; in the second the rules hold in full, "every member" being those people.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.days import NO_DAYS, Day, Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment
from domain.enrollment.rulebook import Rulebook
from domain.rules.holding import Enrollments


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was desired, by which rules it was judged, and what was kept. `settled.days` has no empty entries."""

    desired: Mapping[EnrollmentKey, Days]
    rulebook: Rulebook
    settled: Enrollments

    @property
    def days(self) -> DaysByEnrollment:
        """The settled days of each enrollment."""
        return self.settled.days

    def broken_rules(self, key: EnrollmentKey, days: Days) -> dict[str, Days]:
        """For days that an enrollment does not have: what would be broken if just that day were added."""
        return self.rulebook.broken_rules(key, days, self.settled)

    def was_refused(self, key: EnrollmentKey, day: Day) -> bool:
        """Whether a day was asked for and not kept."""
        asked = self.desired.get(key, NO_DAYS).holds(day)
        return asked and not self.settled.days.get(key, NO_DAYS).holds(day)


def settle(desired: Mapping[EnrollmentKey, Days], rulebook: Rulebook) -> Settlement:
    """The largest set of days; unique, whatever the order of rules, members and modules."""
    closed = rulebook.closed
    start = closed.still_open(desired) if closed else dict(desired)
    first = _largest_kept(start, rulebook, Enrollments({}))
    at_most = Enrollments(first).by_member()
    # The second fixed point lies below the first, which is therefore as good a start as Desired.
    settled = _largest_kept(first, rulebook, Enrollments({}, at_most))
    return Settlement(desired, rulebook, Enrollments(closed.with_past(settled) if closed else settled, at_most))


def _largest_kept(start: DaysByEnrollment, rulebook: Rulebook, phase: Enrollments) -> DaysByEnrollment:
    """Keeps on every day what is allowed given what is kept, until nothing changes any more."""
    kept = {key: days & rulebook.demands(key).allowed_by_facts for key, days in start.items()}
    kept = {key: days for key, days in kept.items() if days}
    restless = [key for key in kept if rulebook.demands(key).on_enrollments]
    current = Enrollments(kept, phase.at_most)
    changed = bool(restless)
    while changed:
        changed = False
        for key in restless:
            before = kept.get(key)
            if before is None:
                continue
            after = before & rulebook.demands(key).allowed(current)
            if after != before:
                changed = True
                if after:
                    kept[key] = after
                else:
                    del kept[key]
    return kept
