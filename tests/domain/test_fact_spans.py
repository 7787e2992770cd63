"""Updates of facts on some days, compared day by day with a dictionary of days."""

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.type.v1 import limits_pb2
from domain.days import UNBOUNDED_END, UNBOUNDED_START, Span
from domain.fact_changes import fact_changes, value_on, value_spans
from domain.fact_spans import (
    MAX_ATTRIBUTES,
    MAX_ITEMS,
    ClearedDays,
    FactsUpdate,
    life_violations,
    size_violations,
    update_violations,
    updated,
    with_spans,
)
from domain.members import (
    Address,
    Addresses,
    Attribute,
    Attributes,
    Birth,
    Death,
    Employment,
    Employments,
    EmploymentStatus,
    Facts,
    FactTimeline,
    HealthRegime,
    HealthRegimes,
    HealthRegimeSpan,
)
from tests.support.strategies import FIRST, LAST, WINDOW, spans

NAMES = ("a", "b")
VALUES = (0, 1)
KINDS = ("addresses", "employments", "health_regimes", "attributes")


def item(kind: str, days: Span, name: str, value: int) -> Any:
    match kind:
        case "addresses":
            return Address(days, "FR", str(value))
        case "employments":
            return Employment(days, name, list(EmploymentStatus)[value], None)
        case "health_regimes":
            return HealthRegimeSpan(days, list(HealthRegime)[value])
        case _:
            return Attribute(days, name, str(value))


def timeline(kind: str, items: list[Any]) -> FactTimeline:
    kinds: dict[str, Any] = {
        "addresses": Addresses,
        "employments": Employments,
        "health_regimes": HealthRegimes,
        "attributes": Attributes,
    }
    made: FactTimeline = kinds[kind](tuple(items))
    return made


def names_of(kind: str) -> tuple[str, ...]:
    return NAMES if kind in ("employments", "attributes") else ("",)


def some_names(kind: str) -> Any:
    return st.sampled_from(names_of(kind))


@st.composite
def disjoint_spans(draw: Any) -> list[Span]:
    bounds = sorted(draw(st.sets(st.integers(FIRST, LAST + 1), max_size=7)))
    bounds = [*draw(st.sampled_from(([], [UNBOUNDED_START]))), *bounds, *draw(st.sampled_from(([], [UNBOUNDED_END])))]
    return [Span(start, end) for start, end in itertools.pairwise(bounds) if draw(st.booleans())]


@st.composite
def items_of(draw: Any, kind: str) -> list[Any]:
    """Items without shared days per name. Adjacent ones can have equal values."""
    found = [
        item(kind, days, name, draw(st.sampled_from(VALUES)))
        for name in names_of(kind)
        for days in draw(disjoint_spans())
    ]
    return list(draw(st.permutations(found)))


@st.composite
def updates(draw: Any) -> tuple[Facts, FactsUpdate]:
    """Recorded facts, and a valid update with spans."""
    kind = draw(st.sampled_from(KINDS))
    facts = updated(Facts(), FactsUpdate(timeline(kind, draw(items_of(kind)))))
    given_items = draw(items_of(kind))
    cleared = draw(st.lists(st.builds(ClearedDays, spans(), some_names(kind)), max_size=3))
    update = FactsUpdate(timeline(kind, given_items), True, tuple(cleared))
    valid = [
        c for i, c in enumerate(cleared) if f"cleared[{i}].days" not in {v.field for v in update_violations(update)}
    ]
    return facts, replace(update, cleared=tuple(valid))


def by_day(facts: Facts) -> dict[tuple[Any, int], Any]:
    names = value_spans(facts)
    return {(name, day): value for name in names for day in WINDOW if (value := value_on(facts, name, day)) is not None}


@given(updates())
def test_days_of_an_update_are_replaced_and_all_others_stay(case: tuple[Facts, FactsUpdate]) -> None:
    facts, update = case
    expected, given_facts = by_day(facts), updated(Facts(), replace(update, spans=False))
    for (name, day), _ in list(expected.items()):
        if any(each.name == name.name and each.days.holds(day) for each in update.cleared):
            del expected[name, day]
    expected |= by_day(given_facts)
    assert by_day(updated(facts, update)) == expected


@given(updates())
def test_a_repeated_update_changes_nothing(case: tuple[Facts, FactsUpdate]) -> None:
    facts, update = case
    once = updated(facts, update)
    assert updated(once, update) == once
    assert fact_changes(once, updated(once, update)) == ()


@given(updates())
def test_the_result_could_have_been_recorded_without_spans(case: tuple[Facts, FactsUpdate]) -> None:
    facts, update = case
    after = updated(facts, update)
    for kind in KINDS:
        whole = FactsUpdate(timeline(kind, list(getattr(after, kind))))
        assert update_violations(whole) == []
        assert updated(after, whole) == after


@given(updates())
def test_names_of_an_update_have_no_adjacent_equal_spans_and_other_names_stay_as_they_are(
    case: tuple[Facts, FactsUpdate],
) -> None:
    facts, update = case
    after = updated(facts, update)
    touched = {name.name for name in value_spans(updated(Facts(), replace(update, spans=False)))}
    touched |= {each.name for each in update.cleared}
    before_spans, after_spans = value_spans(facts), value_spans(after)
    for name in before_spans.keys() | after_spans.keys():
        if name.name in touched:
            for (earlier, value), (later, next_value) in itertools.pairwise(after_spans.get(name, [])):
                assert earlier.end < later.start or value != next_value
        else:
            assert after_spans.get(name) == before_spans.get(name)


def test_two_systems_that_know_different_days_and_names_keep_each_others_facts() -> None:
    january, june = Span(FIRST, FIRST + 5), Span(FIRST + 5, LAST)
    facts = Facts()
    for name, days, value in (("level", january, "A"), ("role", january, "X"), ("level", june, "B")):
        facts = with_spans(facts, Attributes((Attribute(days, name, value),)), ())
    assert facts.attributes == (
        Attribute(january, "level", "A"),
        Attribute(june, "level", "B"),
        Attribute(january, "role", "X"),
    )


# ------------------------------------------------------------------------------------- violations

DAYS = Span(FIRST, LAST)
OF = ClearedDays(DAYS, "level")
LEVEL = Attributes((Attribute(DAYS, "level", "A"),))
HOME = Addresses((Address(DAYS, "FR", "1"),))


@pytest.mark.parametrize(
    ("update", "fields"),
    [
        (FactsUpdate(LEVEL, True), []),
        (FactsUpdate(LEVEL, True, (ClearedDays(Span(LAST, LAST + 1), "level"), ClearedDays(DAYS, "role"))), []),
        (FactsUpdate(Attributes(()), True, (OF, OF)), []),
        (FactsUpdate(LEVEL, False, (OF,)), ["cleared"]),
        (FactsUpdate(Birth(None), True), ["spans"]),
        (FactsUpdate(Birth(None), True, (OF,)), ["spans"]),
        (FactsUpdate(Death(None), True), ["spans"]),
        (FactsUpdate(Death(None), False, (OF,)), ["cleared"]),
        (FactsUpdate(Attributes(()), True), ["attributes"]),
        (FactsUpdate(Employments(()), True), ["employments"]),
        (FactsUpdate(LEVEL, True, (ClearedDays(DAYS, "role"), OF)), ["cleared[1].days"]),
        (FactsUpdate(HOME, True, (ClearedDays(DAYS),)), ["cleared[0].days"]),
        (FactsUpdate(HealthRegimes(()), True, (OF,)), ["cleared[0].name"]),
        (FactsUpdate(Employments(()), True, (ClearedDays(DAYS),)), ["cleared[0].name"]),
    ],
)
def test_violations_name_the_field(update: FactsUpdate, fields: list[str]) -> None:
    assert [violation.field for violation in update_violations(update)] == fields


def test_the_result_has_at_most_as_many_items_as_a_request() -> None:
    def numbered(first: int, count: int) -> tuple[Attribute, ...]:
        return tuple(Attribute(DAYS, str(n), "") for n in range(first, first + count))

    full = Facts(attributes=numbered(0, MAX_ATTRIBUTES))
    same, one_more = FactsUpdate(Attributes(numbered(0, 9)), True), FactsUpdate(Attributes(numbered(495, 6)), True)
    assert size_violations(updated(full, same), same) == []
    (violation,) = size_violations(updated(full, one_more), one_more)
    assert (violation.field, "501" in violation.description) == ("attributes", True)
    homes = tuple(Address(Span(n, n + 1), "FR", str(n)) for n in range(1, MAX_ITEMS + 1))
    split = FactsUpdate(HOME, True)
    assert size_violations(updated(Facts(addresses=homes), split), split) == []
    assert size_violations(Facts(addresses=(*homes, *homes)), split) != []


def test_the_limits_are_those_of_a_request() -> None:
    def max_items(message: Any, field: str) -> int:
        options = message.DESCRIPTOR.fields_by_name[field].GetOptions()
        found: int = options.Extensions[limits_pb2.limits].max_items
        return found

    kinds = (member_pb2.Addresses, member_pb2.Employments, member_pb2.HealthRegimes)
    assert {max_items(kind, "items") for kind in kinds} == {MAX_ITEMS}
    assert max_items(member_pb2.Attributes, "items") == MAX_ATTRIBUTES
    assert max_items(member_service_pb2.RecordFactsRequest, "cleared") == MAX_ITEMS


@pytest.mark.parametrize(
    ("timeline", "fields"),
    [
        (Death(date(1990, 1, 1)), ["death.died_on"]),
        (Death(date(1990, 1, 2)), []),
        (Death(None), []),
        (Birth(date(2026, 3, 2)), ["birth.born_on"]),
        (Birth(date(2026, 3, 1)), []),
        (Birth(None), []),
        (HOME, []),
    ],
)
def test_nobody_dies_before_they_are_born(timeline: FactTimeline, fields: list[str]) -> None:
    update = FactsUpdate(timeline)
    facts = updated(Facts(born_on=date(1990, 1, 2), died_on=date(2026, 3, 1)), update)
    assert [violation.field for violation in life_violations(facts, update)] == fields
