"""What people ask for: scoped changes, the requests that carry them, and the decisions that approved requests become.

Decisions are kept for ever and never edited. What they amount to is computed in `desired.py`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.days import Span
from domain.membership import MembershipType


class GroupKey(NamedTuple):
    """What a group is about: one primary under one contract."""

    contract_id: UUID
    primary_id: UUID


class EnrollmentKey(NamedTuple):
    """One member on one module, within a group. Sorts by member, then module."""

    member_id: UUID
    module_id: UUID


@dataclass(frozen=True, slots=True)
class Enroll:
    """Over the span, the module's slot holds this module for the member. The span has a first day."""

    member_id: UUID
    membership_type: MembershipType
    module_id: UUID
    days: Span


@dataclass(frozen=True, slots=True)
class Leave:
    """Over the span, the member is off the module, or off all (None). The span has a first day."""

    member_id: UUID
    module_id: UUID | None
    days: Span


Change = Enroll | Leave


@dataclass(frozen=True, slots=True)
class ScopedChange:
    """A change with the reason that came with it."""

    change: Change
    reason_code: str = ""
    note: str = ""


class RequesterRole(StrEnum):
    MEMBER = "MEMBER"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Requester:
    role: RequesterRole
    requester_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ChangeProposal:
    """A change request as it came in, before anything is decided. `expected_revision` 0: none yet; None: any."""

    key: GroupKey
    requester: Requester
    changes: tuple[ScopedChange, ...]
    overridden_rules: tuple[str, ...] = ()
    accept_consequences: bool = False
    expected_revision: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What an approved request says, for ever: its changes, the rules that it passes on their members, modules and
    days, and the leaves that record its accepted consequences. A request that is only judged has no id yet."""

    changes: tuple[Change, ...]
    overridden_rules: tuple[str, ...] = ()
    consequence_leaves: tuple[Leave, ...] = ()
    change_request_id: UUID | None = None
