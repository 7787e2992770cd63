"""Members and their facts over spans of days.

A member's facts are a value: recording replaces all facts of one kind. Storage keeps who recorded them, and when.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import pairwise
from uuid import UUID

from domain.countries import is_country
from domain.currencies import is_currency
from domain.days import Span
from domain.errors import FieldViolation


class MemberKind(StrEnum):
    PERSON = "PERSON"
    PET = "PET"


class EmploymentStatus(StrEnum):
    ACTIVE = "ACTIVE"
    LEAVE = "LEAVE"
    SUSPENDED = "SUSPENDED"
    RETIRED = "RETIRED"


class HealthRegime(StrEnum):
    STANDARD = "STANDARD"
    ALSACE_MOSELLE = "ALSACE_MOSELLE"


class FactKind(StrEnum):
    """Kinds of facts. SALARY is part of EMPLOYMENT, but a rule can lack it alone."""

    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    DATE_OF_DEATH = "DATE_OF_DEATH"
    ADDRESS = "ADDRESS"
    EMPLOYMENT = "EMPLOYMENT"
    SALARY = "SALARY"
    ATTRIBUTE = "ATTRIBUTE"
    HEALTH_REGIME = "HEALTH_REGIME"
    """No rule depends on it, but prices can."""


@dataclass(frozen=True, slots=True)
class Address:
    days: Span
    country_code: str
    postal_code: str


@dataclass(frozen=True, slots=True)
class Salary:
    yearly_minor: int
    currency_code: str


@dataclass(frozen=True, slots=True)
class Employment:
    """A job with one employer, with unchanged status and salary."""

    days: Span
    employer_id: str
    status: EmploymentStatus
    salary: Salary | None


@dataclass(frozen=True, slots=True)
class HealthRegimeSpan:
    days: Span
    regime: HealthRegime


@dataclass(frozen=True, slots=True)
class Attribute:
    days: Span
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Birth:
    """The date of birth. None clears it."""

    born_on: date | None


@dataclass(frozen=True, slots=True)
class Death:
    """The date of death. None clears it."""

    died_on: date | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known about a member. Items of each kind are in order of time; an empty tuple means that nothing is
    known.
    """

    born_on: date | None = None
    addresses: tuple[Address, ...] = ()
    employments: tuple[Employment, ...] = ()
    health_regimes: tuple[HealthRegimeSpan, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    died_on: date | None = None
    erased_on: date | None = None
    """The day on which all facts were erased. If it is set, no other fact is."""


@dataclass(frozen=True, slots=True)
class Addresses:
    items: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Employments:
    items: tuple[Employment, ...]


@dataclass(frozen=True, slots=True)
class HealthRegimes:
    items: tuple[HealthRegimeSpan, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    items: tuple[Attribute, ...]


FactTimeline = Birth | Death | Addresses | Employments | HealthRegimes | Attributes
"""All facts of one kind."""


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """The id of a member in another system. Only one member has it."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Member:
    """A member with their facts. `identifiers` are ordered by system and value."""

    member_id: UUID
    kind: MemberKind
    display_name: str
    facts: Facts
    identifiers: tuple[Identifier, ...] = ()


def identifier_violations(identifiers: Sequence[Identifier]) -> list[FieldViolation]:
    """Returns the violations of a member's identifiers, which may be in any order."""
    violations: list[FieldViolation] = []
    first: dict[Identifier, int] = {}
    for i, identifier in enumerate(identifiers):
        path = f"identifiers[{i}]"
        for field, text in (("system", identifier.system), ("value", identifier.value)):
            if not text.isprintable() or text != text.strip():
                description = "must be printable characters without leading or trailing spaces"
                violations.append(FieldViolation(f"{path}.{field}", description))
        if identifier in first:
            violations.append(FieldViolation(path, f"must not be the same as identifiers[{first[identifier]}]"))
        first.setdefault(identifier, i)
    return violations


def with_facts(facts: Facts, timeline: FactTimeline) -> Facts:
    """Returns the facts after all facts of one kind have been replaced, in order of time."""
    match timeline:
        case Birth(born_on):
            return replace(facts, born_on=born_on)
        case Death(died_on):
            return replace(facts, died_on=died_on)
        case Addresses(addresses):
            return replace(facts, addresses=tuple(sorted(addresses, key=lambda a: a.days)))
        case Employments(employments):
            return replace(facts, employments=tuple(sorted(employments, key=lambda e: (e.days, e.employer_id))))
        case HealthRegimes(regimes):
            return replace(facts, health_regimes=tuple(sorted(regimes, key=lambda r: r.days)))
        case Attributes(attributes):
            return replace(facts, attributes=tuple(sorted(attributes, key=lambda a: (a.name, a.days))))


def timeline_violations(timeline: FactTimeline) -> list[FieldViolation]:
    """Returns the violations of facts of one kind: spans that share a day, per name or employer, and unknown codes."""
    match timeline:
        case Birth() | Death():
            return []
        case Addresses(addresses):
            return [
                *_shared_days("addresses", addresses, [""] * len(addresses)),
                *(
                    FieldViolation(
                        f"addresses.items[{i}].country_code",
                        f"must be an ISO 3166-1 alpha-2 country code, got {a.country_code}",
                    )
                    for i, a in enumerate(addresses)
                    if not is_country(a.country_code)
                ),
            ]
        case Employments(employments):
            return [
                *_shared_days("employments", employments, [e.employer_id for e in employments]),
                *_unknown_currencies(employments),
            ]
        case HealthRegimes(regimes):
            return list(_shared_days("health_regimes", regimes, [""] * len(regimes)))
        case Attributes(attributes):
            return list(_shared_days("attributes", attributes, [a.name for a in attributes]))


def _shared_days(
    kind: str,
    items: Sequence[Address | Employment | HealthRegimeSpan | Attribute],
    names: Sequence[str],
) -> Iterator[FieldViolation]:
    """Yields each item that starts before an earlier one with the same name ends."""
    in_order = sorted(range(len(items)), key=lambda i: (names[i], items[i].days))
    for earlier, later in pairwise(in_order):
        if names[earlier] == names[later] and items[later].days.start < items[earlier].days.end:
            yield FieldViolation(f"{kind}.items[{later}].days", f"must not share days with {kind}.items[{earlier}]")


def _unknown_currencies(employments: Iterable[Employment]) -> Iterator[FieldViolation]:
    for i, employment in enumerate(employments):
        if employment.salary and not is_currency(employment.salary.currency_code):
            yield FieldViolation(
                f"employments.items[{i}].salary.currency_code",
                f"must be an ISO 4217 currency code, got {employment.salary.currency_code}",
            )
