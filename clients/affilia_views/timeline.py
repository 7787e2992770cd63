"""A family's enrollment periods as rows of characters along a time axis. Each row is one member in one module."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia_client.dates import span_from_proto
from affilia_views.names import Names
from affilia_views.server_names import ServerNames

FULL, ENDS, STARTS, PARTLY, EMPTY, CONTINUES = "█", "▌", "▐", "▒", "·", "▶"
LAST_YEAR = 9000
"""Later last days, such as 9999-12-31, mean that there is no end."""
AROUND_TODAY_DAYS = 548
"""Eighteen months."""
MARGIN_DAYS = 31

Span = tuple[date, date | None]
"""First and last day, both included. A last day of None means no end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One member in one module. Spans are disjoint and in order. `before` is set if two states are compared."""

    member_id: str
    module_id: str
    spans: tuple[Span, ...]
    before: tuple[Span, ...] | None = None

    @property
    def changed(self) -> bool:
        """Whether the spans differ from `before`."""
        return self.before is not None and self.before != self.spans


@dataclass(frozen=True, slots=True)
class Window:
    """The first and last day shown."""

    first_on: date
    last_on: date

    @property
    def num_days(self) -> int:
        return (self.last_on - self.first_on).days + 1

    def within_years(self, today: date, years: int) -> "Window":
        """Returns the part of the window that is at most so many years away from today."""
        first = date(max(today.year - years, 1), 1, 1)
        last = date(min(today.year + years, 9999), 12, 31)
        return Window(max(self.first_on, first), min(self.last_on, last))

    def day_at(self, share: float) -> date:
        """Returns the day at a share of the width, between 0 and 1."""
        return self.first_on + timedelta(days=min(self.num_days - 1, int(share * self.num_days)))

    def share_of(self, on: date) -> float:
        """Returns the share of the width at which a day starts, between 0 and 1. Days outside are moved to the edge."""
        return min(1.0, max(0.0, (on - self.first_on).days / self.num_days))


def rows_of_group(
    periods: Sequence[EnrollmentPeriod],
    primary_id: str,
    names: Names,
    before: Sequence[EnrollmentPeriod] | None = None,
) -> list[Row]:
    """Returns rows, compared with an earlier state if one is given. The primary comes first, then members by name."""
    others = {period.member_id for period in (*periods, *(before or ()))} - {primary_id}
    return rows_of(periods, [primary_id, *sorted(others, key=names.member)], before)


def rows_with_names(
    periods: Sequence[EnrollmentPeriod],
    primary_id: str,
    names: ServerNames,
    before: Sequence[EnrollmentPeriod] | None = None,
) -> list[Row]:
    """Returns rows, compared with an earlier state if one is given, and reads the names that they show."""
    both = [*periods, *(before or ())]
    names.load_modules(period.module_id for period in both)
    names.load_members(period.member_id for period in both)
    return rows_of_group(periods, primary_id, names, before)


def rows_of(
    periods: Iterable[EnrollmentPeriod],
    members: Sequence[str],
    before: Iterable[EnrollmentPeriod] | None = None,
) -> list[Row]:
    """Returns rows in the order of `members`, then by first day.

    `before` has the periods of an earlier state. If given, rows that only exist in that state are included.
    """
    spans, old_spans = _spans(periods), _spans(before or ())
    order = {member_id: index for index, member_id in enumerate(members)}

    def position(key: tuple[str, str]) -> tuple[int, date, tuple[str, str]]:
        first_on = min(span[0] for span in (*spans.get(key, ()), *old_spans.get(key, ())))
        return order.get(key[0], len(order)), first_on, key

    return [
        Row(*key, spans.get(key, ()), None if before is None else old_spans.get(key, ()))
        for key in sorted(spans.keys() | old_spans.keys(), key=position)
    ]


def _spans(periods: Iterable[EnrollmentPeriod]) -> dict[tuple[str, str], tuple[Span, ...]]:
    """Returns the spans of each member and module."""
    found: dict[tuple[str, str], list[Span]] = {}
    for period in periods:
        first, last = span_from_proto(period.days)
        last = None if last and last.year > LAST_YEAR else last
        found.setdefault((period.member_id, period.module_id), []).append((first or date.min, last))
    return {key: tuple(sorted(spans, key=lambda span: span[0])) for key, spans in found.items()}


def window_around(today: date, changed: Iterable[Span]) -> Window:
    """Returns a window of eighteen months before and after today that also includes the ends of all changed days."""
    ends = [on for span in changed for on in span if on and on != date.min]
    margin, around = timedelta(days=MARGIN_DAYS), timedelta(days=AROUND_TODAY_DAYS)
    first = min([_moved(today, -around), *(_moved(on, -margin) for on in ends)])
    return Window(first, max([_moved(today, around), *(_moved(on, margin) for on in ends)]))


def _moved(on: date, by: timedelta) -> date:
    """Returns a day moved by a margin, within the range of the calendar."""
    try:
        return on + by
    except OverflowError:
        return on


def bar(spans: Sequence[Span], window: Window, width: int) -> str:
    """Returns spans as characters that each stand for the same number of days."""
    cells = []
    for cell in range(width):
        first, after = window.day_at(cell / width), window.day_at((cell + 1) / width)
        last = window.last_on if cell == width - 1 else max(first, after - timedelta(days=1))
        cells.append(_cell(spans, first, last))
    if any(end is None or end > window.last_on for _, end in spans) and cells[-1] == FULL:
        cells[-1] = CONTINUES
    return "".join(cells)


def _cell(spans: Sequence[Span], first_on: date, last_on: date) -> str:
    """Returns the character for a few days."""
    enrolled = sum(max(0, (min(last or last_on, last_on) - max(first, first_on)).days + 1) for first, last in spans)
    if enrolled == 0:
        return EMPTY
    if enrolled == (last_on - first_on).days + 1:
        return FULL
    at_first, at_last = _includes(spans, first_on), _includes(spans, last_on)
    return PARTLY if at_first == at_last else ENDS if at_first else STARTS


def _includes(spans: Sequence[Span], on: date) -> bool:
    return any(first <= on and (last is None or on <= last) for first, last in spans)


def days_in_words(spans: Sequence[Span]) -> list[str]:
    """Returns when spans end and, after a gap, when the next one begins, such as `until 2026-12-31`."""
    words = []
    for index, (first, last) in enumerate(spans):
        if index:
            words.append(f"from {first}")
        words.append(f"until {last}" if last else "open-ended")
    return words or ["not enrolled"]


def axis(window: Window, width: int) -> str:
    """Returns an axis with a mark at the start of each year, or of each quarter if there is room."""
    text = [" "] * width
    free_from = 0
    for year in range(window.first_on.year, window.last_on.year + 1):
        for month in (1, 4, 7, 10) if window.num_days < 365 * width / 24 else (1,):
            on = date(year, month, 1)
            column, label = round(window.share_of(on) * width), f"|{year:04}-{month:02}"
            if window.first_on <= on <= window.last_on and free_from <= column <= width - len(label):
                text[column : column + len(label)] = label
                free_from = column + len(label) + 1
    return "".join(text).rstrip()
