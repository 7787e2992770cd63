"""A slow and obvious receiver of HD loops. Its days are numbered from ORIGIN; an open run contains the last one."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

from affilia_cli.enrollment_file.book.day_runs import DayRuns

ORIGIN = date(2026, 7, 1)
HORIZON = 40


class ReadLoop(NamedTuple):
    """HD01, DTP 348 and DTP 349 of one loop. None means that the loop doesn't have the day."""

    maintenance: str
    first_on: date | None
    last_on: date | None


def runs_of(days: set[int]) -> DayRuns:
    """Returns numbered days as runs."""
    return DayRuns.of((day(n), date.max if n == HORIZON else day(n)) for n in days)


def day(n: int) -> date:
    return ORIGIN + timedelta(n)


def number_of(on: date | None) -> int:
    return HORIZON if on is None or on == date.max else (on - ORIGIN).days


def numbers_of(runs: DayRuns) -> set[int]:
    return {n for run in runs for n in range(number_of(run.first_on), number_of(run.last_on) + 1)}


def after_reading(days: set[int], loops: Iterable[ReadLoop], *, keeps_first_days: bool = False) -> set[int]:
    """Returns the days of one coverage after reading the loops of a file.

    Ends shorten or remove a run, everything else states the whole of the runs it touches. With `keeps_first_days`, days
    before the first stated day of a run stay, as in imports.
    """
    loops, ended = list(loops), set(days)
    for loop in loops:
        last = number_of(loop.last_on)
        if loop.maintenance == "024":
            ended -= {n for n in run_with(days, last) if n > last}
        elif loop.maintenance == "002":
            ended -= run_with(days, last)
    stated: set[int] = set()
    touched: set[int] = set()
    for loop in loops:
        if loop.maintenance not in ("024", "002"):
            period = set(range(number_of(loop.first_on), number_of(loop.last_on) + 1))
            stated |= period
            touched |= {m for n in period & ended for m in run_with(ended, n)}
    if keeps_first_days:
        touched -= {n for n in touched if n < min(run_with(ended, n) & stated)}
    return (ended - touched) | stated


def run_with(days: set[int], n: int) -> set[int]:
    """Returns the run of consecutive days that contains a day, which must be one of the days."""
    assert n in days
    first = last = n
    while first - 1 in days:
        first -= 1
    while last + 1 in days:
        last += 1
    return set(range(first, last + 1))
