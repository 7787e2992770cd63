"""Dates of legacy tables, read as ordinals, because PostgreSQL has dates that Python doesn't: before the year 1, after
the year 9999, and the infinite ones.
"""

from datetime import date

from domain.days import UNBOUNDED_END, UNBOUNDED_START

FIRST, LAST = date.min.toordinal(), date.max.toordinal()


def ordinal(column: str) -> str:
    """Returns SQL for the ordinal of a date. It can be outside of Python's calendar or infinite; null remains null."""
    return (
        f"CASE WHEN isfinite({column}) THEN {column} - DATE '0001-01-01' + 1"
        f" WHEN {column} = 'infinity' THEN {UNBOUNDED_END} WHEN {column} = '-infinity' THEN {UNBOUNDED_START} END"
    )


def date_of(day: int | None) -> date | None:
    """Returns the date of an ordinal; None for one outside of the calendar."""
    return None if day is None or not FIRST <= day <= LAST else date.fromordinal(day)


def row_days(first: int | None, last: int | None) -> tuple[date | None, date | None]:
    """Returns the first and last day of a row, given as ordinals.

    The first day is None if it is missing or infinite, or after the year 9999, where nothing is ever covered. The last
    day is None if it is missing, infinite or 9999-12-31 or later. Earlier days than 0001-01-01 are moved to it. A row
    that ends before it starts keeps doing so, by one day or by more.
    """
    last_on = None if last is None or last >= LAST else date.fromordinal(max(last, FIRST))
    if first is None or first == UNBOUNDED_START or first > LAST:
        return None, last_on
    if last is not None and last < FIRST:
        return date.fromordinal(FIRST + min(max(first - last, 0), 2)), last_on
    return date.fromordinal(max(first, FIRST)), last_on


def contract_days(first: int, last: int | None) -> tuple[date, date | None]:
    """Returns the first and last day of a contract, given as ordinals.

    A contract without days gets the single day 0001-01-01, on which nobody is enrolled.
    """
    if first > LAST or (last is not None and last < max(first, FIRST)):
        return date.min, date.min
    return date.fromordinal(max(first, FIRST)), None if last is None or last >= LAST else date.fromordinal(last)
