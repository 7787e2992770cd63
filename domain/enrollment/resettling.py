"""Resettling: settles a group again when the desired days of a few enrollments differ.

Only the enrollments that the difference can influence are checked again. The result is exact because rules depend on
enrollments only positively:

- When the start of a fixed point changes, an enrollment can gain days only if its start grew, or if some of its days
  were refused by a rule that depends on another enrollment that gains days.
- Every other enrollment keeps at most the days that it had.

So the known fixed point, plus the possible gains and minus the days that left the start, contains the new fixed point.
It can break rules only at the added days and at enrollments that depend on the removed days.
"""

from collections.abc import Iterable, Mapping, Set
from uuid import UUID

from domain.days import NO_DAYS, Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.enrollments import Enrollments, updated
from domain.enrollment.rulebook import Rulebook
from domain.enrollment.settling import Settlement, allowed_by_facts, dependents, largest_kept, with_closed_days


class Resettling:
    """Derives settlements from a known one whose desired days differ in a few enrollments."""

    def __init__(self, known: Settlement) -> None:
        self._known = known
        self._first = _Phase(known.allowed, known.first, known.rulebook)
        self._second = _Phase(known.first.days, known.second, known.rulebook)

    def with_desired(self, changes: Mapping[EnrollmentKey, Days]) -> tuple[Settlement, Set[EnrollmentKey]]:
        """Returns what `settle` returns when the desired days of some enrollments are replaced.

        Also returns the enrollments whose settled days may differ from those of the known settlement.
        """
        known, rulebook = self._known, self._known.rulebook
        desired = updated(known.desired, changes)
        allowed = dict.fromkeys(changes, NO_DAYS) | allowed_by_facts(changes, rulebook)
        first, differing_first = self._first.again(allowed, None)
        restart = {key: first.of(key) for key in differing_first}
        max_days = _max_days(known.second.max_days, first, differing_first)
        second, differing = self._second.again(restart, max_days)
        settled = with_closed_days(second, rulebook)
        refused = {key: desired.get(key, NO_DAYS) - settled.of(key) for key in changes.keys() | differing}
        now_allowed, now_refused = updated(known.allowed, allowed), updated(known.refused, refused)
        return Settlement(desired, rulebook, now_allowed, first, second, settled, now_refused), differing


def _max_days(
    known: Mapping[UUID, Days] | None, first: Enrollments, changed: Iterable[EnrollmentKey]
) -> Mapping[UUID, Days] | None:
    """Returns the `max_days` that a first phase leads to; the same object if none of them changed."""
    members = {key.member_id: first.of_member(key.member_id) for key in changed}
    if known is None or all(known.get(member_id, NO_DAYS) == days for member_id, days in members.items()):
        return known
    return updated(known, members)


class _Phase:
    """One of the two fixed points: the days that it started from, and the days that it kept."""

    def __init__(self, start: Mapping[EnrollmentKey, Days], kept: Enrollments, rulebook: Rulebook) -> None:
        self._start = start
        self._kept = kept
        self._rulebook = rulebook
        self._refused = {key for key, days in start.items() if kept.of(key) != days}

    def again(
        self, changes: Mapping[EnrollmentKey, Days], max_days: Mapping[UUID, Days] | None
    ) -> tuple[Enrollments, Set[EnrollmentKey]]:
        """Returns the fixed point for a changed start and other `max_days`, and the enrollments that may differ."""
        gaining = self._gaining(changes, everyone_differs=max_days is not self._kept.max_days)
        superset = {key: self._kept.of(key) & days for key, days in changes.items()}
        superset |= {key: changes[key] if key in changes else self._start[key] for key in gaining}
        kept, changed = self._kept.changed(superset, self._rulebook.holding.predicates, max_days)
        kept, reduced = largest_kept(kept, gaining | dependents(changed, self._rulebook), self._rulebook)
        return kept, superset.keys() | reduced

    def _gaining(self, changes: Mapping[EnrollmentKey, Days], *, everyone_differs: bool) -> set[EnrollmentKey]:
        """Returns the enrollments that can have more days than before."""
        gaining = {key for key, days in changes.items() if days - self._start.get(key, NO_DAYS)}
        refused = self._refused - gaining
        predicates = self._rulebook.holding.predicates
        reached = {predicate for key in gaining for predicate in predicates.depending_on(key)}
        if everyone_differs:
            reached.update(predicates.over_every_member)
        while reached and refused:
            more = {key for predicate in reached for key in self._rulebook.dependents(predicate) & refused}
            gaining |= more
            refused -= more
            reached = {predicate for key in more for predicate in predicates.depending_on(key)}
        return gaining
