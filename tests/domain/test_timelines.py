"""Timelines: against a dictionary from each single day to its value."""

import pytest
from hypothesis import given

from domain.days import Days, Span
from domain.timelines import PiecesOverlap, Timeline, cut, zip_timelines
from tests.support.strategies import WINDOW, days_sets, single_days, single_values, timelines


@given(timelines())
def test_a_timeline_is_a_function_of_the_day(timeline: Timeline[int]) -> None:
    values = single_values(timeline)
    assert {day: timeline.at(day) for day in WINDOW} == {day: values.get(day) for day in WINDOW}
    assert single_days(timeline.days) == values.keys()


@given(timelines())
def test_pieces_are_in_order_and_merged(timeline: Timeline[int]) -> None:
    for (earlier, value), (later, next_value) in zip(timeline.pieces, timeline.pieces[1:], strict=False):
        assert earlier.end <= later.start
        assert earlier.end < later.start or value != next_value


@given(timelines(), timelines())
def test_an_overlay_wins_where_it_has_a_value(under: Timeline[int], over: Timeline[int]) -> None:
    assert single_values(under.overlay(over)) == single_values(under) | single_values(over)


@given(timelines(), days_sets())
def test_clipping_keeps_the_values_of_some_days(timeline: Timeline[int], days: Days) -> None:
    kept = single_days(days)
    values = single_values(timeline)
    assert single_values(timeline.clip(days)) == {day: v for day, v in values.items() if day in kept}
    assert single_values(timeline.without(days)) == {day: v for day, v in values.items() if day not in kept}


@given(timelines())
def test_mapping_changes_every_value_and_merges_what_becomes_equal(timeline: Timeline[int]) -> None:
    halved = timeline.map(lambda value: value // 2)
    assert single_values(halved) == {day: v // 2 for day, v in single_values(timeline).items()}
    assert halved == Timeline.of(halved.pieces)


@given(timelines())
def test_days_where_are_those_whose_value_satisfies(timeline: Timeline[int]) -> None:
    wanted = {day for day, value in single_values(timeline).items() if value == 1}
    assert single_days(timeline.days_where(lambda value: value == 1)) == wanted


@given(timelines(), timelines())
def test_zipping_gives_both_values_of_every_day_that_has_one(a: Timeline[int], b: Timeline[int]) -> None:
    zipped = zip_timelines(a, b, lambda x, y: (x, y))
    ours, theirs = single_values(a), single_values(b)
    assert {day: zipped.at(day) for day in WINDOW if zipped.at(day)} == {
        day: (ours.get(day), theirs.get(day)) for day in WINDOW if day in ours or day in theirs
    }


@given(days_sets(), days_sets(), days_sets())
def test_cut_pieces_make_up_the_days_and_nothing_changes_within_one(days: Days, a: Days, b: Days) -> None:
    pieces = cut(days, [a, b])
    assert Days.of(*pieces) == days
    for piece in pieces:
        for each in (a, b):
            inside = each & Days.of(piece)
            assert not inside or inside == Days.of(piece)


def test_pieces_that_share_a_day_are_refused() -> None:
    with pytest.raises(PiecesOverlap):
        Timeline.of([(Span(1, 5), 1), (Span(4, 6), 1)])


def test_a_constant_holds_on_its_days() -> None:
    assert Timeline.constant("x", Days.of(Span(1, 3))).at(2) == "x"
    assert Timeline.constant("x", Days.of(Span(1, 3))).at(3) is None
