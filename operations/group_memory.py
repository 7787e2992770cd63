"""Caches the groups that this process has changed, so that changing them again doesn't load everything."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.group import GroupBasis
from domain.enrollment.history import GroupState
from domain.membership import MembershipType
from storage.enrollment import LockedGroup

State = Mapping[EnrollmentKey, Days]

MAX_SIZE = 200_000
"""Maximum number of cached decisions, periods and other parts in total. A part takes 400 to 800 bytes, so all of them
take at most about 150 MB."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recorded state of a group: its newest revision, with the days and types of its members, all days that it ever
    had, and the members whom its decisions enroll, as they name them.

    Only `decisions` of `basis` are recorded with the group. Everything else in it is as it was when it was loaded.
    `erasures` is the number of the last erasure at that time.
    """

    basis: GroupBasis
    current: GroupState
    state: State
    types: Mapping[UUID, MembershipType]
    had: State
    enrolled: frozenset[UUID]
    erasures: int


@dataclass(frozen=True, slots=True)
class _Remembered:
    recorded_at: datetime
    recorded: Recorded
    size: int


class GroupMemory:
    """The groups that were changed last, as of the instant of their last change.

    What was recorded of a group is used only under the lock of its head, if the head has the same instant and revision
    and nobody was erased since, because an erasure changes what is recorded without a new instant.
    """

    def __init__(self) -> None:
        self._groups: OrderedDict[UUID, _Remembered] = OrderedDict()
        self._size = 0

    def recall(self, group: LockedGroup, erasures: int) -> Recorded | None:
        """Returns what is recorded of a locked group, if it is remembered. `erasures` is the number of the last
        erasure."""
        remembered = self._groups.get(group.group_id)
        if remembered is None or remembered.recorded.erasures != erasures:
            return None
        if (remembered.recorded_at, remembered.recorded.current.revision) != (group.recorded_at, group.revision):
            return None
        self._groups.move_to_end(group.group_id)
        return remembered.recorded

    def enrolled(self, group_id: UUID) -> frozenset[UUID]:
        """Returns the members whom a remembered group's decisions enroll, else none. It may have changed since."""
        remembered = self._groups.get(group_id)
        return remembered.recorded.enrolled if remembered else frozenset()

    def remember(self, group: LockedGroup, recorded: Recorded) -> None:
        """Caches a group after its change was committed."""
        self._drop(group.group_id)
        size = 4 + len(recorded.basis.decisions) + len(recorded.current.periods) + len(recorded.had)
        self._groups[group.group_id] = _Remembered(group.recorded_at, recorded, size)
        self._size += size
        while self._size > MAX_SIZE and self._groups:
            self._drop(next(iter(self._groups)))

    def forget(self) -> None:
        """Clears the cache."""
        self._groups.clear()
        self._size = 0

    def _drop(self, group_id: UUID) -> None:
        remembered = self._groups.pop(group_id, None)
        if remembered is not None:
            self._size -= remembered.size
