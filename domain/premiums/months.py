"""Calendar months: counted from year 0, so that a range of months is a range of numbers."""

from calendar import monthrange
from datetime import date

from domain.days import Day, Span, to_day

Month = int
"""Twelve times the year, plus the month, less one."""


def month_of(day: date) -> Month:
    """The month that a day lies in."""
    return day.year * 12 + day.month - 1


def first_day(month: Month) -> Day:
    return to_day(date(*_year_and_month(month), 1))


def days_of_month(month: Month) -> Span:
    """All its days."""
    start = first_day(month)
    return Span(start, start + monthrange(*_year_and_month(month))[1])


def _year_and_month(month: Month) -> tuple[int, int]:
    year, zero_based = divmod(month, 12)
    return year, zero_based + 1
