"""Alignment of conditions with the calendar, compared with single days."""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import NO_DAYS, UNBOUNDED_END, UNBOUNDED_START, Days, Span, completed_years, to_day
from domain.enrollment.alignment import aged, beginning, lasting
from domain.enrollment.holding import Holding
from domain.members import Employment, EmploymentStatus, Facts
from domain.rules.conditions import (
    Age,
    AgeEnd,
    CalendarEnd,
    CalendarStart,
    Employed,
    FactLeaf,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)
from tests.support.builders import a_contract, an_id

SELF = Subject.SELF
NEAR = st.dates(date(2024, 1, 1), date(2026, 12, 31))


def span(first_on: str | None, last_on: str | None = None) -> Span:
    return Span.between(*(date.fromisoformat(each) if each else None for each in (first_on, last_on)))


def end_of_month(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@st.composite
def some_days(draw: st.DrawFn) -> Days:
    """Draws up to three spans, whose ends can be open."""
    spans = []
    for _ in range(draw(st.integers(0, 3))):
        first, last = sorted((draw(NEAR), draw(NEAR)))
        spans.append(Span.between(draw(st.sampled_from([first, None])), draw(st.sampled_from([last, last, None]))))
    return Days.of(*spans)


def some_day(low: date, high: date, holds: Callable[[date], bool]) -> bool:
    return any(holds(low + timedelta(days=n)) for n in range((high - low).days + 1))


@given(some_days(), NEAR)
def test_days_last_until_the_end_of_the_month(days: Days, on: date) -> None:
    def holds(day: date) -> bool:
        return days.holds(to_day(day))

    assert lasting(days, CalendarEnd.END_OF_MONTH).holds(to_day(on)) == some_day(on.replace(day=1), on, holds)
    assert lasting(days, CalendarEnd.DAY) == days


@given(some_days(), NEAR)
def test_days_begin_on_the_first_of_the_month(days: Days, on: date) -> None:
    def holds(day: date) -> bool:
        return days.holds(to_day(day))

    assert beginning(days, CalendarStart.FIRST_OF_MONTH).holds(to_day(on)) == some_day(on, end_of_month(on), holds)
    assert beginning(days, CalendarStart.DAY) == days


@given(some_days(), NEAR)
def test_days_begin_on_the_first_of_a_month_on_or_after_them(days: Days, on: date) -> None:
    def fails(day: date) -> bool:
        return not days.holds(to_day(day))

    expected = not some_day(on.replace(day=1), on, fails)
    assert beginning(days, CalendarStart.FIRST_OF_NEXT_MONTH).holds(to_day(on)) == expected


@given(
    st.dates(date(1950, 1, 1), date(2026, 12, 31)),
    st.none() | st.integers(0, 70),
    st.none() | st.integers(1, 90),
    st.sampled_from(AgeEnd),
    st.sampled_from(CalendarStart),
    NEAR,
)
def test_an_age_condition_equals_the_ages_of_single_days(
    born_on: date, least: int | None, most: int | None, lasts_until: AgeEnd, begins: CalendarStart, on: date
) -> None:
    days = aged(born_on, Age(SELF, least, most, lasts_until, begins))

    def has_reached(years: int) -> Callable[[date], bool]:
        return lambda day: day >= born_on and completed_years(born_on, day) >= years

    reached = on >= born_on
    if least is not None:
        from_day = {
            CalendarStart.DAY: on,
            CalendarStart.FIRST_OF_MONTH: end_of_month(on),
            CalendarStart.FIRST_OF_NEXT_MONTH: on.replace(day=1),
        }
        reached = has_reached(least)(from_day[begins])
    last_counted = {
        AgeEnd.BIRTHDAY: on,
        AgeEnd.END_OF_MONTH: on.replace(day=1) - timedelta(days=1),
        AgeEnd.END_OF_YEAR: date(on.year - 1, 12, 31),
    }
    over = most is not None and has_reached(most)(last_counted[lasts_until])
    assert days.holds(to_day(on)) == (reached and not over)


def test_days_at_the_end_of_the_calendar_are_unbounded() -> None:
    last = Days.of(Span(to_day(date(9999, 12, 5)), to_day(date(9999, 12, 7))))
    assert lasting(last, CalendarEnd.END_OF_MONTH) == Days.of(Span(to_day(date(9999, 12, 5)), UNBOUNDED_END))
    assert beginning(last, CalendarStart.FIRST_OF_NEXT_MONTH) == NO_DAYS
    everything = Days.of(Span(UNBOUNDED_START, UNBOUNDED_END))
    assert lasting(everything, CalendarEnd.END_OF_MONTH) == everything
    assert aged(date(9990, 1, 1), Age(SELF, 50, None)) == NO_DAYS
    assert aged(date(9990, 1, 1), Age(SELF, None, 5, AgeEnd.END_OF_YEAR)).holds(to_day(date(9995, 12, 31)))


# -------------------------------------------------------------------------------------------- worked cases

ACME = "ACME"


def holding_of(facts: Facts) -> Holding:
    contract = replace(a_contract(), sponsor_id=ACME)
    return Holding(contract, an_id("P"), {an_id("P"): facts})


def bounds(leaf: FactLeaf, facts: Facts) -> list[tuple[str, str]]:
    """Returns the first and last days on which a leaf is true; an open end is empty."""
    return [
        (str(each.first_on or ""), str(each.last_on or ""))
        for each in holding_of(facts).fact_days(leaf, an_id("P")).spans
    ]


@pytest.mark.parametrize(
    ("lasts_until", "last_day"),
    [(AgeEnd.BIRTHDAY, "2026-05-19"), (AgeEnd.END_OF_MONTH, "2026-05-31"), (AgeEnd.END_OF_YEAR, "2026-12-31")],
)
def test_case_a1_an_age_limit_lasts_until(lasts_until: AgeEnd, last_day: str) -> None:
    child = Facts(born_on=date(2001, 5, 20))
    assert bounds(Age(SELF, None, 25, lasts_until), child) == [("2001-05-20", last_day)]


def test_a_birthday_on_the_first_lasts_until_the_end_of_its_own_month() -> None:
    child = Facts(born_on=date(2001, 5, 1))
    assert bounds(Age(SELF, None, 25, AgeEnd.END_OF_MONTH), child) == [("2001-05-01", "2026-05-31")]


def employed(first_on: str, last_on: str | None = None) -> Facts:
    return Facts(employments=(Employment(span(first_on, last_on), ACME, EmploymentStatus.ACTIVE, None),))


@pytest.mark.parametrize(
    ("lasts_until", "last_day"), [(CalendarEnd.DAY, "2026-03-10"), (CalendarEnd.END_OF_MONTH, "2026-03-31")]
)
def test_case_a2_an_employment_lasts_until(lasts_until: CalendarEnd, last_day: str) -> None:
    facts = employed("2026-01-15", "2026-03-10")
    assert bounds(Employed(SELF, (), same_sponsor=True, lasts_until=lasts_until), facts) == [("2026-01-15", last_day)]


@pytest.mark.parametrize(
    ("begins", "first_day"),
    [
        (CalendarStart.DAY, "2026-03-16"),
        (CalendarStart.FIRST_OF_MONTH, "2026-03-01"),
        (CalendarStart.FIRST_OF_NEXT_MONTH, "2026-04-01"),
    ],
)
def test_case_a3_a_tenure_begins(begins: CalendarStart, first_day: str) -> None:
    assert bounds(Tenure(SELF, 60, same_sponsor=True, begins=begins), employed("2026-01-15")) == [(first_day, "")]


def test_a_condition_without_facts_is_never_true() -> None:
    for leaf in (
        Age(SELF, 18, 26, AgeEnd.END_OF_MONTH, CalendarStart.FIRST_OF_MONTH),
        SalaryRange(SELF, 1, None, same_sponsor=False, lasts_until=CalendarEnd.END_OF_MONTH),
        Residence(SELF, ("FR",), (), CalendarEnd.END_OF_MONTH),
    ):
        assert bounds(leaf, Facts()) == []
