"""What becomes of a request: violations, notices and consequences, as values.

`judging.py` computes them.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.days import NO_DAYS, Day, Days, Span
from domain.enrollment.decisions import Leave


class Verdict(StrEnum):
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class ViolationCode(StrEnum):
    RULE_NOT_SATISFIED = "RULE_NOT_SATISFIED"
    NOT_OFFERED = "NOT_OFFERED"
    BACKDATING_LIMIT = "BACKDATING_LIMIT"
    OUTSIDE_CONTRACT = "OUTSIDE_CONTRACT"
    MEMBERSHIP_TYPE_CONFLICT = "MEMBERSHIP_TYPE_CONFLICT"
    COMMITMENT_NOT_ELAPSED = "COMMITMENT_NOT_ELAPSED"
    CONSEQUENCES_NOT_ACCEPTED = "CONSEQUENCES_NOT_ACCEPTED"


class FactKind(StrEnum):
    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    ADDRESS = "ADDRESS"
    EMPLOYMENT = "EMPLOYMENT"
    SALARY = "SALARY"
    ATTRIBUTE = "ATTRIBUTE"


@dataclass(frozen=True, slots=True, order=True)
class MissingFact:
    """A fact that a rule needs and that is not known; `attribute_name` is empty but for ATTRIBUTE."""

    member_id: UUID
    kind: FactKind
    attribute_name: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule further down the chain: another enrollment that was asked for is not kept on that day, because of it.

    `code` is RULE_NOT_SATISFIED, with the rule's own code, or NOT_OFFERED.
    """

    code: ViolationCode
    rule_code: str
    member_id: UUID
    module_id: UUID
    on: Day
    message: str
    missing_facts: tuple[MissingFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """A reason for a rejection, or why days were not kept. Fields that do not apply to the code are empty or None.

    `rule_code` stands with RULE_NOT_SATISFIED, `earliest_last_on` with COMMITMENT_NOT_ELAPSED. `days` are all offending
    days, `on` is the first of them; `chain` is what the rule rests on that day, breadth first.
    """

    code: ViolationCode
    message: str
    rule_code: str = ""
    member_id: UUID | None = None
    module_id: UUID | None = None
    on: Day | None = None
    missing_facts: tuple[MissingFact, ...] = ()
    earliest_last_on: date | None = None
    days: Days = NO_DAYS
    chain: tuple[Cause, ...] = ()

    @property
    def order(self) -> tuple[str, str, str]:
        """Violations are told in order of code (a rule's own, where it is one), member and module."""
        return (self.rule_code or self.code, str(self.member_id or ""), str(self.module_id or ""))


@dataclass(frozen=True, slots=True)
class Notice:
    """Days that an open enroll asked for and will not have, with the rules that stand against the first of them."""

    member_id: UUID
    module_id: UUID
    days: Days
    reasons: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Consequence:
    """A run of days that somebody loses by a request."""

    member_id: UUID
    module_id: UUID
    days: Span

    def as_leave(self) -> Leave:
        return Leave(self.member_id, self.module_id, self.days)
