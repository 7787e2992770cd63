"""Members, and what is true of them over spans of days.

A member's facts are a value: recording replaces the timeline of one kind of fact. Who stores them, and since when
they are known, is left to storage.
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
    """Work for one employer on unchanged terms."""

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
    """The date of birth as a fact of its own; None clears it."""

    born_on: date | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known of a member. Each timeline is in order of time; an empty one says that nothing is known."""

    born_on: date | None = None
    addresses: tuple[Address, ...] = ()
    employments: tuple[Employment, ...] = ()
    health_regimes: tuple[HealthRegimeSpan, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    erased_on: date | None = None
    """When everything was erased; nothing else is known then."""


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


FactTimeline = Birth | Addresses | Employments | HealthRegimes | Attributes
"""The whole timeline of one kind of fact."""


@dataclass(frozen=True, slots=True)
class Member:
    member_id: UUID
    kind: MemberKind
    display_name: str
    facts: Facts


def with_facts(facts: Facts, timeline: FactTimeline) -> Facts:
    """What is known after the timeline of one kind of fact has been replaced, in order of time."""
    match timeline:
        case Birth(born_on):
            return replace(facts, born_on=born_on)
        case Addresses(addresses):
            return replace(facts, addresses=tuple(sorted(addresses, key=lambda a: a.days)))
        case Employments(employments):
            return replace(facts, employments=tuple(sorted(employments, key=lambda e: (e.days, e.employer_id))))
        case HealthRegimes(regimes):
            return replace(facts, health_regimes=tuple(sorted(regimes, key=lambda r: r.days)))
        case Attributes(attributes):
            return replace(facts, attributes=tuple(sorted(attributes, key=lambda a: (a.name, a.days))))


def timeline_violations(timeline: FactTimeline) -> list[FieldViolation]:
    """What is wrong with a timeline: spans of one kind (and name, or employer) that share a day, unknown codes."""
    match timeline:
        case Birth():
            return []
        case Addresses(addresses):
            return [
                *_shared_days("addresses", addresses, [""] * len(addresses)),
                *(
                    FieldViolation(f"addresses.items[{i}].country_code", f"{a.country_code} is not an ISO 3166 code")
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
    """Each item that begins before an earlier one of the same name ends, in order of time."""
    in_order = sorted(range(len(items)), key=lambda i: (names[i], items[i].days))
    for earlier, later in pairwise(in_order):
        if names[earlier] == names[later] and items[later].days.start < items[earlier].days.end:
            yield FieldViolation(f"{kind}.items[{later}].days", f"shares days with {kind}.items[{earlier}]")


def _unknown_currencies(employments: Iterable[Employment]) -> Iterator[FieldViolation]:
    for i, employment in enumerate(employments):
        if employment.salary and not is_currency(employment.salary.currency_code):
            yield FieldViolation(
                f"employments.items[{i}].salary.currency_code",
                f"{employment.salary.currency_code} is not an ISO 4217 code",
            )
