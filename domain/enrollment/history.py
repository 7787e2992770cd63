"""What a group leaves behind: the requests that were judged, and the revisions that they and recomputes made."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.enrollment.decisions import Decision, GroupKey, Leave, Requester, ScopedChange
from domain.enrollment.differences import PolicyEvent
from domain.enrollment.group import Period
from domain.enrollment.unmet import UnmetEnroll
from domain.enrollment.verdicts import Consequence, Notice, Verdict, Violation


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """What was asked for and what became of it. `revision` is the group's after the request."""

    change_request_id: UUID
    request_id: UUID
    group_id: UUID
    key: GroupKey
    requester: Requester
    changes: tuple[ScopedChange, ...]
    overridden_rules: tuple[str, ...]
    accept_consequences: bool
    verdict: Verdict
    violations: tuple[Violation, ...]
    notices: tuple[Notice, ...]
    consequences: tuple[Consequence, ...]
    revision: int
    made_revision: bool
    recorded_at: datetime

    def reason_for(self, member_id: UUID, module_id: UUID) -> tuple[str, str]:
        """Reason code and note of the last change about a member and module, or all of the member's modules; empty
        where there is none."""
        for scoped in reversed(self.changes):
            if scoped.change.member_id == member_id and scoped.change.module_id in (None, module_id):
                return scoped.reason_code, scoped.note
        return "", ""

    def decision(self) -> Decision:
        """What an approved request says for ever."""
        leaves = tuple(Leave(c.member_id, c.module_id, c.days) for c in self.consequences)
        changes = tuple(scoped.change for scoped in self.changes)
        return Decision(changes, self.overridden_rules, leaves, self.change_request_id)


@dataclass(frozen=True, slots=True)
class RevisionCause:
    """What made a revision: exactly one of the two."""

    change_request_id: UUID | None = None
    recompute_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DifferenceCause:
    """What changed an enrollment in one revision, with the reason given; texts are empty where none was."""

    revision: int
    cause: RevisionCause
    reason_code: str = ""
    note: str = ""
    requester_reason: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    group_id: UUID
    revision: int
    cause: RevisionCause
    recorded_at: datetime
    policy_event: PolicyEvent


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group at one of its revisions; 0, without cause and periods, before the first."""

    group_id: UUID
    key: GroupKey
    revision: int
    cause: RevisionCause | None
    recorded_at: datetime | None
    periods: tuple[Period, ...]


class RecomputeTrigger(StrEnum):
    FACTS = "FACTS"
    CONTRACT = "CONTRACT"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Recompute:
    """A computation of a group from its decisions.

    `done_at` None: not done; then `failed_at` tells whether it was given up, `next_attempt_at` when it is tried again.
    `revision` None: nothing changed.
    """

    recompute_id: UUID
    group_id: UUID
    key: GroupKey
    trigger: RecomputeTrigger
    requested_at: datetime
    done_at: datetime | None
    revision: int | None
    failed_attempts: int
    next_attempt_at: datetime | None
    failed_at: datetime | None
    unmet_enrolls: tuple[UnmetEnroll, ...]
