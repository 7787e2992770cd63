"""Compares two states of a member's facts: the days on which each fact changed, with its value before and after."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise

from domain.days import Span
from domain.members import Address, Attribute, Employment, FactKind, Facts, HealthRegime, HealthRegimeSpan

ALWAYS = Span.between(None, None)

WITHOUT_DAYS = (FactKind.DATE_OF_BIRTH, FactKind.DATE_OF_DEATH)
"""The kinds of facts whose value is a date and that have no days."""

FactValue = date | Address | Employment | HealthRegime | str
"""The value of a fact on some days. The days of an address or an employment are `ALWAYS`."""


@dataclass(frozen=True, slots=True)
class FactName:
    """Identifies one fact of a member. `name` is an attribute name or an employer id, and otherwise empty."""

    kind: FactKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class FactChange:
    """A maximal run of days on which a fact changed from one value to another. None means unknown.

    `days` is None for a date of birth or death, which has no days.
    """

    fact: FactName
    days: Span | None
    before: FactValue | None
    after: FactValue | None


ValueSpans = Mapping[FactName, list[tuple[Span, FactValue]]]


def fact_changes(before: Facts, after: Facts) -> tuple[FactChange, ...]:
    """Returns all changes of facts, ordered by kind, name and first day."""
    changes = [
        FactChange(FactName(kind), None, date_of(before, kind), date_of(after, kind))
        for kind in WITHOUT_DAYS
        if date_of(before, kind) != date_of(after, kind)
    ]
    then, now = value_spans(before), value_spans(after)
    for fact in sorted(then.keys() | now.keys(), key=lambda fact: (list(FactKind).index(fact.kind), fact.name)):
        changes.extend(_changes(fact, then.get(fact, []), now.get(fact, [])))
    return tuple(changes)


def value_on(facts: Facts, fact: FactName, day: int) -> FactValue | None:
    """Returns the value of a fact on a day, or None if it is unknown."""
    if fact.kind in WITHOUT_DAYS:
        return date_of(facts, fact.kind)
    return _held(value_spans(facts).get(fact, []), day)


def date_of(facts: Facts, kind: FactKind) -> date | None:
    """Returns the date of birth or death; None if it is unknown, or for any other kind."""
    match kind:
        case FactKind.DATE_OF_BIRTH:
            return facts.born_on
        case FactKind.DATE_OF_DEATH:
            return facts.died_on
        case _:
            return None


def value_spans(facts: Facts) -> dict[FactName, list[tuple[Span, FactValue]]]:
    """Returns the values of all facts that have days, each ordered by days."""
    spans: dict[FactName, list[tuple[Span, FactValue]]] = {}
    for fact, days, value in _values((*facts.addresses, *facts.employments, *facts.health_regimes, *facts.attributes)):
        spans.setdefault(fact, []).append((days, value))
    return spans


def _values(
    items: Iterable[Address | Employment | HealthRegimeSpan | Attribute],
) -> Iterator[tuple[FactName, Span, FactValue]]:
    for item in items:
        match item:
            case Address():
                yield FactName(FactKind.ADDRESS), item.days, replace(item, days=ALWAYS)
            case Employment():
                yield FactName(FactKind.EMPLOYMENT, item.employer_id), item.days, replace(item, days=ALWAYS)
            case HealthRegimeSpan():
                yield FactName(FactKind.HEALTH_REGIME), item.days, item.regime
            case Attribute():
                yield FactName(FactKind.ATTRIBUTE, item.name), item.days, item.value


def _changes(
    fact: FactName, before: list[tuple[Span, FactValue]], after: list[tuple[Span, FactValue]]
) -> Iterator[FactChange]:
    """Yields the changes of one fact. Adjacent days with the same values before and after form one run."""
    bounds = sorted({bound for days, _ in (*before, *after) for bound in days})
    run: FactChange | None = None
    for start, end in pairwise(bounds):
        piece = FactChange(fact, Span(start, end), _held(before, start), _held(after, start))
        if run and run.days and (run.days.end, run.before, run.after) == (start, piece.before, piece.after):
            run = replace(run, days=Span(run.days.start, end))
            continue
        if run and run.before != run.after:
            yield run
        run = piece
    if run and run.before != run.after:
        yield run


def _held(spans: list[tuple[Span, FactValue]], day: int) -> FactValue | None:
    return next((value for days, value in spans if days.holds(day)), None)
