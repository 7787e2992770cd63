"""The condition language: what a rule demands.

`domain/enrollment/holding.py` computes the days on which conditions hold; `domain/publishing/rule_checks.py` checks
which conditions a contract can use.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.members import EmploymentStatus
from domain.membership import MembershipType


class Subject(StrEnum):
    """The members whose facts or enrollments a leaf is about."""

    SELF = "SELF"
    PRIMARY = "PRIMARY"
    ANY_MEMBER = "ANY_MEMBER"
    EVERY_MEMBER = "EVERY_MEMBER"


@dataclass(frozen=True, slots=True)
class AllOf:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    condition: "Condition"


class AgeEnd(StrEnum):
    """Until when an age condition is true in the year in which the subject reaches the maximum."""

    BIRTHDAY = "BIRTHDAY"
    """Until the day before the birthday."""
    END_OF_MONTH = "END_OF_MONTH"
    """Until the last day of the month of the birthday."""
    END_OF_YEAR = "END_OF_YEAR"
    """Until the last day of the year of the birthday."""


class CalendarEnd(StrEnum):
    """Until when a condition is true that was true on some day of a month."""

    DAY = "DAY"
    END_OF_MONTH = "END_OF_MONTH"


class CalendarStart(StrEnum):
    """From when a condition is true whose fact becomes true on some day."""

    DAY = "DAY"
    FIRST_OF_MONTH = "FIRST_OF_MONTH"
    """From the first day of the month of that day."""
    FIRST_OF_NEXT_MONTH = "FIRST_OF_NEXT_MONTH"
    """From the first day of a month on or after that day."""


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years in [min_years, max_years). `begins` is about the minimum, `lasts_until` about the maximum."""

    subject: Subject
    min_years: int | None
    max_years: int | None
    lasts_until: AgeEnd = AgeEnd.BIRTHDAY
    begins: CalendarStart = CalendarStart.DAY


@dataclass(frozen=True, slots=True)
class SalaryRange:
    """Yearly salary in [min_minor, max_minor), in the contract's currency."""

    subject: Subject
    min_minor: int | None
    max_minor: int | None
    same_sponsor: bool
    lasts_until: CalendarEnd = CalendarEnd.DAY


@dataclass(frozen=True, slots=True)
class Employed:
    """An employment with one of the statuses; with any status if the list is empty."""

    subject: Subject
    statuses: tuple[EmploymentStatus, ...]
    same_sponsor: bool
    lasts_until: CalendarEnd = CalendarEnd.DAY


@dataclass(frozen=True, slots=True)
class Tenure:
    """An unbroken employment with one employer that began at least `min_days` ago."""

    subject: Subject
    min_days: int
    same_sponsor: bool
    begins: CalendarStart = CalendarStart.DAY


@dataclass(frozen=True, slots=True)
class Residence:
    """An address that matches each list; an empty list matches every address."""

    subject: Subject
    country_codes: tuple[str, ...]
    postal_prefixes: tuple[str, ...]
    lasts_until: CalendarEnd = CalendarEnd.DAY


@dataclass(frozen=True, slots=True)
class HasAttribute:
    subject: Subject
    name: str
    values: tuple[str, ...]
    lasts_until: CalendarEnd = CalendarEnd.DAY


@dataclass(frozen=True, slots=True)
class Alive:
    """From the date of birth (unknown: always) to the date of death, both included. SELF or PRIMARY only."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class EnrolledOn:
    """Enrolled in the same group on one of the modules; on any module if the list is empty."""

    subject: Subject
    module_ids: tuple[UUID, ...]


FactLeaf = Age | SalaryRange | Employed | Tenure | Residence | HasAttribute | Alive
Leaf = FactLeaf | EnrolledOn
Condition = AllOf | AnyOf | Negation | Leaf


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition with a code. If `applies_to` is empty, it applies to every membership type."""

    code: str
    description: str
    applies_to: tuple[MembershipType, ...]
    condition: Condition

    def concerns(self, membership_type: MembershipType) -> bool:
        return not self.applies_to or membership_type in self.applies_to


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Yields the leaves of a condition from left to right."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Negation(inner):
            yield from leaves(inner)
        case leaf:
            yield leaf
