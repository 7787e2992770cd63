"""A family's periods as a picture: rows of members on modules along an axis of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia_client.dates import span_from_proto

FULL, BEGUN, BEGINS, WITHIN, NONE, ONWARDS = "█", "▌", "▐", "▒", "·", "▶"
LAST_YEAR = 9000
"""Whoever means for ever writes a day of the year 9999."""
MARGIN_DAYS = 31
HALF_YEAR_DAYS = 183


@dataclass(frozen=True, slots=True)
class Row:
    """One member on one module: spans of first and last day, in order; a last day of None has no end."""

    member: str
    module: str
    spans: tuple[tuple[date, date | None], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """The days that are shown, both included."""

    first_on: date
    last_on: date

    @property
    def num_days(self) -> int:
        return (self.last_on - self.first_on).days + 1

    def day_at(self, share: float) -> date:
        """The day at a place between 0 and 1."""
        return self.first_on + timedelta(days=min(self.num_days - 1, int(share * self.num_days)))

    def place_of(self, on: date) -> float:
        """Where a day begins, between 0 and 1; days outside are at the edge."""
        return min(1.0, max(0.0, (on - self.first_on).days / self.num_days))


def rows_of(periods: Iterable[EnrollmentPeriod], members: Sequence[str]) -> list[tuple[str, str, Row]]:
    """Member and module of each row, and the row, named by ids; members in the order given, modules by first day."""
    spans: dict[tuple[str, str], list[tuple[date, date | None]]] = {}
    for period in periods:
        first, last = span_from_proto(period.days)
        last = None if last and last.year > LAST_YEAR else last
        spans.setdefault((period.member_id, period.module_id), []).append((first or date.min, last))
    order = {member_id: place for place, member_id in enumerate(members)}
    keys = sorted(spans, key=lambda key: (order.get(key[0], len(order)), min(spans[key])[0], key))
    return [(member, module, Row(member, module, tuple(sorted(spans[member, module])))) for member, module in keys]


def window_of(rows: Iterable[Row], today: date) -> Window:
    """From before the first day to after the last one that is known, with today in it."""
    known = {today, *(on for row in rows for span in row.spans for on in span if on and on != date.min)}
    last = max(known)
    if any(end is None for row in rows for _, end in row.spans):
        last = max(last, today + timedelta(days=HALF_YEAR_DAYS))
    return Window(min(known) - timedelta(days=MARGIN_DAYS), last + timedelta(days=MARGIN_DAYS))


def bar(row: Row, window: Window, width: int) -> str:
    """A row's days as characters: full, the half in which they begin or end, some, none, or onwards."""
    cells = []
    for cell in range(width):
        first, after = window.day_at(cell / width), window.day_at((cell + 1) / width)
        last = window.last_on if cell == width - 1 else max(first, after - timedelta(days=1))
        cells.append(_cell(row, first, last))
    if any(end is None or end > window.last_on for _, end in row.spans) and cells[-1] == FULL:
        cells[-1] = ONWARDS
    return "".join(cells)


def _cell(row: Row, first_on: date, last_on: date) -> str:
    """One character for a few days."""
    held = sum(max(0, (min(last or last_on, last_on) - max(first, first_on)).days + 1) for first, last in row.spans)
    if held == 0:
        return NONE
    if held == (last_on - first_on).days + 1:
        return FULL
    at_first, at_last = _holds(row, first_on), _holds(row, last_on)
    return WITHIN if at_first == at_last else BEGUN if at_first else BEGINS


def _holds(row: Row, on: date) -> bool:
    return any(first <= on and (last is None or on <= last) for first, last in row.spans)


def axis(window: Window, width: int) -> str:
    """The beginnings of years, or of quarters where there is room, each where its day is."""
    text = [" "] * (width + 8)
    free_from = 0
    for year in range(window.first_on.year, window.last_on.year + 1):
        for month in (1, 4, 7, 10) if window.num_days < 365 * width / 24 else (1,):
            on = date(year, month, 1)
            place = round(window.place_of(on) * width)
            if window.first_on <= on <= window.last_on and place >= free_from:
                label = f"|{on:%Y-%m}"
                text[place : place + len(label)] = label
                free_from = place + len(label) + 1
    return "".join(text).rstrip()


def svg(rows: Sequence[Row], window: Window, today: date, title: str) -> str:
    """The same as a drawing that stands alone, readable on light and on dark ground."""
    left, line, wide = 260, 26, 720
    high = 60 + line * len(rows)

    def x(on: date) -> float:
        return left + wide * window.place_of(on)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide + 20} {high}" font-family="sans-serif"'
        f' font-size="13" role="img"><title>{escape(title)}</title>',
        "<style>text{fill:#334}.axis{stroke:#8894a8;stroke-width:1}.bar{fill:#2f7ed8}.today{stroke:#d8432f}"
        "@media(prefers-color-scheme:dark){text{fill:#dde}}</style>",
    ]
    for year in range(window.first_on.year, window.last_on.year + 1):
        on = date(year, 1, 1)
        if window.first_on <= on <= window.last_on:
            parts.append(f'<line class="axis" x1="{x(on):.1f}" x2="{x(on):.1f}" y1="24" y2="{high - 16}"/>')
            parts.append(f'<text x="{x(on) + 3:.1f}" y="20">{year}</text>')
    for place, row in enumerate(rows):
        top = 34 + line * place
        label = row.module if place and rows[place - 1].member == row.member else f"{row.member}: {row.module}"
        parts.append(f'<text x="{left - 10}" y="{top + 13}" text-anchor="end">{escape(label)}</text>')
        for first, last in row.spans:
            if first > window.last_on or (last and last < window.first_on):
                continue
            begins, ends = x(first), x(last + timedelta(days=1)) if last else left + wide
            about = f"{row.member}, {row.module}: {first} to {last or 'open end'}"
            parts.append(
                f'<rect class="bar" x="{begins:.1f}" y="{top}" width="{max(1.0, ends - begins):.1f}" height="17">'
                f"<title>{escape(about)}</title></rect>"
            )
    if window.first_on <= today <= window.last_on:
        parts.append(f'<line class="today" x1="{x(today):.1f}" x2="{x(today):.1f}" y1="24" y2="{high - 16}"/>')
        parts.append(f'<text x="{x(today) + 3:.1f}" y="{high - 4}">{today}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
