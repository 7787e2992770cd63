"""Terms: the plan years of a contract, from its term day to the day before the next one."""

from datetime import date
from functools import lru_cache
from uuid import UUID

from domain.catalog.contract import TermStart
from domain.days import Day, Span, to_date, to_day
from domain.identity import derived_id, derived_text


def term_of(start: TermStart, day: Day) -> Span:
    """Returns the term of a day. It is cut off at the ends of the calendar."""
    on = to_date(day)
    year = on.year if (on.month, on.day) >= (start.month, start.day) else on.year - 1
    return Span(_term_day(start, year), _term_day(start, year + 1))


def _term_day(start: TermStart, year: int) -> Day:
    if year < date.min.year:
        return to_day(date.min)
    if year > date.max.year:
        return to_day(date.max) + 1
    return to_day(date(year, start.month, start.day))


@lru_cache(maxsize=1_000)
def term_id(group_id: UUID, term: Span) -> UUID:
    """Returns the id of a policy's term, which stays the same after a rebuild."""
    return derived_id(group_id, str(to_date(term.start)))


@lru_cache(maxsize=1_000)
def term_id_text(group_id: str, term_start: Day) -> str:
    """Returns the text of `term_id`, given the text of the policy's id."""
    return derived_text(group_id, str(to_date(term_start)))
