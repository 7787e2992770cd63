"""What a process knows of the database's history. It starts empty, and is cleared after a restore."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from operations.call import After
from storage.history import Epoch, Look, WriteMark

NO_KEYS: frozenset[int] = frozenset()
SETTLED_SECONDS = 60.0
"""After this time, a missing key is assumed to belong to a failed transaction.

Only the order of concurrent writes depends on this: looks continue to search for the key as long as the log has its
neighbors.
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The writes of the current epoch that were committed as of a numbered look.

    `unsettled` is the first key whose write may still be committed; None if there is none below the newest.
    """

    number: int
    newest: int
    missing: frozenset[int]
    unsettled: int | None = None

    def has(self, key: int) -> bool:
        """Returns whether a write, and everything committed before it, had been committed."""
        return key <= self.newest and key not in self.missing

    def includes(self, after: After) -> bool:
        """Returns whether a write, and every concurrent one with a smaller key, had been committed.

        A write that a look doesn't show had not returned before the look began.
        """
        if self.number < after.look or not self.has(after.key):
            return False
        return after.look > 0 or self.unsettled is None or self.unsettled > after.key


@dataclass(slots=True)
class History:
    """One per process. `epoch_id` is None until the database's history has been read."""

    epoch_id: UUID | None = None
    sighting: Sighting = Sighting(0, 0, NO_KEYS)
    look_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Wakes the worker that looks at the database regularly."""
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when this process has committed a write, or has read events: the worker then looks sooner."""
    looking: asyncio.Task[None] | None = None
    has_news: bool = True
    """Whether writes were seen since contracts were last read."""
    first_pending: int | None = None
    """The first event that had no position as of the last look."""
    _successors: dict[UUID, Epoch] = field(default_factory=dict)
    _own: set[int] = field(default_factory=set)
    _missed_at: dict[int, float] = field(default_factory=dict)
    _waiting: deque[tuple[Sighting, int]] = field(default_factory=deque)
    _located: deque[tuple[Sighting, int]] = field(default_factory=deque)

    def forget(self) -> None:
        """Clears everything, so that another history is read. Looks keep counting."""
        self.epoch_id = None
        self.sighting = Sighting(self.sighting.number, 0, NO_KEYS)
        self._successors.clear()
        self._own.clear()
        self.has_news = True
        self._missed_at.clear()
        self._waiting.clear()
        self._located.clear()
        self.first_pending = None

    def begin(self, epochs: Sequence[Epoch], newest: int, missing: set[int]) -> None:
        """Starts from the epochs of the database, in order, and the state of its log."""
        self._successors = {before.epoch_id: after for before, after in pairwise(epochs)}
        self.epoch_id = epochs[-1].epoch_id
        self.sighting = Sighting(self.sighting.number, newest, frozenset(missing))

    def committed(self, write: WriteMark) -> None:
        """Records a committed write of this process."""
        self.stirred.set()
        if write.epoch_id == self.epoch_id:
            self._own.add(write.key)

    def knows(self, key: int) -> bool:
        """Returns whether a write of the current epoch is known to be committed."""
        return key in self._own or self.sighting.has(key)

    def inherited(self, epoch_id: UUID, key: int) -> bool | None:
        """Returns whether a write of an earlier epoch survived a restore; None if the epoch is unknown."""
        successor = self._successors.get(epoch_id)
        return None if successor is None else successor.inherited(key)

    def see(self, number: int, look: Look, now: float) -> Sighting:
        """Adds what a look has found. `now` is the time of any monotonic clock."""
        before = self.sighting
        self.has_news = self.has_news or bool(look.keys)
        newest = max(before.newest, *look.keys) if look.keys else before.newest
        missing = {*before.missing, *range(before.newest + 1, newest)}.difference(look.keys)
        kept = frozenset(key for key in missing if key > look.oldest_key)
        self._missed_at = {key: self._missed_at.get(key, now) for key in kept}
        unsettled = min((k for k, at in self._missed_at.items() if now - at < SETTLED_SECONDS), default=None)
        self.sighting = Sighting(number, newest, kept, unsettled)
        self._own = {key for key in self._own if not self.sighting.has(key)}
        return self.sighting

    def locate(self, sighting: Sighting, look: Look, position: int, known: int) -> None:
        """Records up to which position the feed contains a sighting's writes, once all of them have positions.

        `position` is the newest at that look, `known` the one that this process has processed.
        """
        self._waiting.append((sighting, look.last_pending or 0))
        while self._waiting and (look.first_pending is None or self._waiting[0][1] < look.first_pending):
            located = (self._waiting.popleft()[0], position)
            if self._located and self._located[-1][1] == position:
                self._located.pop()
            self._located.append(located)
        while len(self._located) > 1 and self._located[1][1] <= known:
            self._located.popleft()

    def position_of(self, after: After) -> int | None:
        """Returns the position to process before a read reflects a write; None if another look is needed."""
        return next((position for sighting, position in self._located if sighting.includes(after)), None)
