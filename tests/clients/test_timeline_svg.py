"""The drawing of timelines: complete, escaped, legible in both color schemes, and compact for large groups."""

from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia.catalog.v1.contract_pb2 import Contract, ContractVersion, Module
from affilia_views.changes import default_window
from affilia_views.lanes import MAX_LANES, counts_of, joined, lanes_of, module_colors
from affilia_views.names import Names
from affilia_views.svg_style import DARK, FILLS, LIGHT, STYLESHEET
from affilia_views.svg_text import width_of, wrapped
from affilia_views.timeline import Row, Span, Window
from affilia_views.timeline_svg import timeline_svg
from tests.support.given_names import Ids

TODAY = date(2026, 11, 29)
SVG = "{http://www.w3.org/2000/svg}"
OPEN: Span = (date(2025, 8, 1), None)
ENDS: Span = (date(2025, 8, 1), date(2027, 5, 19))


def drawn(rows: list[Row], names: Names | None = None) -> ElementTree.Element:
    lanes = lanes_of(rows, names or Ids(), {})
    return ElementTree.fromstring(timeline_svg(lanes, default_window(rows, TODAY), TODAY, "a family"))  # noqa: S314


def texts(image: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in image.iter(f"{SVG}text")]


def classes(image: ElementTree.Element) -> list[str]:
    return [each.get("class", "") for each in image.iter() if each.tag in (f"{SVG}path", f"{SVG}rect")]


def test_each_row_has_its_name_its_end_and_a_bar_in_the_color_of_its_module() -> None:
    image = drawn([Row("p", "base", (ENDS,)), Row("p", "option", (OPEN,)), Row("c", "base", (OPEN,))])
    assert [each for each in texts(image) if each in ("p", "c", "base", "option")] == [
        "p",
        "base",
        "option",
        "c",
        "base",
    ]
    assert [each for each in texts(image) if each in ("until 2027-05-19", "open-ended")] == [
        "until 2027-05-19", "open-ended", "open-ended",
    ]  # fmt: skip
    assert [each for each in classes(image) if each[0] == "c"] == ["c0", "c1", "c0"]
    description = image.find(f"{SVG}desc")
    assert description is not None
    assert description.text == "p, base: until 2027-05-19. p, option: open-ended. c, base: open-ended"


def test_lost_days_are_hollow_and_new_days_are_underlined() -> None:
    image = drawn([Row("p", "base", (ENDS,), (OPEN,)), Row("p", "plus", (OPEN,), ())])
    assert {"lost", "gained"} <= set(classes(image))
    assert {"no longer enrolled", "newly enrolled"} <= set(texts(image))
    unchanged = drawn([Row("p", "base", (ENDS,))])
    assert not {"lost", "gained"} & set(classes(unchanged))


HOSTILE = "</text><script>alert(1)</script>\x00\u202e\"'&"


@pytest.mark.parametrize("in_page", [False, True])
def test_texts_are_escaped_and_scripts_cannot_run(in_page: bool) -> None:
    rows = [Row("p", "m", (OPEN,))]
    lanes = lanes_of(rows, Ids(p=HOSTILE, m=HOSTILE), {})
    window = default_window(rows, TODAY)
    links = {"p": '/members/p?"><script>'}
    text = timeline_svg(lanes, window, TODAY, HOSTILE, links=links, in_page=in_page)
    image = ElementTree.fromstring(text)  # noqa: S314
    assert {each.tag.removeprefix(SVG) for each in image.iter()} <= {
        "svg", "title", "desc", "style", "rect", "line", "path", "text", "a",
    }  # fmt: skip
    shown = "</text><script>alert(1)</script>\ufffd\ufffd\"'&"
    assert "".join(wrapped(shown, 220)) in "".join(texts(image))
    assert not [name for each in image.iter() for name in each.attrib if name.startswith("on") or name == "style"]
    assert (f"{SVG}style" in {each.tag for each in image.iter()}) is not in_page


def test_a_large_group_has_one_line_for_each_member_with_a_count() -> None:
    rows = [Row(f"member {m}", f"module {n}", (OPEN if n else ENDS,)) for m in range(200) for n in range(20)]
    assert len(rows) > MAX_LANES
    image = drawn(rows)
    assert texts(image).count("20 modules, open-ended") == 200
    assert all(f"member {m}" in texts(image) for m in range(200))
    assert classes(image).count("all") == 200
    assert len(ElementTree.tostring(image)) < 200_000


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("background", ["panel", "band"])
def test_texts_and_bars_have_the_contrast_of_wcag_aa(scheme: dict[str, str], background: str) -> None:
    behind = scheme[background]
    for text in ("ink", "faint", "today"):
        assert contrast(scheme[text], behind) >= 4.5, text
    for bar in (name for name in scheme if name in {"lost", "all"} or name[0] == "c"):
        assert contrast(scheme[bar], behind) >= 3, bar
    for box in (name for name in scheme if name[0] == "s"):
        assert contrast(scheme["ink"], scheme[box]) >= 4.5, box


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    shares = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_both_schemes_have_all_colors_and_each_color_a_class() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert "@media(prefers-color-scheme:dark)" in STYLESHEET
    assert all(f".{name}{{" in FILLS for name in LIGHT if name[0] == "c")


def test_modules_keep_their_colors_when_versions_are_added() -> None:
    first = ContractVersion(modules=[Module(module_id=each) for each in "ab"])
    second = ContractVersion(modules=[Module(module_id=each) for each in "cba"])
    before, after = module_colors(Contract(versions=[first])), module_colors(Contract(versions=[first, second]))
    assert before == {"a": 0, "b": 1}
    assert after == {"a": 0, "b": 1, "c": 2}


@settings(deadline=None)
@given(st.text(), st.floats(20, 300))
def test_wrapped_texts_are_complete_and_fit(text: str, width: float) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(width_of(line) <= width or len(line) == 1 for line in lines)


DAYS = st.integers(0, 30)
FIRST = date(2026, 1, 1)
SPANS = st.lists(st.tuples(DAYS, st.none() | DAYS).filter(lambda each: each[1] is None or each[0] <= each[1]))


def spans_in(days: list[tuple[int, int | None]]) -> list[Span]:
    return [
        (FIRST + timedelta(first), None if last is None else FIRST + timedelta(last)) for first, last in days
    ]  # fmt: skip


@settings(deadline=None)
@given(SPANS)
def test_joined_spans_and_counts_agree_with_each_day(days: list[tuple[int, int | None]]) -> None:
    spans = spans_in(days)
    together, counts = joined(spans), counts_of(spans)
    for on in (FIRST + timedelta(n) for n in range(40)):
        including = sum(first <= on and (last is None or on <= last) for first, last in spans)
        assert any(first <= on and (last is None or on <= last) for first, last in together) == (including > 0)
        assert [0, *(count for first, count in counts if first <= on)][-1] == including
    assert all(last is not None and last + timedelta(1) < first for (_, last), (first, _) in pairwise(together))


def test_days_at_the_ends_of_the_calendar_are_drawn() -> None:
    spans: tuple[Span, ...] = ((date.min, date(2, 1, 1)), (date(9000, 1, 1), date.max))
    for window in (Window(date.min, date.max), Window(TODAY, TODAY)):
        lanes = lanes_of([Row("p", "base", spans)], Ids(), {})
        ElementTree.fromstring(timeline_svg(lanes, window, TODAY, ""))  # noqa: S314
