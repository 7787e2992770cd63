"""Hypothesis strategies for spans and sets of days in a small window, so that they often overlap."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.days import UNBOUNDED_END, UNBOUNDED_START, Days, Span

FIRST, LAST = 100, 120
"""The window. Unbounded ends are modelled by one day before it and one after."""

WINDOW = range(FIRST - 1, LAST + 2)


def spans() -> SearchStrategy[Span]:
    """Returns spans within the window, some with open ends."""
    starts = st.one_of(st.just(UNBOUNDED_START), st.integers(FIRST, LAST))
    lengths = st.one_of(st.none(), st.integers(1, LAST - FIRST))

    def span(start: int, length: int | None) -> Span:
        if length is None:
            return Span(start, UNBOUNDED_END)
        begin = FIRST if start == UNBOUNDED_START else start
        return Span(start, min(begin + length, LAST + 1))

    return st.builds(span, starts, lengths)


def days_sets() -> SearchStrategy[Days]:
    """Returns sets of days, often with no, one or many spans."""
    return st.lists(spans(), max_size=5).map(lambda some: Days.of(*some))


def single_days(days: Days) -> set[int]:
    """Returns the model of a set of days: its single days in the window."""
    return {day for day in WINDOW if any(span.start <= day < span.end for span in days.spans)}
