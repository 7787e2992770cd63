"""The facts about a member as lines of a timeline."""

from collections.abc import Iterable
from datetime import date
from itertools import groupby

from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_client.dates import span_from_proto
from affilia_views.facts import Fact
from affilia_views.lanes import Lane, words_of
from affilia_views.svg_style import NUM_COLORS
from affilia_views.timeline import LAST_YEAR, Span, Window, window_around
from affilia_views.words import fact_name


def fact_lanes(facts: Iterable[Fact]) -> list[Lane]:
    """Returns a line for each value of a fact that has days, under the name of the fact."""
    lanes: list[Lane] = []
    dated = [fact for fact in facts if fact.days is not None]
    for number, (name, values) in enumerate(groupby(dated, lambda fact: fact_name(fact.kind, fact.name))):
        heading = name
        for value, same in groupby(values, lambda fact: fact.value):
            spans = [_span(fact.days) for fact in same if fact.days is not None]
            lanes.append(Lane(heading, value, words_of(spans), spans, (), (), f"c{number % NUM_COLORS}", ""))
            heading = ""
    return lanes


def fact_window(lanes: Iterable[Lane], today: date) -> Window:
    """Returns a window around today that shows where values change, up to ten years back."""
    earliest = date(max(today.year - 10, 1), 1, 1)
    begins = [max(first, earliest) for lane in lanes for first, _ in lane.spans if first != date.min]
    ends = [last for lane in lanes for _, last in lane.spans if last and last >= earliest]
    return window_around(today, [(on, on) for on in (*begins, *ends)])


def _span(days: DateSpan) -> Span:
    first, last = span_from_proto(days)
    return first or date.min, None if last and last.year > LAST_YEAR else last
