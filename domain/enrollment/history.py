"""The history of a group: the requests that were judged, and the revisions that requests and recomputes created."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from domain.actors import Actor
from domain.enrollment.bounds import Bounds, causes_of_each, most_relevant, shortened, shortened_notice
from domain.enrollment.decisions import (
    Change,
    CorrectMembershipType,
    Decision,
    Enroll,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    Revert,
    ScopedChange,
)
from domain.enrollment.differences import PolicyEvent
from domain.enrollment.group import Period
from domain.enrollment.unmet import UnmetEnrolls
from domain.enrollment.verdicts import Consequence, Notice, Verdict, Violation


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A judged request. `actor` submitted it. `revision` is the group's revision after the request.

    `unknown_rules` are the overridden codes that were in no version of the contract when the request was judged. If
    `overridden_before` is set, rules are only overridden on days before it.
    """

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
    actor: Actor
    unknown_rules: tuple[str, ...] = ()
    violations_omitted: int = 0
    overridden_before: date | None = None

    def bounded(self) -> "ChangeRequest":
        """Returns the request with its reasons limited as for a new one. It may have been stored before there were
        limits.
        """
        reported = most_relevant(self.violations, [scoped.change for scoped in self.changes])
        causes, of_notices = causes_of_each(len(reported)), Bounds.of_each(len(self.notices))
        return replace(
            self,
            violations=tuple(shortened(violation, causes) for violation in reported),
            violations_omitted=self.violations_omitted + len(self.violations) - len(reported),
            notices=tuple(shortened_notice(notice, of_notices) for notice in self.notices),
        )

    def as_shown_to_members(self) -> "ChangeRequest":
        """Returns an admin's request without the admin's id and the reason codes and notes, which are for colleagues.

        Other requests are returned unchanged.
        """
        if self.requester.role is not RequesterRole.ADMIN:
            return self
        changes = tuple(replace(scoped, reason_code="", note="") for scoped in self.changes)
        return replace(self, requester=Requester(RequesterRole.ADMIN, ""), changes=changes)

    def reason_for(self, member_id: UUID, module_id: UUID) -> tuple[str, str]:
        """Returns reason code and note of the last change about a member and module, or about all modules of the
        member. A revert concerns everybody.

        Both are empty if there is no such change.
        """
        for scoped in reversed(self.changes):
            if _concerns(scoped.change, member_id, module_id):
                return scoped.reason_code, scoped.note
        return "", ""

    def decision(self) -> Decision:
        """Returns the decision of an approved request."""
        leaves = tuple(Leave(c.member_id, c.module_id, c.days) for c in self.consequences)
        changes = tuple(scoped.change for scoped in self.changes)
        return Decision(changes, self.overridden_rules, leaves, self.change_request_id, self.overridden_before)


def _concerns(change: Change, member_id: UUID, module_id: UUID) -> bool:
    match change:
        case Enroll() | Leave():
            return change.member_id == member_id and change.module_id in (None, module_id)
        case CorrectMembershipType():
            return change.member_id == member_id
        case Revert():
            return True


@dataclass(frozen=True, slots=True)
class RevisionCause:
    """What created a revision. Exactly one of the two is set."""

    change_request_id: UUID | None = None
    recompute_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DifferenceCause:
    """What changed an enrollment in one revision, with the reason given. Texts are empty if no reason was given."""

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


class GroupSource(StrEnum):
    """Where the periods of a group come from: this system, or the legacy tables of its country."""

    CORE = "CORE"
    LEGACY = "LEGACY"


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group at one of its revisions. Revision 0, without cause and periods, is the state before the first.

    Legacy tables have no revisions: their state has revision 0 and no cause, but periods.
    """

    group_id: UUID
    key: GroupKey
    revision: int
    cause: RevisionCause | None
    recorded_at: datetime | None
    periods: tuple[Period, ...]
    source: GroupSource = GroupSource.CORE


class RecomputeTrigger(StrEnum):
    FACTS = "FACTS"
    CONTRACT = "CONTRACT"
    ADMIN = "ADMIN"
    MERGE = "MERGE"


@dataclass(frozen=True, slots=True)
class Recompute:
    """A recompute of a group from its decisions. `actor` caused it.

    If `done_at` is None, the recompute isn't done. Then `failed_at` is set if the server gave up, and `next_attempt_at`
    is the time of the next attempt. `revision` is None if nothing changed.
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
    unmet: UnmetEnrolls
    actor: Actor
