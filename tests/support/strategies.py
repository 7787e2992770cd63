"""Random days, timelines and amounts for Hypothesis, in a small window so that things meet."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.days import UNBOUNDED_END, UNBOUNDED_START, Days, Span
from domain.timelines import Timeline

FIRST, LAST = 100, 120
"""The window. Unbounded ends are modelled by one day before it and one after."""

WINDOW = range(FIRST - 1, LAST + 2)


def spans() -> SearchStrategy[Span]:
    """Spans within the window, some with open ends."""
    starts = st.one_of(st.just(UNBOUNDED_START), st.integers(FIRST, LAST))
    lengths = st.one_of(st.none(), st.integers(1, LAST - FIRST))

    def span(start: int, length: int | None) -> Span:
        if length is None:
            return Span(start, UNBOUNDED_END)
        begin = FIRST if start == UNBOUNDED_START else start
        return Span(start, min(begin + length, LAST + 1))

    return st.builds(span, starts, lengths)


def days_sets() -> SearchStrategy[Days]:
    """Sets of days, often none, one, or many runs."""
    return st.lists(spans(), max_size=5).map(lambda some: Days.of(*some))


def single_days(days: Days) -> set[int]:
    """The model of a set of days: its days in the window, one by one."""
    return {day for day in WINDOW if any(span.start <= day < span.end for span in days.spans)}


def timelines() -> SearchStrategy[Timeline[int]]:
    """Timelines of small numbers, with gaps."""
    pieces = st.lists(st.tuples(spans(), st.integers(0, 2)), max_size=5)

    def laid_over(some: list[tuple[Span, int]]) -> Timeline[int]:
        timeline: Timeline[int] = Timeline(())
        for span, value in some:
            timeline = timeline.overlay(Timeline.of([(span, value)]))
        return timeline

    return pieces.map(laid_over)


def single_values(timeline: Timeline[int]) -> dict[int, int]:
    """The model of a timeline: the value of each day in the window."""
    return {day: value for day in WINDOW for span, value in timeline.pieces if span.start <= day < span.end}
