"""Sets of days, as maximal runs. `date.max` as a last day means that there is no end, as in 834 files (9999-12-31)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

ONE_DAY = timedelta(days=1)


class Run(NamedTuple):
    """Consecutive days, both ends inclusive. `last_on` is `date.max` if the run is open-ended."""

    first_on: date
    last_on: date

    @property
    def is_open(self) -> bool:
        return self.last_on == date.max

    def shares_a_day_with(self, other: Run) -> bool:
        return self.first_on <= other.last_on and other.first_on <= self.last_on

    def __str__(self) -> str:
        return f"from {self.first_on}" if self.is_open else f"{self.first_on} to {self.last_on}"


@dataclass(frozen=True, slots=True)
class DayRuns:
    """An immutable set of days: runs in order, neither overlapping nor adjacent."""

    runs: tuple[Run, ...] = ()

    @staticmethod
    def of(runs: Iterable[tuple[date, date]]) -> DayRuns:
        """Returns the union of runs, in any order. A run whose last day is before its first day is empty."""
        merged: list[Run] = []
        for first_on, last_on in sorted(run for run in runs if run[0] <= run[1]):
            if merged and (merged[-1].is_open or first_on <= merged[-1].last_on + ONE_DAY):
                merged[-1] = Run(merged[-1].first_on, max(merged[-1].last_on, last_on))
            else:
                merged.append(Run(first_on, last_on))
        return DayRuns(tuple(merged))

    @staticmethod
    def since(day: date) -> DayRuns:
        """Returns a day and all days after it."""
        return DayRuns((Run(day, date.max),))

    def __bool__(self) -> bool:
        return bool(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __contains__(self, day: date) -> bool:
        return self.run_with(day) is not None

    def __or__(self, other: DayRuns) -> DayRuns:
        if not self.runs or not other.runs:
            return self if self.runs else other
        return DayRuns.of((*self.runs, *other.runs))

    def __sub__(self, other: DayRuns) -> DayRuns:
        if not self.runs or not other.runs:
            return self
        rest: list[Run] = []
        for run in self.runs:
            first_on = run.first_on
            for gone in other.runs:
                if gone.last_on < first_on or gone.first_on > run.last_on:
                    continue
                if gone.first_on > first_on:
                    rest.append(Run(first_on, gone.first_on - ONE_DAY))
                if gone.last_on >= run.last_on:
                    break
                first_on = gone.last_on + ONE_DAY
            else:
                rest.append(Run(first_on, run.last_on))
        return DayRuns(tuple(rest))

    def __and__(self, other: DayRuns) -> DayRuns:
        return self if self.runs == other.runs else self - (self - other)

    def run_with(self, day: date) -> Run | None:
        """Returns the run that contains a day, or None."""
        return next((run for run in self.runs if run.first_on <= day <= run.last_on), None)

    def __str__(self) -> str:
        return ", ".join(map(str, self.runs)) or "no days"


NO_DAYS = DayRuns()


def day_after(day: date) -> date:
    """Returns the next day; `date.max` has none and is returned itself."""
    return day if day == date.max else day + ONE_DAY
