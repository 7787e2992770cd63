"""The command line's timelines, compared with sets of days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia_client.dates import span_to_proto
from affilia_views.changes import Change, changes_of, common, span_in_words, without
from affilia_views.timeline import Row, Span, Window, axis, bar, days_in_words, rows_of, window_around

FIRST = date(2026, 1, 1)
NUM_DAYS = 40


def spans_of(days: set[int], *, is_open: bool) -> tuple[Span, ...]:
    """Returns the spans of days after FIRST. The last one is open-ended if it includes the last day and `is_open`."""
    found: list[tuple[int, int]] = []
    for day in sorted(days):
        if found and found[-1][1] == day - 1:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return tuple(
        (FIRST + timedelta(first), None if is_open and last == NUM_DAYS - 1 else FIRST + timedelta(last))
        for first, last in found
    )


def days_of(spans: "list[Span] | tuple[Span, ...]") -> set[int]:
    return {
        day
        for first, last in spans
        for day in range((first - FIRST).days, NUM_DAYS if last is None else (last - FIRST).days + 1)
    }


DAYS = st.sets(st.integers(0, NUM_DAYS - 1))
SPANS = st.builds(lambda days, is_open: spans_of(days, is_open=is_open), DAYS, st.booleans())


@given(SPANS, SPANS)
def test_differences_and_common_days_are_those_of_sets(some: tuple[Span, ...], others: tuple[Span, ...]) -> None:
    left, shared = without(some, others), common(some, others)
    # An open-ended span minus one that ends on the last day of the model leaves days beyond the model.
    assert days_of([span for span in left if (span[0] - FIRST).days < NUM_DAYS]) == days_of(some) - days_of(others)
    assert days_of(shared) == days_of(some) & days_of(others)


@given(st.lists(st.tuples(SPANS, SPANS), min_size=3, max_size=3))
def test_changes_account_for_every_day_once(states: list[tuple[tuple[Span, ...], tuple[Span, ...]]]) -> None:
    rows = [Row("ada", module, after, before) for module, (before, after) in zip("abc", states, strict=True)]
    changes = changes_of(rows, {"a": "base", "b": "base"})
    for row in rows:
        before, after = row.before or (), row.spans
        lost = [each.days for each in changes if each.lost_module_id == row.module_id]
        gained = [each.days for each in changes if each.gained_module_id == row.module_id]
        within = [span for span in lost if (span[0] - FIRST).days < NUM_DAYS]
        if row.module_id == "c":  # days of a and b can overlap here, which a server prevents within a slot
            assert days_of(within) == days_of(before) - days_of(after)
            assert sum(len(days_of([span])) for span in within) == len(days_of(within))
            assert days_of([span for span in gained if (span[0] - FIRST).days < NUM_DAYS]) == days_of(after) - days_of(
                before
            )
    moves = {(each.lost_module_id, each.gained_module_id) for each in changes if each.lost_module_id != ""}
    assert moves <= {("a", ""), ("b", ""), ("c", ""), ("a", "b"), ("b", "a")}


def test_a_switch_within_a_slot_is_a_move_and_what_remains_is_lost_or_gained() -> None:
    rows = [
        Row("ada", "old", ((FIRST, date(2026, 3, 31)),), ((FIRST, None),)),
        Row("ada", "new", ((date(2026, 4, 1), date(2026, 12, 31)),), ()),
        Row("ada", "extra", ((date(2026, 4, 1), None),), ()),
    ]
    assert changes_of(rows, {"old": "base", "new": "base"}) == [
        Change("ada", "old", "new", (date(2026, 4, 1), date(2026, 12, 31))),
        Change("ada", "", "extra", (date(2026, 4, 1), None)),
        Change("ada", "old", "", (date(2027, 1, 1), None)),
    ]


@given(st.dates(), st.lists(st.tuples(st.dates(), st.none() | st.dates()), max_size=4), st.integers(16, 200))
def test_a_window_shows_today_and_every_change_and_fits_its_width(today: date, changed: list[Span], width: int) -> None:
    window = window_around(today, changed)
    for on in (today, *(on for span in changed for on in span if on and on != date.min)):
        assert window.first_on <= on <= window.last_on
    assert len(axis(window, width)) <= width
    assert len(bar([(today, None)], window, width)) == width


@given(SPANS)
def test_bars_with_one_character_a_day_show_each_day(spans: tuple[Span, ...]) -> None:
    drawn = bar(spans, Window(FIRST, FIRST + timedelta(NUM_DAYS - 1)), NUM_DAYS)
    assert {n for n, cell in enumerate(drawn) if cell in "█▶"} == days_of(spans)
    assert drawn.endswith("▶") == any(last is None for _, last in spans)


@pytest.mark.parametrize(
    ("spans", "words"),
    [
        ((), ["not enrolled"]),
        (((FIRST, None),), ["open-ended"]),
        (((FIRST, date(2026, 3, 31)),), ["until 2026-03-31"]),
        (
            ((FIRST, date(2026, 3, 31)), (date(2026, 5, 1), None)),
            ["until 2026-03-31", "from 2026-05-01", "open-ended"],
        ),
    ],
)
def test_last_days_are_said_in_words(spans: tuple[Span, ...], words: list[str]) -> None:
    assert days_in_words(spans) == words


def test_spans_are_said_in_words() -> None:
    assert span_in_words((FIRST, None)) == "from 2026-01-01 on"
    assert span_in_words((date.min, FIRST)) == "until 2026-01-01"
    assert span_in_words((FIRST, date(2026, 3, 31))) == "from 2026-01-01 to 2026-03-31"


def period(member_id: str, module_id: str, first_on: date, last_on: date | None) -> EnrollmentPeriod:
    return EnrollmentPeriod(member_id=member_id, module_id=module_id, days=span_to_proto(first_on, last_on))


def test_rows_include_what_only_the_earlier_state_has() -> None:
    after = [period("bo", "base", FIRST, date(9999, 12, 31)), period("ada", "base", FIRST, None)]
    before = [period("ada", "base", FIRST, None), period("ada", "extra", date(2025, 1, 1), FIRST)]
    assert rows_of(after, ["ada", "bo"], before) == [
        Row("ada", "extra", (), ((date(2025, 1, 1), FIRST),)),
        Row("ada", "base", ((FIRST, None),), ((FIRST, None),)),
        Row("bo", "base", ((FIRST, None),), ()),
    ]
    assert [row.before for row in rows_of(after, ["ada", "bo"])] == [None, None]
