"""Events: what the change feed tells of groups, and which of it a reader wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.differences import Difference
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest, DifferenceCause, RevisionCause
from domain.membership import MembershipType


class EventType(StrEnum):
    POLICY_ACTIVATED = "POLICY_ACTIVATED"
    POLICY_CHANGED = "POLICY_CHANGED"
    POLICY_TERMINATED = "POLICY_TERMINATED"
    CHANGE_REQUEST_REJECTED = "CHANGE_REQUEST_REJECTED"
    RECOMPUTE_RETRIED = "RECOMPUTE_RETRIED"
    RECOMPUTE_FAILED = "RECOMPUTE_FAILED"


@dataclass(frozen=True, slots=True)
class EventHead:
    """What an event is about, and its place in the feed: 1, 2, 3 … without holes.

    `member_ids` are all whom it concerns, as judged when it happened.
    """

    position: int
    event_id: UUID
    type: EventType
    group_id: UUID
    key: GroupKey
    member_ids: frozenset[UUID]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyRevision:
    """A revision, how it differs from the one before and why, and all periods after it."""

    revision: int
    cause: RevisionCause
    differences: tuple[Difference, ...]
    membership_types: Mapping[UUID, MembershipType]
    causes: Mapping[EnrollmentKey, DifferenceCause]
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class FailedRecompute:
    """An attempt that failed. `next_attempt_at` None: it was given up."""

    recompute_id: UUID
    failed_attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EnrollmentEvent:
    """An event with all that a consumer needs. One object per event and process, shared by all readers."""

    head: EventHead
    detail: PolicyRevision | ChangeRequest | FailedRecompute


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants. Empty sets do not limit; the others must all agree."""

    contract_ids: frozenset[UUID] = frozenset()
    primary_ids: frozenset[UUID] = frozenset()
    member_ids: frozenset[UUID] = frozenset()
    types: frozenset[EventType] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.contract_ids or self.primary_ids or self.member_ids or self.types)

    def admits(self, event: EventHead) -> bool:
        return (
            (not self.contract_ids or event.key.contract_id in self.contract_ids)
            and (not self.primary_ids or event.key.primary_id in self.primary_ids)
            and (not self.member_ids or not self.member_ids.isdisjoint(event.member_ids))
            and (not self.types or event.type in self.types)
        )


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """After which event of which feed a reader stands. Position 0, without an event: before the first one.

    The event's id is there because positions come back, with other events, after a backup was restored.
    """

    feed_id: UUID
    position: int
    event_id: UUID | None


BEFORE_ALL_GROUPS = UUID(int=0)
"""Sorts before the id of every group."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a reader goes on: after a place, or after a group of a snapshot as of that place."""

    place: FeedPlace
    snapshot_after: UUID | None = None
