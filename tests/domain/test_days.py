"""Sets of days, compared with sets of single days, and known cases of the calendar."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import (
    ALL_DAYS,
    NO_DAYS,
    UNBOUNDED_END,
    UNBOUNDED_START,
    BeyondTheCalendar,
    Days,
    Span,
    SpanEndsBeforeItBegins,
    add_months,
    birthday_on,
    completed_years,
    intersection,
    to_date,
    to_day,
    union,
)
from tests.support.strategies import WINDOW, days_sets, single_days, spans

DATES = st.dates(date(1890, 1, 1), date(2110, 12, 31))


@given(days_sets(), days_sets())
def test_operators_agree_with_sets_of_single_days(a: Days, b: Days) -> None:
    assert single_days(a | b) == single_days(a) | single_days(b)
    assert single_days(a & b) == single_days(a) & single_days(b)
    assert single_days(a - b) == single_days(a) - single_days(b)
    assert single_days(~a) == set(WINDOW) - single_days(a)
    assert (a <= b) == (single_days(a) <= single_days(b))
    assert bool(a) == bool(single_days(a))


@given(days_sets(), days_sets())
def test_equal_sets_are_equal_values(a: Days, b: Days) -> None:
    assert (a == b) == (single_days(a) == single_days(b))
    if a == b:
        assert hash(a) == hash(b)
    assert (a | b) - b == a - b
    assert ~~a == a


@given(days_sets(), days_sets())
def test_every_result_is_normalized(a: Days, b: Days) -> None:
    for days in (a | b, a & b, a - b, ~a, union([a, b]), intersection([a, b])):
        for earlier, later in zip(days.spans, days.spans[1:], strict=False):
            assert earlier.end < later.start
        assert all(span.start < span.end for span in days.spans)


@given(st.lists(days_sets(), max_size=4))
def test_union_and_intersection_of_many_sets_agree_with_those_of_pairs(sets: list[Days]) -> None:
    assert single_days(union(sets)) == set().union(*map(single_days, sets))
    assert single_days(intersection(sets)) == set(WINDOW).intersection(*map(single_days, sets))


@given(days_sets())
def test_first_last_and_run_agree_with_single_days(days: Days) -> None:
    inside = single_days(days)
    for day in WINDOW:
        run = days.run_holding(day)
        assert days.holds(day) == (run is not None) == (day in inside)
    if days:
        assert days.hull == Span(days.spans[0].start, days.spans[-1].end)
        assert days.first == days.hull.start
        assert days.last == (UNBOUNDED_END if days.hull.end == UNBOUNDED_END else days.hull.end - 1)
    else:
        with pytest.raises(ValueError, match="an empty set"):
            _ = days.first


@given(st.one_of(st.none(), DATES), st.one_of(st.none(), DATES))
def test_spans_keep_their_first_and_last_day(first: date | None, last: date | None) -> None:
    if first and last and last < first:
        with pytest.raises(SpanEndsBeforeItBegins):
            Span.between(first, last)
    else:
        span = Span.between(first, last)
        assert (span.first_on, span.last_on) == (first, last)


@given(spans())
def test_a_bounded_span_counts_its_days(span: Span) -> None:
    if UNBOUNDED_START in span or UNBOUNDED_END in span:
        with pytest.raises(ValueError, match="unbounded"):
            _ = span.num_days
    else:
        assert span.num_days == len(single_days(Days.of(span)))


def test_the_ends_of_the_calendar_are_not_unbounded() -> None:
    everything = Span.between(date.min, date.max)
    assert everything != Span.between(None, None)
    assert (everything.first_on, everything.last_on) == (date.min, date.max)
    assert ALL_DAYS - Days.of(everything) == NO_DAYS  # beyond the calendar there are no days


def test_spans_print_their_first_and_last_day() -> None:
    assert str(Span.between(date(2026, 3, 1), date(2026, 5, 19))) == "2026-03-01..2026-05-19"
    assert repr(Days.between(None, date(2026, 5, 19))) == "Days(..2026-05-19)"
    assert repr(NO_DAYS) == "Days()"


def test_a_month_after_31_january_is_the_last_day_of_february() -> None:
    assert add_months(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert add_months(date(2028, 1, 31), 1) == date(2028, 2, 29)
    assert add_months(date(2026, 11, 30), 15) == date(2028, 2, 29)
    with pytest.raises(BeyondTheCalendar):
        add_months(date(9999, 12, 1), 1)


@given(DATES, st.integers(0, 600))
def test_adding_months_returns_the_nearest_day_of_the_target_month(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_a_birthday_on_29_february_is_1_march_in_common_years() -> None:
    leap_day = date(2004, 2, 29)
    assert birthday_on(leap_day, 18) == date(2022, 3, 1)
    assert birthday_on(leap_day, 20) == date(2024, 2, 29)
    assert completed_years(leap_day, date(2022, 2, 28)) == 17
    assert completed_years(leap_day, date(2022, 3, 1)) == 18
    assert completed_years(leap_day, date(2000, 1, 1)) == 0


def test_days_are_ordinals() -> None:
    assert to_day(date(1, 1, 1)) == 1
    assert to_date(to_day(date(2026, 11, 20))) == date(2026, 11, 20)
