"""Calendar months as consecutive integers, so that a range of months is a range of integers."""

from calendar import monthrange
from datetime import date
from functools import lru_cache

from domain.days import Day, Span, to_date, to_day

Month = int
"""Twelve times the year, plus the month minus one."""


def month_of(on: date) -> Month:
    """Returns the month of a date."""
    return on.year * 12 + on.month - 1


@lru_cache(maxsize=100_000)
def month_of_day(day: Day) -> Month:
    """Returns the month of a day."""
    return month_of(to_date(day))


def first_day(month: Month) -> Day:
    return days_of_month(month).start


@lru_cache(maxsize=2_400)
def days_of_month(month: Month) -> Span:
    """Returns all days of a month."""
    year, zero_based = divmod(month, 12)
    start = to_day(date(year, zero_based + 1, 1))
    return Span(start, start + monthrange(year, zero_based + 1)[1])
