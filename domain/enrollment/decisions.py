"""Change requests: the changes that people request, and the decisions that approved requests become.

Decisions are kept permanently and never edited. `desired.py` computes the days that they ask for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.days import Span
from domain.membership import MembershipType


class GroupKey(NamedTuple):
    """The identity of a group: one primary under one contract."""

    contract_id: UUID
    primary_id: UUID


class EnrollmentKey(NamedTuple):
    """One member on one module, within a group. Sorts by member, then module."""

    member_id: UUID
    module_id: UUID

    @property
    def order(self) -> tuple[int, int]:
        """A sort key that is fast for many keys: integers compare faster than UUIDs."""
        return self.member_id.int, self.module_id.int


@dataclass(frozen=True, slots=True)
class Enroll:
    """The member is on this module during the span, not on another one of its slot. The span has a first day."""

    member_id: UUID
    membership_type: MembershipType
    module_id: UUID
    days: Span


@dataclass(frozen=True, slots=True)
class Leave:
    """The member isn't on the module, or on any module if None, during the span. The span has a first day."""

    member_id: UUID
    module_id: UUID | None
    days: Span


@dataclass(frozen=True, slots=True)
class Revert:
    """An earlier request of the group doesn't count: neither its changes, nor its consequences, nor its overrides."""

    change_request_id: UUID


@dataclass(frozen=True, slots=True)
class CorrectMembershipType:
    """All decisions about the member are read with this type."""

    member_id: UUID
    membership_type: MembershipType


DaysChange = Enroll | Leave
"""A change of a member's days on modules."""

Change = DaysChange | Revert | CorrectMembershipType


def members_named(changes: Iterable[Change]) -> set[UUID]:
    """Returns the members whom changes name. A revert names nobody."""
    return {change.member_id for change in changes if not isinstance(change, Revert)}


@dataclass(frozen=True, slots=True)
class ScopedChange:
    """A change with its reason."""

    change: Change
    reason_code: str = ""
    note: str = ""


class RequesterRole(StrEnum):
    """Who requests changes. MIGRATION takes over the days of legacy tables (`domain/migration/aligning.py`)."""

    MEMBER = "MEMBER"
    ADMIN = "ADMIN"
    MIGRATION = "MIGRATION"


@dataclass(frozen=True, slots=True)
class Requester:
    role: RequesterRole
    requester_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangeProposal:
    """A change request before it is judged. `expected_revision` 0: the group must not exist yet; None: any revision.

    `accepted_leaves` are the consequences that are accepted individually if `accept_consequences` is false.
    """

    key: GroupKey
    requester: Requester
    changes: tuple[ScopedChange, ...]
    overridden_rules: tuple[str, ...] = ()
    accept_consequences: bool = False
    expected_revision: int | None = None
    accepted_leaves: tuple[Leave, ...] = ()

    @property
    def members(self) -> frozenset[UUID]:
        """The members whom the changes and the accepted consequences name."""
        return frozenset(members_named([*(scoped.change for scoped in self.changes), *self.accepted_leaves]))


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of an approved request: its changes, the rules that it overrides on the days of its enrolls, and the
    leaves that record its accepted consequences.

    It has no id while the request is being judged. `overridden_before` is set for requests of the role MIGRATION, and
    only for these: the rules are only overridden on days before it.
    """

    changes: tuple[Change, ...]
    overridden_rules: tuple[str, ...] = ()
    consequence_leaves: tuple[Leave, ...] = ()
    change_request_id: UUID | None = None
    overridden_before: date | None = None

    @property
    def days_changes(self) -> Iterator[DaysChange]:
        """The changes of days and then the leaves of the consequences, in order."""
        yield from (change for change in self.changes if isinstance(change, DaysChange))
        yield from self.consequence_leaves


def enrolled_members(decisions: Iterable[Decision]) -> set[UUID]:
    """Returns the members whom decisions enroll, as the decisions name them."""
    return {change.member_id for decision in decisions for change in decision.changes if isinstance(change, Enroll)}
