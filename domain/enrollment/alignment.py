"""Aligns the days of a condition with the calendar: from the first of a month, or until the end of a month or year."""

from collections.abc import Callable
from datetime import date

from domain.days import NO_DAYS, UNBOUNDED_END, UNBOUNDED_START, Day, Days, Span, age_reached, to_date, to_day
from domain.rules.conditions import Age, AgeEnd, CalendarEnd, CalendarStart


def aged(born_on: date, leaf: Age) -> Days:
    """Returns the days on which an age condition is true, from the date of birth on."""
    start = age_reached(born_on, leaf.min_years or 0)
    if leaf.min_years is not None:
        start = _begins(start, leaf.begins)
    end = UNBOUNDED_END if leaf.max_years is None else age_reached(born_on, leaf.max_years)
    match leaf.lasts_until:
        case AgeEnd.END_OF_MONTH:
            end = _shifted(end, _first_after_month)
        case AgeEnd.END_OF_YEAR:
            end = _shifted(end, lambda day: date(day.year + 1, 1, 1))
        case AgeEnd.BIRTHDAY:
            pass
    return Days.of(Span(start, end)) if start < end else NO_DAYS


def beginning(days: Days, begins: CalendarStart) -> Days:
    """Returns days whose runs begin as aligned. A run without a first of a month has no days left."""
    starts = ((_begins(span.start, begins), span.end) for span in days.spans)
    return Days.of(*(Span(start, end) for start, end in starts if start < end))


def lasting(days: Days, lasts_until: CalendarEnd) -> Days:
    """Returns days whose runs last as aligned: until the end of the month of their last day, or as they are."""
    if lasts_until is CalendarEnd.DAY:
        return days
    return Days.of(*(Span(span.start, _until_end_of_month(span.end)) for span in days.spans))


def _begins(start: Day, begins: CalendarStart) -> Day:
    match begins:
        case CalendarStart.FIRST_OF_MONTH:
            return _shifted(start, lambda day: day.replace(day=1))
        case CalendarStart.FIRST_OF_NEXT_MONTH:
            return _shifted(start, lambda day: day if day.day == 1 else _first_after_month(day))
        case CalendarStart.DAY:
            return start


def _until_end_of_month(end: Day) -> Day:
    return end if end == UNBOUNDED_END else _shifted(end - 1, _first_after_month)


def _shifted(day: Day, shift: Callable[[date], date]) -> Day:
    """Returns the day after a shift. A date after the calendar is unbounded, and unbounded days aren't shifted."""
    if day in (UNBOUNDED_START, UNBOUNDED_END):
        return day
    try:
        return to_day(shift(to_date(day)))
    except ValueError:
        return UNBOUNDED_END


def _first_after_month(day: date) -> date:
    """Returns the first of the month after a day. Raises ValueError in December 9999."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
