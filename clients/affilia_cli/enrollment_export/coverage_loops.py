"""Describes how the days of one coverage differ, as HD loops: maintenance types with first and last days.

Days are compared run by run. The loops state all runs that differ, and nothing about the runs that don't.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.day_runs import DayRuns, Run


@dataclass(frozen=True, slots=True)
class CoverageLoop:
    """One HD loop: HD01, the first day (DTP 348) and the last day (DTP 349). A day that is None isn't written."""

    maintenance: str
    first_on: date | None
    last_on: date | None

    @property
    def ends(self) -> bool:
        return self.maintenance in codes.COVERAGE_ENDS


def audited(days: DayRuns, today: date) -> tuple[CoverageLoop, ...]:
    """Returns the loops of a full file: all runs with a day from today on, each with its own first day."""
    return tuple(_stated(codes.AUDIT, run) for run in days if run.last_on >= today)


def differing(
    before: DayRuns, after: DayRuns, *, reinstated: bool, reinstate_to_shorten: bool = False
) -> tuple[CoverageLoop, ...]:
    """Returns the loops that turn the days before into the days after. Empty if they are equal.

    `reinstated` tells whether the coverage regained days that it had before. With `reinstate_to_shorten`, a bounded run
    that ends earlier is first reinstated with its former last day, for receivers that can't shorten an ended coverage.
    """
    cancelled = (CoverageLoop(codes.DELETE, run.first_on, run.first_on) for run in before if not _sharing(run, after))
    return (*cancelled, *_of_runs_after(before, after, reinstated, reinstate_to_shorten))


def _of_runs_after(
    before: DayRuns, after: DayRuns, reinstated: bool, reinstate_to_shorten: bool
) -> Iterator[CoverageLoop]:
    for run in after:
        former = _sharing(run, before)
        if former == [run]:
            continue
        if not former:
            yield _stated(_code_of_addition(run, before, reinstated), run)
            continue
        parts = _sharing(former[0], after)
        if parts[0] != run:  # The gap before this run is opened by the loop of the first part.
            yield _stated(codes.ADD, run)
        elif len(former) == 1 and former[0].first_on == run.first_on and run.last_on < former[0].last_on:
            if reinstate_to_shorten and len(parts) == 1 and not former[0].is_open:
                yield _stated(codes.REINSTATE, former[0])
            yield CoverageLoop(codes.END, None, run.last_on)
        else:
            yield _stated(_code_of_change(run, former, reinstated), run)


def _sharing(run: Run, days: DayRuns) -> list[Run]:
    """Returns the runs that share a day with a run, in order."""
    return [each for each in days if each.first_on <= run.last_on and run.first_on <= each.last_on]


def _code_of_addition(run: Run, before: DayRuns, reinstated: bool) -> str:
    """Returns the maintenance type of a run none of whose days was covered before."""
    if not before or before.runs[0].first_on < run.first_on < before.runs[-1].first_on:
        return codes.ADD
    if run.first_on > before.runs[-1].last_on and reinstated:
        return codes.REINSTATE
    return codes.CHANGE


def _code_of_change(run: Run, former: list[Run], reinstated: bool) -> str:
    """Returns the maintenance type of a run whose first or last day moved, or in which a gap was closed."""
    if run.last_on > former[-1].last_on and reinstated:
        return codes.REINSTATE
    same_hull = (run.first_on, run.last_on) == (former[0].first_on, former[-1].last_on)
    return codes.ADD if same_hull else codes.CHANGE


def _stated(maintenance: str, run: Run) -> CoverageLoop:
    return CoverageLoop(maintenance, run.first_on, None if run.is_open else run.last_on)
