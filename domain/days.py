"""Days, spans of days, and sets of days. Rules, coverage and premiums are all computed with them.

A day is its ordinal in the proleptic Gregorian calendar (`date.toordinal()`), so that all algebra is on integers. Spans
are half-open here. First and last days, both inclusive, only appear in texts and on the wire.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain
from typing import Final, NamedTuple

Day = int
"""An ordinal: 1 is 0001-01-01."""

UNBOUNDED_START: Final[Day] = -(2**31)
"""The start of a span without a first day. It is before every date."""

UNBOUNDED_END: Final[Day] = 2**31 - 1
"""The end of a span without a last day. It is after every date: a span that ends on 9999-12-31 has an earlier end."""


_FIRST_DAY, _LAST_DAY = date.min.toordinal(), date.max.toordinal()


class SpanEndsBeforeItBegins(ValueError):
    """A span's last day precedes its first day."""


class BeyondTheCalendar(ValueError):
    """A computed date is after 9999-12-31."""


def to_day(day: date) -> Day:
    """Returns the ordinal of a date."""
    return day.toordinal()


def to_date(day: Day) -> date:
    """Returns the date of an ordinal, which must not be unbounded."""
    return date.fromordinal(day)


class Span(NamedTuple):
    """Consecutive days, from `start` up to but not including `end`; never empty. Sorts by start, then end."""

    start: Day
    end: Day

    @classmethod
    def between(cls, first_on: date | None, last_on: date | None) -> "Span":
        """Returns the span from a first to a last day, both inclusive; None is unbounded. Raises
        SpanEndsBeforeItBegins.
        """
        start = UNBOUNDED_START if first_on is None else first_on.toordinal()
        end = UNBOUNDED_END if last_on is None else last_on.toordinal() + 1
        if end <= start:
            raise SpanEndsBeforeItBegins(f"{last_on} precedes {first_on}")
        return cls(start, end)

    @property
    def first_on(self) -> date | None:
        """The first day; None: unbounded."""
        return None if self.start == UNBOUNDED_START else date.fromordinal(self.start)

    @property
    def last_on(self) -> date | None:
        """The last day, inclusive; None: unbounded."""
        return None if self.end == UNBOUNDED_END else date.fromordinal(self.end - 1)

    def holds(self, day: Day) -> bool:
        """Returns whether the span contains a day."""
        return self.start <= day < self.end

    @property
    def num_days(self) -> int:
        """The number of days. Raises ValueError if the span is unbounded."""
        if self.start == UNBOUNDED_START or self.end == UNBOUNDED_END:
            raise ValueError(f"{self} is unbounded")
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.first_on or ''}..{self.last_on or ''}"


class Days:
    """An immutable set of days: sorted spans that neither overlap nor touch. Equal sets are equal values."""

    __slots__ = ("spans",)
    spans: tuple[Span, ...]

    def __init__(self, spans: tuple[Span, ...]) -> None:
        """Creates a set from spans that are already sorted and merged. Use `of` for any others."""
        self.spans = spans

    @classmethod
    def of(cls, *spans: Span) -> "Days":
        """Returns the set of the days of any spans, in any order, which can overlap."""
        if len(spans) == 1:
            return cls(spans)
        return cls(_merged(sorted(spans))) if spans else NO_DAYS

    @classmethod
    def of_day(cls, day: Day) -> "Days":
        """Returns the set with a single day."""
        return cls((Span(day, day + 1),))

    @classmethod
    def between(cls, first_on: date | None, last_on: date | None) -> "Days":
        """Returns the set of the days from a first to a last day, both inclusive. None: unbounded.

        Raises SpanEndsBeforeItBegins.
        """
        return cls((Span.between(first_on, last_on),))

    def __or__(self, other: "Days") -> "Days":
        if not self.spans:
            return other
        if not other.spans or self.spans == other.spans:
            return self
        if self.spans[-1].end < other.spans[0].start:
            return Days(self.spans + other.spans)
        return Days(_merged(sorted(self.spans + other.spans)))

    def __and__(self, other: "Days") -> "Days":
        mine, theirs = self.spans, other.spans
        if not mine or theirs == _EVERYTHING:
            return self
        if not theirs or mine == _EVERYTHING:
            return other
        common: list[Span] = []
        i = j = 0
        while i < len(mine) and j < len(theirs):
            start = max(mine[i][0], theirs[j][0])
            end = min(mine[i][1], theirs[j][1])
            if start < end:
                common.append(Span(start, end))
            if mine[i][1] < theirs[j][1]:
                i += 1
            else:
                j += 1
        return Days(tuple(common)) if common else NO_DAYS

    def __sub__(self, other: "Days") -> "Days":
        mine, theirs = self.spans, other.spans
        if not mine or not theirs:
            return self
        left: list[Span] = []
        j = 0
        for start, end in mine:
            at = start
            while j < len(theirs) and theirs[j][1] <= at:
                j += 1
            k = j
            while k < len(theirs) and theirs[k][0] < end:
                if at < theirs[k][0]:
                    left.append(Span(at, theirs[k][0]))
                at = theirs[k][1]
                k += 1
            if at < end:
                left.append(Span(at, end))
        # The remainder of an unbounded end can be outside the calendar, where there are no days.
        if left and left[-1][0] > _LAST_DAY:
            left.pop()
        if left and left[0][1] <= _FIRST_DAY:
            del left[0]
        return Days(tuple(left)) if left else NO_DAYS

    def __invert__(self) -> "Days":
        """Returns all other days; unbounded where these are not."""
        return ALL_DAYS - self

    def __le__(self, other: "Days") -> bool:
        """Returns whether the other set contains every day of this one."""
        return not self - other

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Days) and self.spans == other.spans

    def __hash__(self) -> int:
        return hash(self.spans)

    def __repr__(self) -> str:
        return f"Days({', '.join(map(str, self.spans))})"

    def run_holding(self, day: Day) -> Span | None:
        """Returns the span that contains a day; None if there is none."""
        return next((span for span in self.spans if span.start <= day < span.end), None)

    def holds(self, day: Day) -> bool:
        """Returns whether the set contains a day."""
        return self.run_holding(day) is not None

    @property
    def first(self) -> Day:
        """The first day, or UNBOUNDED_START. Raises ValueError if the set is empty."""
        return self.hull.start

    @property
    def last(self) -> Day:
        """The last day, inclusive, or UNBOUNDED_END. Raises ValueError if the set is empty."""
        end = self.hull.end
        return end if end == UNBOUNDED_END else end - 1

    @property
    def hull(self) -> Span:
        """The span from the first to the last day, without gaps. Raises ValueError if the set is empty."""
        if not self.spans:
            raise ValueError("an empty set has no first and last day")
        return Span(self.spans[0].start, self.spans[-1].end)


_EVERYTHING: Final = (Span(UNBOUNDED_START, UNBOUNDED_END),)
NO_DAYS: Final = Days(())
ALL_DAYS: Final = Days(_EVERYTHING)


def _merged(in_order: list[Span]) -> tuple[Span, ...]:
    """Returns sorted spans with those that overlap or touch merged."""
    merged: list[Span] = []
    start, end = in_order[0]
    for span in in_order[1:]:
        if span[0] > end:
            merged.append(Span(start, end))
            start, end = span
        elif span[1] > end:
            end = span[1]
    merged.append(Span(start, end))
    return tuple(merged)


def union(sets: Iterable[Days]) -> Days:
    """Returns the days that are in at least one set; no days without sets."""
    return Days.of(*chain.from_iterable(days.spans for days in sets))


def intersection(sets: Iterable[Days]) -> Days:
    """Returns the days that are in every set; all days without sets."""
    common = ALL_DAYS
    for days in sets:
        common &= days
    return common


def add_months(day: date, months: int) -> date:
    """Returns the same day of another month, or the last day of a shorter month. Raises BeyondTheCalendar."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if year > date.max.year:
        raise BeyondTheCalendar(f"{months} months after {day}")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def birthday_on(born_on: date, years: int) -> date:
    """Returns the day on which a person completes a number of years.

    For people born on 29 February, that is 1 March in common years. Raises BeyondTheCalendar.
    """
    year = born_on.year + years
    if year > date.max.year:
        raise BeyondTheCalendar(f"{years} years after {born_on}")
    try:
        return born_on.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def completed_years(born_on: date, on: date) -> int:
    """Returns the completed years on a day, at least 0."""
    return max(0, on.year - born_on.year - ((on.month, on.day) < (born_on.month, born_on.day)))


def age_reached(born_on: date, years: int) -> Day:
    """Returns the day on which a person completes a number of years; UNBOUNDED_END if it is beyond the calendar."""
    try:
        return birthday_on(born_on, years).toordinal()
    except BeyondTheCalendar:
        return UNBOUNDED_END
