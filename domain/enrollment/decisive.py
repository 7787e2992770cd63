"""Finds decisive inputs: the smallest set of changed inputs whose new values alone turn the old days into the new ones.

For each run of days that an enrollment gained or lost, sets of changed inputs are tried in order of size (single
inputs, then pairs, and so on), as long as the number of sets up to that size is within a limit. The first set that
suffices is one of the smallest. If none is found, the set of all changed inputs is reduced by leaving out smaller and
smaller parts (the complements of delta debugging), until no single input can be left out. Sufficiency isn't monotonic:
a set that contains a sufficient one may not suffice. No input can therefore be left out of the result, but a smaller
set may still exist.

Each set of inputs is replayed at most once for all runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import NamedTuple

from domain.days import NO_DAYS, Days, Span
from domain.enrollment.changed_inputs import BasisChange, ChangedInput
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.group import replay

MAX_SETS = 300
"""The maximum number of sets that are tried in order of size. It allows all sets if up to 8 inputs changed, pairs if up
to 24 did, and single inputs if up to 300 did."""
MAX_REPLAYS = 2000
"""The maximum number of replays for one difference, including those that reduce the set of all inputs."""

Chosen = frozenset[int]
"""A set of changed inputs, by their indexes."""


class Effort(NamedTuple):
    """The limits of a search: sets tried in order of size, and replays in total (at least two)."""

    sets: int = MAX_SETS
    replays: int = MAX_REPLAYS


FULL_EFFORT = Effort()


class Run(NamedTuple):
    """A maximal run of days that an enrollment gained or lost."""

    key: EnrollmentKey
    days: Span
    gained: bool


class Decisive(NamedTuple):
    """The decisive inputs of a run, in order.

    `is_incomplete` means that the inputs don't lead to the recorded days, before or after. `is_reducible` means that
    the search ended early. In both cases, `inputs` can include inputs that made no difference.
    """

    inputs: tuple[ChangedInput, ...]
    is_incomplete: bool = False
    is_reducible: bool = False


class OutOfReplays(Exception):
    """The search has used all its replays."""


def runs_between(before: Mapping[EnrollmentKey, Days], after: Mapping[EnrollmentKey, Days]) -> list[Run]:
    """Returns the runs of days that enrollments gained or lost, in order of member, module and first day."""
    runs = []
    for key in sorted(before.keys() | after.keys(), key=lambda key: key.order):
        then, now = before.get(key, NO_DAYS), after.get(key, NO_DAYS)
        of_one = [Run(key, span, gained=True) for span in (now - then).spans]
        of_one += [Run(key, span, gained=False) for span in (then - now).spans]
        runs += sorted(of_one, key=lambda run: run.days)
    return runs


def decisive_inputs(change: BasisChange, runs: Sequence[Run], effort: Effort = FULL_EFFORT) -> list[Decisive]:
    """Returns the decisive inputs of each run."""
    replays = _Replays(change, frozenset(run.key for run in runs), effort.replays)
    return [_decisive(change.inputs, run, replays, effort.sets) for run in runs]


def _decisive(inputs: Sequence[ChangedInput], run: Run, replays: "_Replays", max_sets: int) -> Decisive:
    everything = range(len(inputs))
    if replays.suffices(run, ()) or not replays.suffices(run, everything):
        return Decisive(tuple(inputs), is_incomplete=True)

    def suffices(chosen: Sequence[int]) -> bool:
        return replays.suffices(run, chosen)

    found = _smallest(len(inputs), suffices, max_sets)
    complete = True
    if found is None:
        found, complete = _reduced(everything, suffices)
    return Decisive(tuple(inputs[i] for i in found), is_reducible=not complete)


def _smallest(count: int, suffices: Callable[[Sequence[int]], bool], max_sets: int) -> Sequence[int] | None:
    """Returns a smallest sufficient set of indexes below `count`, or None if there is none within the limit."""
    tried = 0
    for size in range(1, count + 1):
        tried += comb(count, size)
        if tried > max_sets:
            return None
        for chosen in combinations(range(count), size):
            try:
                if suffices(chosen):
                    return chosen
            except OutOfReplays:
                return None
    return None


def _reduced(items: Sequence[int], suffices: Callable[[Sequence[int]], bool]) -> tuple[Sequence[int], bool]:
    """Returns a minimal sufficient part of a sufficient set, and whether the search proved that it is minimal.

    Parts are left out as long as the rest suffices. When no part can be left out, the parts are halved.
    """
    parts = 2
    try:
        while len(items) > 1:
            bounds = [len(items) * n // parts for n in range(parts + 1)]
            for n in range(parts):
                rest = (*items[: bounds[n]], *items[bounds[n + 1] :])
                if suffices(rest):
                    items, parts = rest, max(parts - 1, 2)
                    break
            else:
                if parts >= len(items):
                    break
                parts = min(2 * parts, len(items))
    except OutOfReplays:
        return items, False
    return items, True


@dataclass(slots=True)
class _Replays:
    """The days of some enrollments for each replayed set of changed inputs."""

    change: BasisChange
    keys: frozenset[EnrollmentKey]
    left: int
    _days: dict[Chosen, Mapping[EnrollmentKey, Days]] = field(default_factory=dict)

    def suffices(self, run: Run, chosen: Sequence[int]) -> bool:
        """Returns whether the new values of the chosen inputs alone produce the days of a run. Raises OutOfReplays."""
        days = Days.of(run.days)
        return self._replayed(frozenset(chosen)).get(run.key, NO_DAYS) & days == (days if run.gained else NO_DAYS)

    def _replayed(self, chosen: Chosen) -> Mapping[EnrollmentKey, Days]:
        found = self._days.get(chosen)
        if found is None:
            if self.left <= 0:
                raise OutOfReplays
            self.left -= 1
            settled = replay(self.change.mixed([self.change.inputs[i] for i in chosen])).days
            found = self._days[chosen] = {key: settled[key] for key in self.keys & settled.keys()}
        return found
