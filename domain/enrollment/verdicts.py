"""The outcome of a request: violations, notices and consequences.

`judging.py` computes them.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.days import NO_DAYS, Day, Days, Span
from domain.enrollment.decisions import Leave
from domain.members import FactKind


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


@dataclass(frozen=True, slots=True, order=True)
class MissingFact:
    """A fact that a rule needs and that isn't known. `attribute_name` is set for ATTRIBUTE only."""

    member_id: UUID
    kind: FactKind
    attribute_name: str = ""

    @property
    def in_words(self) -> str:
        """The kind of fact and, for an attribute, its name."""
        return f"{self.kind.lower().replace('_', ' ')} {self.attribute_name}".rstrip()


@dataclass(frozen=True, slots=True)
class Cause:
    """A rule further down the chain: because of it, another enrollment was refused on that day.

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
    """A reason for a rejection, or for days that weren't kept. Fields that don't apply to the code are empty or None.

    `rule_code` is set for RULE_NOT_SATISFIED, `earliest_last_on` for COMMITMENT_NOT_ELAPSED. `days` are all offending
    days, and `on` is the first of them. `chain` is what the rule depends on that day, breadth first. If `is_shortened`,
    `chain` or a list of missing facts is incomplete (`bounds.py`).
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
    is_shortened: bool = False

    @property
    def order(self) -> tuple[str, str, str]:
        """The sort key: code (a rule's own code, if there is one), member and module."""
        return (self.rule_code or self.code, str(self.member_id or ""), str(self.module_id or ""))


@dataclass(frozen=True, slots=True)
class Notice:
    """Requested days on which an open enroll isn't in effect, with the rules that the first of them would break."""

    member_id: UUID
    module_id: UUID
    days: Days
    reasons: tuple[Violation, ...]
    reasons_omitted: int = 0


@dataclass(frozen=True, slots=True)
class Consequence:
    """A run of days that a member loses through a request."""

    member_id: UUID
    module_id: UUID
    days: Span

    def as_leave(self) -> Leave:
        return Leave(self.member_id, self.module_id, self.days)
