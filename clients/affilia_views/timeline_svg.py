"""Draws a family's timeline as an SVG image, readable on light and dark backgrounds."""

from collections.abc import Iterator, Sequence
from datetime import date
from html import escape
from unicodedata import east_asian_width

from affilia_views.changes import DAY, span_in_words, without
from affilia_views.names import Names
from affilia_views.timeline import Row, Span, Window, days_in_words

LINE, BAR, TOP, BARS_WIDTH = 26, 17, 34, 720
CHARACTER = 7.5
"""Width of a character in a label, rounded up so that names are never cut off."""
STYLE = (
    "<style>text{fill:#334}.axis{stroke:#8894a8;stroke-width:1}.bar{fill:#2f7ed8}"
    ".lost{fill:none;stroke:#d8432f;stroke-dasharray:4 3}.today{stroke:#d8432f}"
    "@media(prefers-color-scheme:dark){text{fill:#dde}}</style>"
)


def columns(text: str) -> int:
    """Returns the width of a text in columns of a fixed-width font. East Asian characters take two."""
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)


def svg(rows: Sequence[Row], names: Names, window: Window, today: date, title: str) -> str:
    """Returns the rows as an SVG document. Days that a row no longer has are dashed."""
    labels = [f"{names.member(row.member_id)}: {names.module(row.module_id)}" for row in rows]
    words = [", ".join(days_in_words(row.spans)) for row in rows]
    left = 20 + CHARACTER * max(map(columns, labels), default=0)
    wide = left + BARS_WIDTH + 10 + CHARACTER * max(map(len, words), default=0)
    high = 60 + LINE * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high}" font-family="sans-serif"'
        f' font-size="13" role="img"><title>{escape(title)}</title>',
        STYLE,
        *_years(window, left, high),
    ]
    for index, (row, label, ends) in enumerate(zip(rows, labels, words, strict=True)):
        top = TOP + LINE * index
        parts.append(f'<text x="{left - 10:g}" y="{top + 13}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<text x="{left + BARS_WIDTH + 10:g}" y="{top + 13}">{escape(ends)}</text>')
        parts += _bars(without(row.before or (), row.spans), "lost", f"{label}, no longer", window, left, top)
        parts += _bars(row.spans, "bar", label, window, left, top)
    if window.first_on <= today <= window.last_on:
        x = left + BARS_WIDTH * window.share_of(today)
        parts.append(f'<line class="today" x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{high - 16}"/>')
        parts.append(f'<text x="{x + 3:.1f}" y="{high - 4}">today, {today}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _years(window: Window, left: float, high: int) -> Iterator[str]:
    for year in range(window.first_on.year, window.last_on.year + 1):
        on = date(year, 1, 1)
        if window.first_on <= on <= window.last_on:
            x = left + BARS_WIDTH * window.share_of(on)
            yield f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{high - 16}"/>'
            yield f'<text x="{x + 3:.1f}" y="20">{year}</text>'


def _bars(spans: Sequence[Span], style: str, label: str, window: Window, left: float, top: int) -> Iterator[str]:
    """Yields a bar for each span within the window, with an arrow if it continues beyond the last day shown."""
    for first, last in spans:
        if first > window.last_on or (last and last < window.first_on):
            continue
        continues = last is None or last >= window.last_on
        begins = left + BARS_WIDTH * window.share_of(first)
        ends = left + BARS_WIDTH * (window.share_of(last + DAY) if last and not continues else 1.0)
        about = escape(f"{label} {span_in_words((first, last))}")
        yield (
            f'<rect class="{style}" x="{begins:.1f}" y="{top}" width="{max(1.0, ends - begins):.1f}" height="{BAR}">'
            f"<title>{about}</title></rect>"
        )
        if continues and (last is None or last > window.last_on):
            tip = f"{ends:.1f},{top} {ends + 8:.1f},{top + BAR / 2:g} {ends:.1f},{top + BAR}"
            yield f'<polygon class="{style}" points="{tip}"/>'
