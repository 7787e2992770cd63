"""Events of the change feed, and filters that readers can set."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
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
    """The subject of an event, and its position in the feed: 1, 2, 3 and so on, without gaps.

    `member_ids` are all members whom it concerned when it was recorded.
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
    """A revision, its differences from the one before, their causes, and all periods after it.

    `membership_types` and `causes` cover every member and enrollment that differs.
    """

    revision: int
    cause: RevisionCause
    differences: tuple[Difference, ...]
    membership_types: Mapping[UUID, MembershipType]
    causes: Mapping[EnrollmentKey, DifferenceCause]
    periods: tuple[Period, ...]

    @classmethod
    def of(
        cls,
        revision: int,
        cause: RevisionCause,
        request: ChangeRequest | None,
        differences: Iterable[tuple[Difference, MembershipType]],
        periods: Iterable[Period],
    ) -> "PolicyRevision":
        """Returns a revision in the order in which the feed reports it.

        `differences` come with the membership types of their members. `request` is the request that created the
        revision, if there was one and it is readable.
        """
        differing: list[Difference] = []
        types: dict[UUID, MembershipType] = {}
        causes: dict[EnrollmentKey, DifferenceCause] = {}
        for difference, kind in sorted(differences, key=lambda d: (d[0].member_id, d[0].module_id)):
            member_id, module_id = difference.member_id, difference.module_id
            differing.append(difference)
            types[member_id] = kind
            reasons = (*request.reason_for(member_id, module_id), request.requester.reason) if request else ()
            causes[EnrollmentKey(member_id, module_id)] = DifferenceCause(revision, cause, *reasons)
        enrolled = sorted(periods, key=lambda p: (p.member_id, p.module_id, p.days))
        return cls(revision, cause, tuple(differing), types, causes, tuple(enrolled))


@dataclass(frozen=True, slots=True)
class FailedRecompute:
    """A failed attempt. `next_attempt_at` is None if the recompute was given up."""

    recompute_id: UUID
    failed_attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EnrollmentEvent:
    """An event with everything that a consumer needs. All readers in a process share one object.

    If `is_incomplete`, the stored event is damaged, and `detail` is what can still be read, or None.
    """

    head: EventHead
    detail: PolicyRevision | ChangeRequest | FailedRecompute | None
    is_incomplete: bool = False

    @property
    def weight(self) -> int:
        """The number of its parts, as a measure of its size in memory and as a message."""
        match self.detail:
            case PolicyRevision(differences=differences, periods=periods):
                return 1 + len(differences) + len(periods)
            case ChangeRequest() as request:
                return 1 + len(request.changes) + len(request.violations) + len(request.consequences)
            case FailedRecompute() | None:
                return 1


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants. An empty set matches everything; an event must match all sets.

    `merged_primaries` and `merged_members` are those of `primary_ids` and `member_ids` who were merged, each with the
    member into whom they were merged. The reader wants events of both.
    """

    contract_ids: frozenset[UUID] = frozenset()
    primary_ids: frozenset[UUID] = frozenset()
    member_ids: frozenset[UUID] = frozenset()
    types: frozenset[EventType] = frozenset()
    merged_primaries: frozenset[tuple[UUID, UUID]] = frozenset()
    merged_members: frozenset[tuple[UUID, UUID]] = frozenset()

    def with_merges(self, resolved: Callable[[UUID], UUID]) -> "EventFilter":
        """Returns the filter as of the known merges. `resolved` returns the member to whom an id belongs."""
        primaries, members = _merged(self.primary_ids, resolved), _merged(self.member_ids, resolved)
        if (primaries, members) == (self.merged_primaries, self.merged_members):
            return self
        return replace(self, merged_primaries=primaries, merged_members=members)

    @property
    def names_members(self) -> bool:
        """Whether a merge can change which events match."""
        return bool(self.primary_ids or self.member_ids)

    @property
    def all_primary_ids(self) -> frozenset[UUID]:
        """The primaries whose events match, with those into whom others were merged."""
        if not self.merged_primaries:
            return self.primary_ids
        return self.primary_ids.union(into for _, into in self.merged_primaries)

    @property
    def all_member_ids(self) -> frozenset[UUID]:
        """The members whose events match, with those into whom others were merged."""
        if not self.merged_members:
            return self.member_ids
        return self.member_ids.union(into for _, into in self.merged_members)

    @property
    def everything(self) -> bool:
        """Whether the filter matches every event."""
        return not (self.contract_ids or self.primary_ids or self.member_ids or self.types)

    def admits(self, event: EventHead) -> bool:
        return (
            (not self.contract_ids or event.key.contract_id in self.contract_ids)
            and (not self.primary_ids or event.key.primary_id in self.all_primary_ids)
            and (not self.member_ids or not self.all_member_ids.isdisjoint(event.member_ids))
            and (not self.types or event.type in self.types)
        )


def _merged(ids: frozenset[UUID], resolved: Callable[[UUID], UUID]) -> frozenset[tuple[UUID, UUID]]:
    return frozenset((id_, into) for id_ in ids if (into := resolved(id_)) != id_)


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A reader's position in a feed: after which event it has read. Position 0, without an event, is before the first
    one.

    The id of the event is needed because positions can be reused by other events after a backup is restored.
    """

    feed_id: UUID
    position: int
    event_id: UUID | None


BEFORE_ALL_GROUPS = UUID(int=0)
"""A group id that sorts before all others."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The point from which a reader continues: after a position, or after a group of a snapshot as of that position."""

    after: FeedPosition
    snapshot_after: UUID | None = None
