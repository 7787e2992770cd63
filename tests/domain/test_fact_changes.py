"""Changes of facts cover exactly the days whose value changed, compared day by day."""

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.days import Span
from domain.fact_changes import FactChange, FactName, fact_changes, value_on, value_spans
from domain.members import (
    Attribute,
    Attributes,
    FactKind,
    Facts,
    HealthRegime,
    HealthRegimes,
    HealthRegimeSpan,
    with_facts,
)

FIRST, LAST = 10, 60
NAMES = ("role", "level")


@st.composite
def attribute_timelines(draw: Any) -> tuple[Attribute, ...]:
    """Attributes without shared days per name, some of them open."""
    found = []
    for name in NAMES:
        bounds = sorted(draw(st.sets(st.integers(FIRST, LAST), max_size=6)))
        for start, end in itertools.pairwise(bounds):
            if draw(st.booleans()):
                found.append(Attribute(Span(start, end), name, draw(st.sampled_from("ab"))))
    return tuple(found)


@st.composite
def facts(draw: Any) -> Facts:
    dates = st.none() | st.dates()
    known = with_facts(Facts(born_on=draw(dates), died_on=draw(dates)), Attributes(draw(attribute_timelines())))
    regimes = [HealthRegimeSpan(a.days, HealthRegime.STANDARD) for a in draw(attribute_timelines()) if a.name == "role"]
    return with_facts(known, HealthRegimes(tuple(regimes)))


@given(facts(), facts())
def test_changes_hold_exactly_the_days_whose_value_changed(before: Facts, after: Facts) -> None:
    changes = fact_changes(before, after)
    names = {*value_spans(before), *value_spans(after)}
    for name in names:
        by_day = {day: change for change in changes if change.fact == name for day in range(*(change.days or (0, 0)))}
        for day in range(FIRST - 1, LAST + 1):
            then, now = value_on(before, name, day), value_on(after, name, day)
            if then == now:
                assert day not in by_day
            else:
                assert (by_day[day].before, by_day[day].after) == (then, now)


@given(facts(), facts())
def test_runs_are_maximal_and_in_order(before: Facts, after: Facts) -> None:
    changes = [change for change in fact_changes(before, after) if change.days]
    for earlier, later in itertools.pairwise(changes):
        if earlier.fact == later.fact and earlier.days and later.days:
            assert earlier.days.end <= later.days.start
            is_adjacent = earlier.days.end == later.days.start
            assert not (is_adjacent and (earlier.before, earlier.after) == (later.before, later.after))


@given(facts())
def test_nothing_changes_between_equal_facts(known: Facts) -> None:
    assert fact_changes(known, known) == ()


def test_a_corrected_date_of_birth_is_one_change_without_days() -> None:
    before, after = Facts(born_on=date(2001, 3, 1)), Facts(born_on=date(2000, 3, 1))
    name = FactName(FactKind.DATE_OF_BIRTH)
    assert fact_changes(before, after) == (FactChange(name, None, date(2001, 3, 1), date(2000, 3, 1)),)
    assert fact_changes(before, replace(before, born_on=None)) == (FactChange(name, None, date(2001, 3, 1), None),)


def test_a_recorded_date_of_death_is_one_change_without_days() -> None:
    alive, dead = Facts(born_on=date(2001, 3, 1)), Facts(born_on=date(2001, 3, 1), died_on=date(2026, 3, 1))
    name = FactName(FactKind.DATE_OF_DEATH)
    assert fact_changes(alive, dead) == (FactChange(name, None, None, date(2026, 3, 1)),)
    assert fact_changes(dead, alive) == (FactChange(name, None, date(2026, 3, 1), None),)
    assert (value_on(dead, name, FIRST), value_on(alive, name, FIRST)) == (date(2026, 3, 1), None)
