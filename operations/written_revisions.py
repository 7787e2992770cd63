"""Keeps the revisions that this process has written until its feed reader has published them.

The reader then reads only their positions from the database, and not the contents, which this process already has.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from uuid import UUID

from domain.enrollment.events import PolicyRevision

MAX_WEIGHT = 20_000
"""Maximum number of differences and periods to keep. Beyond it, the oldest are dropped and read from the database."""


class WrittenRevisions:
    """Revisions by the ids of their events. Those of failed transactions stay until newer ones displace them."""

    def __init__(self) -> None:
        self._revisions: OrderedDict[UUID, PolicyRevision] = OrderedDict()
        self._weight = 0

    def add(self, revisions: Mapping[UUID, PolicyRevision]) -> None:
        for event_id, revision in revisions.items():
            self._revisions[event_id] = revision
            self._weight += _weight(revision)
        while self._weight > MAX_WEIGHT:
            _, oldest = self._revisions.popitem(last=False)
            self._weight -= _weight(oldest)

    def of(self, event_ids: Iterable[UUID]) -> dict[UUID, PolicyRevision]:
        """Returns the kept revisions of the given events, by event id."""
        return {event_id: found for event_id in event_ids if (found := self._revisions.get(event_id)) is not None}

    def remove(self, event_ids: Iterable[UUID]) -> None:
        for event_id in event_ids:
            revision = self._revisions.pop(event_id, None)
            if revision is not None:
                self._weight -= _weight(revision)

    def clear(self) -> None:
        """Drops everything, because it can contain erased data."""
        self._revisions.clear()
        self._weight = 0


def _weight(revision: PolicyRevision) -> int:
    return 1 + len(revision.differences) + len(revision.periods)
