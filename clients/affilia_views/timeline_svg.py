"""Draws a family's timeline as an SVG image, for light and dark backgrounds, without scripts."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from affilia_views.changes import DAY, span_in_words
from affilia_views.lanes import Lane
from affilia_views.svg_style import style_element
from affilia_views.svg_text import width_of, wrapped, xml_text
from affilia_views.timeline import Span, Window

MARGIN, TOP, LINE, BAR, GAP = 16, 46, 17, 15, 9
BARS_WIDTH, BARS_WIDTH_IN_PAGE = 600, 520
"""A page has less room beside its margins, and shrinks wider images with their texts."""
MAX_LABEL_WIDTH = 220
TIP = 9
"""Length of the arrow of a bar that continues, in pixels."""
MIN_MONTH_WIDTH = 3.5
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def timeline_svg(
    lanes: Sequence[Lane],
    window: Window,
    today: date,
    title: str,
    *,
    links: Mapping[str, str] | None = None,
    in_page: bool = False,
) -> str:
    """Returns lines of a timeline as SVG. Days that are no longer enrolled are hollow and dashed.

    `links` has addresses for the names of members, by member id. With `in_page`, the image has neither styles of its
    own nor a background; the page links STYLESHEET.
    """
    bars_width = BARS_WIDTH_IN_PAGE if in_page else BARS_WIDTH
    return _Timeline(lanes, window, today, links or {}, bars_width).document(title, in_page=in_page)


class _Timeline:
    """The layout of one timeline."""

    def __init__(
        self, lanes: Sequence[Lane], window: Window, today: date, links: Mapping[str, str], bars_width: int
    ) -> None:
        self._lanes, self._window, self._today, self._links = lanes, window, today, links
        self._bars_width = bars_width
        self._labels = [wrapped(lane.label, MAX_LABEL_WIDTH) for lane in lanes]
        widest = max((width_of(line) for lines in self._labels for line in lines), default=0.0)
        self._left = MARGIN + max(110.0, widest + 12) + 10
        self._right = self._left + self._bars_width + TIP + 8
        words = max((width_of(line) for lane in lanes for line in lane.words), default=0.0)
        headings = max((width_of(lane.heading) * 1.1 for lane in lanes), default=0.0)
        self._width = max(self._right + words, MARGIN + headings) + MARGIN
        self._has_changes = any(lane.lost or lane.gained for lane in lanes)
        self._has_counts = any(lane.counts for lane in lanes)

    def document(self, title: str, *, in_page: bool) -> str:
        body: list[str] = []
        bands: list[str] = []
        top = float(TOP)
        for number, (lane, label) in enumerate(zip(self._lanes, self._labels, strict=True)):
            height = LINE * max(len(label), len(lane.words)) + GAP
            heading = LINE + 8 if lane.heading else 0
            if number % 2 == 0:
                bands.append(
                    f'<rect class="band" x="0" y="{top + heading:g}" width="{self._width:g}" height="{height}"/>'
                )
            if lane.heading:
                body.append(self._linked(lane, _text(MARGIN, top + heading - 6, lane.heading, "heading")))
            body += self._lane(lane, label, top + heading)
            top += heading + height
        role = "group" if self._links else "img"  # the content of an image can't be reached with the keyboard
        foot = 56 if self._has_changes or self._has_counts else 30
        opening = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="affilia-drawing" width="{self._width:g}"'
            f' height="{top + foot:g}" viewBox="0 0 {self._width:g} {top + foot:g}" role="{role}"'
            f' aria-label="{xml_text(title)}">'
        )
        parts = [
            opening,
            f"<title>{xml_text(title)}</title>",
            f"<desc>{xml_text(self._description())}</desc>",
            *([] if in_page else [style_element(), '<rect class="panel" width="100%" height="100%"/>']),
            *bands,
            *self._axis(top),
            *body,
            *self._today_line(top),
            *self._legend(top + 43),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def _description(self) -> str:
        heading, sentences = "", []
        for lane in self._lanes:
            heading = "" if lane.is_whole_member else lane.heading or heading
            sentences.append(f"{heading}, {lane.about}" if heading else lane.about)
        return ". ".join(sentences)

    def _x(self, on: date) -> float:
        return self._left + self._bars_width * self._window.share_of(on)

    def _linked(self, lane: Lane, name: str) -> str:
        """Returns a member's name as a link, if there is one."""
        href = self._links.get(lane.member_id)
        return f'<a href="{xml_text(href)}">{name}</a>' if href else name

    def _lane(self, lane: Lane, label: Sequence[str], top: float) -> Iterator[str]:
        left = MARGIN if lane.is_whole_member else MARGIN + 12
        name = "".join(_text(left, top + 15 + LINE * n, line) for n, line in enumerate(label))
        yield self._linked(lane, name) if lane.is_whole_member else name
        for span in lane.lost:
            yield from self._bar(span, "lost", f"{lane.label}, no longer", top + 4)
        if lane.counts:
            yield from self._steps(lane, top + 4)
        for span in () if lane.counts else lane.spans:
            yield from self._bar(span, lane.color, lane.label, top + 4)
        for span in lane.gained:
            yield from self._underline(span, f"{lane.label}, new", top + 4 + BAR + 1)
        for n, line in enumerate(lane.words):
            yield _text(self._right, top + 15 + LINE * n, line)

    def _bar(self, span: Span, style: str, label: str, top: float) -> Iterator[str]:
        """Yields a bar, with an arrow if it continues beyond the last day shown. Nothing if it is outside."""
        shown = self._shown(span)
        if shown is None:
            return
        begins, ends, continues = shown
        outline = bar_path(begins, ends, top, continues=continues)
        yield f'<path class="{style}" d="{outline}">{_title(f"{label} {span_in_words(span)}")}</path>'

    def _steps(self, lane: Lane, top: float) -> Iterator[str]:
        """Yields an outline whose height is the number of modules in which the member is enrolled."""
        highest, bottom, number = max(count for _, count in lane.counts), top + BAR, 0
        points = [f"M{self._left:.1f},{bottom:g}"]
        for on, count in lane.counts:
            if on <= self._window.last_on:
                x = self._x(on)
                points.append(f"L{x:.1f},{bottom - BAR * number / highest:.1f}")
                points.append(f"L{x:.1f},{bottom - BAR * count / highest:.1f}")
                number = count
        end, height = self._left + self._bars_width, BAR * number / highest
        points.append(f"L{end:.1f},{bottom - height:.1f}")
        if number:
            points.append(f"L{end + TIP:.1f},{bottom - height / 2:.1f}")
        yield f'<path class="all" d="{" ".join(points)} L{end:.1f},{bottom:g} Z">{_title(lane.about)}</path>'

    def _underline(self, span: Span, label: str, top: float) -> Iterator[str]:
        shown = self._shown(span)
        if shown is None:
            return
        begins, ends, _ = shown
        about = _title(f"{label} {span_in_words(span)}")
        yield (
            f'<rect class="gained" x="{begins:.1f}" y="{top:g}" width="{ends - begins:.1f}" height="2">{about}</rect>'
        )

    def _shown(self, span: Span) -> tuple[float, float, bool] | None:
        """Returns where a span begins and ends, and whether it continues, or None if it is outside of the window."""
        first, last = span
        if first > self._window.last_on or (last and last < self._window.first_on):
            return None
        continues = last is None or last > self._window.last_on
        begins = self._x(first)
        ends = self._left + self._bars_width if continues or last is None else self._x(_day_after(last))
        return begins, max(begins + 1.5, ends), continues

    def _axis(self, bottom: float) -> Iterator[str]:
        """Yields years, quarters and ticks for months, as far as there is room."""
        month_width = self._bars_width * 30.4 / self._window.num_days
        free_from = 0.0
        for year in range(self._window.first_on.year, self._window.last_on.year + 1):
            for month in range(1, 13):
                on = date(year, month, 1)
                is_year, is_quarter = month == 1, month in (1, 4, 7, 10)
                if not self._window.first_on <= on <= self._window.last_on:
                    continue
                x = self._x(on)
                if (is_year and month_width * 12 > 4) or (is_quarter and month_width * 3 > 34):
                    yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom:g}"/>'
                if month_width >= MIN_MONTH_WIDTH:
                    length = 8 if is_quarter else 4
                    yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6 - length}" y2="{TOP - 6}"/>'
                if is_year and x >= free_from:
                    yield _text(x + 2, 18, str(year), "strong")
                    free_from = x + width_of("2026 ")
                if is_quarter and month_width * 3 > 34:
                    yield _text(x + 2, 32, MONTHS[month - 1], "small faint")
        end = self._left + self._bars_width
        yield f'<line class="tick" x1="{self._left:g}" x2="{end:g}" y1="{TOP - 6}" y2="{TOP - 6}"/>'

    def _today_line(self, bottom: float) -> Iterator[str]:
        if not self._window.first_on <= self._today <= self._window.last_on:
            return
        x, label = self._x(self._today), f"today, {self._today}"
        yield f'<line class="today" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom + 8:g}"/>'
        anchor = "end" if x + width_of(label) > self._width else "start"
        yield _text(x, bottom + 22, label, "today small", anchor=anchor)

    def _legend(self, top: float) -> Iterator[str]:
        """Yields what marks of changed days and heights mean, if there are any."""
        x = self._left
        if self._has_changes:
            yield f'<path class="lost" d="{bar_path(x, x + 28, top - 11, continues=False)}"/>'
            yield _text(x + 36, top, "no longer enrolled", "small")
            x += 60 + width_of("no longer enrolled")
            yield f'<path class="all" d="{bar_path(x, x + 28, top - 12, continues=False)}"/>'
            yield f'<rect class="gained" x="{x:.1f}" y="{top + 4:g}" width="28" height="2"/>'
            yield _text(x + 36, top, "newly enrolled", "small")
            x += 60 + width_of("newly enrolled")
        if self._has_counts:
            yield _text(x, top, "height: number of modules", "small faint")


def bar_path(begins: float, ends: float, top: float, *, continues: bool, height: float = BAR) -> str:
    """Returns the outline of a bar. One that continues ends in an arrow, which is beyond `ends`."""
    bottom = top + height
    tip = f"L{ends + TIP:.1f},{top + height / 2:g} " if continues else ""
    return f"M{begins:.1f},{top:g} L{ends:.1f},{top:g} {tip}L{ends:.1f},{bottom:g} L{begins:.1f},{bottom:g} Z"


def _title(text: str) -> str:
    return f"<title>{xml_text(text)}</title>"


def _text(x: float, y: float, text: str, style: str = "", *, anchor: str = "start") -> str:
    named = f' class="{style}"' if style else ""
    ends = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{named} x="{x:.1f}" y="{y:.1f}"{ends}>{xml_text(text)}</text>'


def _day_after(on: date) -> date:
    return on + DAY if on < date.max else on
