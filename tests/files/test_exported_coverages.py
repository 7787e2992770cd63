"""How differences of coverages are written as HD loops, and that reading the loops gives the days after."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_export.coverage_loops import CoverageLoop, audited, differing
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from tests.support.receiver import HORIZON, ReadLoop, after_reading, run_with, runs_of


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
@settings(deadline=None)
def test_reading_the_loops_gives_the_days_after(before: set[int], after: set[int], reinstated: bool) -> None:
    loops = differing(runs_of(before), runs_of(after), reinstated=reinstated)
    assert after_reading(before, as_read(loops)) == after


@given(before=st.sets(st.integers(0, HORIZON)), after=st.sets(st.integers(0, HORIZON)))
@settings(deadline=None)
def test_a_receiver_that_never_moves_a_first_day_later_reads_everything_else(before: set[int], after: set[int]) -> None:
    loops = differing(runs_of(before), runs_of(after), reinstated=False)
    read = after_reading(before, as_read(loops), keeps_first_days=True)
    moved = {n for n in before if n - 1 not in before and n not in after and run_with(before, n) & after}
    kept = {m for n in moved for m in run_with(before, n) if m < min(run_with(before, n) & after)}
    assert after <= read <= after | kept


def as_read(loops: tuple[CoverageLoop, ...]) -> list[ReadLoop]:
    return [ReadLoop(each.maintenance, each.first_on, each.last_on) for each in loops]
