"""How differences of coverages are written as HD loops, and that reading the loops gives the days after."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affilia_cli.enrollment_export.coverage_loops import CoverageLoop, audited, differing
from affilia_cli.enrollment_file.day_runs import DayRuns, Run

ORIGIN = date(2026, 1, 1)
HORIZON = 40
"""Days of the model. An open run contains the last one."""


def day(text: str) -> date:
    return date.fromisoformat(text)


def runs(text: str) -> DayRuns:
    """Returns runs such as `2026-01-01..2026-06-30 2026-09-01..`."""
    parts = [part.split("..") for part in text.split()]
    return DayRuns.of((day(first), day(last) if last else date.max) for first, last in parts)


def written(loops: tuple[CoverageLoop, ...]) -> str:
    """Returns loops as HD01, DTP 348 and DTP 349, such as `001 2026-01-01..2026-06-30`."""
    return ", ".join(f"{each.maintenance} {each.first_on or ''}..{each.last_on or ''}" for each in loops)


@pytest.mark.parametrize(
    ("before", "after", "loops"),
    [
        ("", "2026-01-01..", "021 2026-01-01.."),
        ("", "2026-01-01..2026-06-30", "021 2026-01-01..2026-06-30"),
        ("2026-01-01..", "2026-01-01..2026-06-30", "024 ..2026-06-30"),
        ("2026-01-01..2026-12-31", "2026-01-01..2026-06-30", "024 ..2026-06-30"),
        ("2026-01-01..", "", "002 2026-01-01..2026-01-01"),
        ("2026-01-01..2026-06-30", "2026-01-01..", "001 2026-01-01.."),
        ("2026-01-01..2026-06-30", "2026-01-01..2026-12-31", "001 2026-01-01..2026-12-31"),
        ("2026-01-01..", "2026-02-01..", "001 2026-02-01.."),
        ("2026-02-01..2026-12-31", "2026-01-01..2026-12-31", "001 2026-01-01..2026-12-31"),
        ("2026-01-01..", "2026-01-01..2026-03-31 2026-05-01..", "024 ..2026-03-31, 021 2026-05-01.."),
        ("2026-01-01..2026-03-31 2026-05-01..", "2026-01-01..", "021 2026-01-01.."),
        ("2026-01-01..2026-03-31", "2026-01-01..2026-03-31 2026-05-01..", "001 2026-05-01.."),
        ("2026-01-01..2026-03-31 2026-05-01..", "2026-01-01..2026-03-31", "002 2026-05-01..2026-05-01"),
        ("2026-01-01..", "2026-01-01..", ""),
    ],
)
def test_each_kind_of_difference_has_its_maintenance_types(before: str, after: str, loops: str) -> None:
    assert written(differing(runs(before), runs(after), reinstated=False)) == loops


@pytest.mark.parametrize(
    ("after", "loops"),
    [
        ("2026-01-01..", "025 2026-01-01.."),
        ("2026-01-01..2026-06-30 2026-09-01..", "025 2026-09-01.."),
        ("2026-01-01..2026-03-31", "024 ..2026-03-31"),
    ],
)
def test_regained_days_after_the_end_are_a_reinstatement(after: str, loops: str) -> None:
    assert written(differing(runs("2026-01-01..2026-06-30"), runs(after), reinstated=True)) == loops


@pytest.mark.parametrize(
    ("before", "after", "loops"),
    [
        ("2026-01-01..2026-12-31", "2026-01-01..2026-06-30", "025 2026-01-01..2026-12-31, 024 ..2026-06-30"),
        ("2026-01-01..", "2026-01-01..2026-06-30", "024 ..2026-06-30"),
        ("2026-01-01..2026-06-30", "2026-01-01..2026-12-31", "001 2026-01-01..2026-12-31"),
    ],
)
def test_an_ended_coverage_can_be_reinstated_before_it_is_shortened(before: str, after: str, loops: str) -> None:
    shortened = differing(runs(before), runs(after), reinstated=False, reinstate_to_shorten=True)
    assert written(shortened) == loops


def test_a_complete_file_has_runs_from_today_on_with_their_own_first_days() -> None:
    days = runs("2025-01-01..2025-06-30 2026-01-01..2026-03-31 2026-09-01..")
    assert written(audited(days, day("2026-03-31"))) == "030 2026-01-01..2026-03-31, 030 2026-09-01.."
    assert written(audited(days, day("2026-04-01"))) == "030 2026-09-01.."


@given(before=st.sets(st.integers(0, HORIZON)), after=st.sets(st.integers(0, HORIZON)), reinstated=st.booleans())
def test_reading_the_loops_gives_the_days_after(before: set[int], after: set[int], reinstated: bool) -> None:
    loops = differing(_runs_of(before), _runs_of(after), reinstated=reinstated)
    assert _read(before, loops) == after


@given(before=st.sets(st.integers(0, HORIZON)), after=st.sets(st.integers(0, HORIZON)))
def test_a_receiver_that_never_moves_a_first_day_later_reads_everything_else(before: set[int], after: set[int]) -> None:
    read = _read(before, differing(_runs_of(before), _runs_of(after), reinstated=False), keeps_first_days=True)
    moved = {n for n in before if n - 1 not in before and n not in after and _run_with(before, n) & after}
    kept = {m for n in moved for m in _run_with(before, n) if m < min(_run_with(before, n) & after)}
    assert after <= read <= after | kept


def _runs_of(days: set[int]) -> DayRuns:
    """Returns numbered days as runs. The run that contains the last day of the model is open."""
    return DayRuns.of((ORIGIN + timedelta(n), date.max if n == HORIZON else ORIGIN + timedelta(n)) for n in days)


def _read(days: set[int], loops: tuple[CoverageLoop, ...], *, keeps_first_days: bool = False) -> set[int]:
    """A slow and obvious receiver: ends shorten or remove a run, everything else states the whole of the runs it
    touches. With `keeps_first_days`, days before the first stated day of a run stay, as in imports."""
    ended = set(days)
    for loop in loops:
        last = _number(loop.last_on)
        if loop.maintenance == "024":
            ended -= {n for n in _run_with(days, last) if n > last}
        elif loop.maintenance == "002":
            ended -= _run_with(days, last)
    stated: set[int] = set()
    touched: set[int] = set()
    for loop in loops:
        if not loop.ends:
            period = set(range(_number(loop.first_on), _number(loop.last_on) + 1))
            stated |= period
            touched |= {m for n in period & ended for m in _run_with(ended, n)}
    if keeps_first_days:
        touched -= {n for n in touched if n < min(_run_with(ended, n) & stated)}
    return (ended - touched) | stated


def _number(on: date | None) -> int:
    return HORIZON if on is None else (on - ORIGIN).days


def _run_with(days: set[int], n: int) -> set[int]:
    assert n in days
    first = last = n
    while first - 1 in days:
        first -= 1
    while last + 1 in days:
        last += 1
    return set(range(first, last + 1))


def test_a_run_is_open_in_the_model_if_it_contains_the_last_day() -> None:
    assert _runs_of({HORIZON - 1, HORIZON}).runs == (Run(ORIGIN + timedelta(HORIZON - 1), date.max),)
