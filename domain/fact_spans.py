"""Updates of facts: all facts of one kind, or only those on some days.

With spans, facts on days that aren't in the update remain, so several systems can record different days, names or
employers of one kind without overwriting each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from domain.days import Days, Span
from domain.errors import FieldViolation
from domain.members import (
    Address,
    Addresses,
    Attribute,
    Attributes,
    Birth,
    Death,
    Employment,
    Employments,
    Facts,
    FactTimeline,
    HealthRegimes,
    HealthRegimeSpan,
    timeline_violations,
    with_facts,
)

MAX_ITEMS = 200
MAX_ATTRIBUTES = 500
"""Maximum numbers of attributes, and of items of any other kind. A request has the same limits."""

DatedFact = Address | Employment | HealthRegimeSpan | Attribute
T = TypeVar("T", Address, Employment, HealthRegimeSpan, Attribute)


@dataclass(frozen=True, slots=True)
class ClearedDays:
    """Days on which a fact is deleted. `name` is an attribute name or an employer id, and otherwise empty."""

    days: Span
    name: str = ""


@dataclass(frozen=True, slots=True)
class FactsUpdate:
    """Facts of one kind to record. With `spans`, they replace only their own days and `cleared`."""

    timeline: FactTimeline
    spans: bool = False
    cleared: tuple[ClearedDays, ...] = ()


def updated(facts: Facts, update: FactsUpdate) -> Facts:
    """Returns the facts after a valid update."""
    if update.spans:
        return with_spans(facts, update.timeline, update.cleared)
    return with_facts(facts, update.timeline)


def with_spans(facts: Facts, timeline: FactTimeline, cleared: Sequence[ClearedDays]) -> Facts:
    """Returns the facts after replacing the days of the given facts and deleting the cleared days.

    Adjacent days with equal values are joined for every attribute or employer in the update. Applying the same update
    again changes nothing.
    """
    match timeline:
        case Birth() | Death():
            raise ValueError("a date of birth or death has no days")
        case Addresses(given):
            return with_facts(facts, Addresses(_replaced(facts.addresses, given, cleared)))
        case Employments(given):
            return with_facts(facts, Employments(_replaced(facts.employments, given, cleared)))
        case HealthRegimes(given):
            return with_facts(facts, HealthRegimes(_replaced(facts.health_regimes, given, cleared)))
        case Attributes(given):
            return with_facts(facts, Attributes(_replaced(facts.attributes, given, cleared)))


def _replaced(recorded: Sequence[T], given: Sequence[T], cleared: Sequence[ClearedDays]) -> tuple[T, ...]:
    days: dict[str, list[Span]] = {}
    for item in given:
        days.setdefault(_name(item), []).append(item.days)
    for each in cleared:
        days.setdefault(each.name, []).append(each.days)
    touched = {name: Days.of(*spans) for name, spans in days.items()}
    others: list[T] = [item for item in recorded if _name(item) not in touched]
    remaining: list[T] = [
        replace(item, days=span)
        for item in recorded
        if _name(item) in touched
        for span in Days.of(item.days) - touched[_name(item)]
    ]
    return tuple(others + list(_joined(remaining + list(given))))


def _joined(items: Sequence[T]) -> Iterator[T]:
    """Yields the items, joining adjacent ones that have the same name and value."""
    run: T | None = None
    for item in sorted(items, key=lambda item: (_name(item), item.days)):
        if run is not None and run.days.end == item.days.start and replace(run, days=item.days) == item:
            run = replace(run, days=Span(run.days.start, item.days.end))
            continue
        if run is not None:
            yield run
        run = item
    if run is not None:
        yield run


def _name(item: DatedFact) -> str:
    """Returns what distinguishes facts of one kind: an employer id, an attribute name, or an empty string."""
    match item:
        case Employment(employer_id=employer_id):
            return employer_id
        case Attribute(name=name):
            return name
        case _:
            return ""


# ------------------------------------------------------------------------------------- violations


def update_violations(update: FactsUpdate) -> list[FieldViolation]:
    """Returns the violations of an update that don't depend on the recorded facts."""
    return [*timeline_violations(update.timeline), *_mode_violations(update)]


def _mode_violations(update: FactsUpdate) -> Iterator[FieldViolation]:
    if not update.spans:
        if update.cleared:
            yield FieldViolation("cleared", "must be empty without spans")
        return
    kind, items = _kind_and_items(update.timeline)
    if isinstance(update.timeline, Birth | Death):
        yield FieldViolation("spans", f"must not be set with {kind}, which has no days")
        return
    if not items and not update.cleared:
        yield FieldViolation(kind, "must have at least one item if cleared is empty")
    for i, each in enumerate(update.cleared):
        yield from _cleared_violations(f"cleared[{i}]", each, kind, items)


def _cleared_violations(
    path: str, cleared: ClearedDays, kind: str, items: Sequence[DatedFact]
) -> Iterator[FieldViolation]:
    if kind in ("employments", "attributes") and not cleared.name:
        yield FieldViolation(f"{path}.name", f"is required with {kind}")
    elif kind not in ("employments", "attributes") and cleared.name:
        yield FieldViolation(f"{path}.name", f"must be empty with {kind}")
    for j, item in enumerate(items):
        shares_days = item.days.start < cleared.days.end and cleared.days.start < item.days.end
        if shares_days and _name(item) == cleared.name:
            yield FieldViolation(f"{path}.days", f"must not share days with {kind}.items[{j}]")
            return


def size_violations(facts: Facts, update: FactsUpdate) -> list[FieldViolation]:
    """Returns a violation if the member would have too many facts of the updated kind."""
    kind, _ = _kind_and_items(update.timeline)
    counts = {
        "addresses": len(facts.addresses),
        "employments": len(facts.employments),
        "health_regimes": len(facts.health_regimes),
        "attributes": len(facts.attributes),
    }
    count, maximum = counts.get(kind, 0), MAX_ATTRIBUTES if kind == "attributes" else MAX_ITEMS
    if count <= maximum:
        return []
    description = f"would leave {count} items, and a member can have {maximum}; clear days that are no longer needed"
    return [FieldViolation(kind, description)]


def life_violations(facts: Facts, update: FactsUpdate) -> list[FieldViolation]:
    """Returns a violation if an update of the date of birth or death leaves a death before the birth."""
    if facts.born_on is None or facts.died_on is None or facts.born_on <= facts.died_on:
        return []
    match update.timeline:
        case Birth(born_on):
            description = f"must not be after the date of death, {facts.died_on}, got {born_on}"
            return [FieldViolation("birth.born_on", description)]
        case Death(died_on):
            description = f"must not be before the date of birth, {facts.born_on}, got {died_on}"
            return [FieldViolation("death.died_on", description)]
        case _:
            return []


def _kind_and_items(timeline: FactTimeline) -> tuple[str, Sequence[DatedFact]]:
    """Returns the name of a kind of fact, as used in requests, and its items."""
    match timeline:
        case Birth():
            return "birth", ()
        case Death():
            return "death", ()
        case Addresses(addresses):
            return "addresses", addresses
        case Employments(employments):
            return "employments", employments
        case HealthRegimes(regimes):
            return "health_regimes", regimes
        case Attributes(attributes):
            return "attributes", attributes
