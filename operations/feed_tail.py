"""Keeps the newest events in memory. One reader of the database adds them, and all streams of the process take them.

A stream that has taken everything is idle: its position moves with the head, and only an event that it wants wakes it.
A stream whose position is older than the events in memory reads the database itself. Everything runs on one event loop,
and no method awaits, so each is atomic.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.enrollment.events import EnrollmentEvent, EventFilter, FeedPosition
from domain.errors import DatabaseUnavailable, DomainError
from operations.erasure_lease import ErasureLease
from operations.written_revisions import WrittenRevisions

BATCH = 500
"""Maximum number of events that a stream takes or scans per batch."""

MAX_BATCH_WEIGHT = 4_000
"""Maximum weight of the events in a batch. A stalled reader keeps one batch in memory."""

KEPT_WEIGHT = 40_000
"""Weight of the events kept in memory."""

KEPT_BATCHES = 64

BOOKMARK_SECONDS = 8.0
"""Less than the ten seconds within which callers are promised a response."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EventBatch:
    """Events that a filter admits, and the position after them and after those that it rejects. Can be empty.

    Streams with the same filter at the same position get the same object.
    """

    events: tuple[EnrollmentEvent, ...]
    after: FeedPosition
    wanted: EventFilter
    erasure_number: int
    """The last erasure that was known before the events were read."""


@dataclass(slots=True, eq=False)
class FeedStream:
    """One reader. `position` is meaningless while it is idle. `ended` is the error that it must end with."""

    wanted: EventFilter
    position: FeedPosition
    bookmark_at: float
    idle: bool = False
    ended: DomainError | None = None
    _waiting: "asyncio.Future[None] | None" = None

    def woken(self) -> "asyncio.Future[None]":
        """Returns what the stream awaits while it is idle. An asyncio.Event would take 0.9 KiB more for each stream."""
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self, error: DomainError) -> None:
        """Makes the stream end with an error, after a last bookmark if it has nothing else to send."""
        if self.ended is None:
            self.ended = error
            self.bookmark_at = 0.0
            self.wake()


Topic = UUID | str
"""The key under which a stream is indexed: an id that it wants, a type, or everything."""

EVERYTHING = ""
NO_STREAMS: frozenset["FeedStream"] = frozenset()


class FeedTail:
    """One per process. Rejects streams until the process's reader has called `begin`, and again after `end`."""

    def __init__(self, lease: ErasureLease | None = None) -> None:
        self._lease = lease or ErasureLease()
        self.head: FeedPosition | None = None
        self.begun = asyncio.Event()
        self.heard_at = 0.0
        """When the process's reader last read the feed, by the loop's clock."""
        self.catching_up = asyncio.Semaphore(4)
        """Limits how many streams read the database concurrently."""
        self.is_in_doubt = False
        """Whether the reader must check that the feed still has the same history."""
        self.written = WrittenRevisions()
        self._refused: DomainError | None = DatabaseUnavailable()
        self._events: list[EnrollmentEvent] = []
        self._weight = 0
        self._streams: set[FeedStream] = set()
        self._topics: dict[Topic, set[FeedStream]] = {}
        self._same: Counter[EventFilter] = Counter()
        self._batches: OrderedDict[tuple[int, EventFilter], EventBatch] = OrderedDict()
        self._opened = 0
        self._naming_members = 0

    def begin(self, position: FeedPosition) -> None:
        """Starts publishing the events after a position, and accepts streams. Keeps its events if it resumes at its
        head."""
        if self.head != position:
            self._events, self._weight = [], 0
            self._batches.clear()
        self.head = position
        self.is_in_doubt = False
        self._refused = None
        self.begun.set()

    def doubt(self) -> None:
        """Ends all streams, so that their tokens are checked against the database when they resume."""
        self.is_in_doubt = True
        self.end(DatabaseUnavailable())

    def forget(self) -> None:
        """Drops all events, because they can contain erased data. Streams read the database instead."""
        self._events, self._weight = [], 0
        self._batches.clear()
        self.written.clear()

    def end(self, error: DomainError) -> None:
        """Ends all streams, and rejects new ones until `begin` is called again."""
        self._refused = error
        for stream in self._streams:
            stream.end(error)

    def open(self, wanted: EventFilter, position: FeedPosition | None) -> FeedStream:
        """Opens a stream at a position (None: at the head). The caller must close it. Raises the error given to
        `end`."""
        if self._refused or self.head is None:
            raise self._refused or DatabaseUnavailable
        self._opened += 1
        now = asyncio.get_running_loop().time()
        # Spreads the bookmarks of streams that open at the same time, so that they aren't all due at the same instant.
        stream = FeedStream(wanted, position or self.head, now + BOOKMARK_SECONDS * (self._opened % 97) / 97)
        self._streams.add(stream)
        self._naming_members += wanted.names_members
        self._index(stream)
        return stream

    def close(self, stream: FeedStream) -> None:
        self._streams.discard(stream)
        self._naming_members -= stream.wanted.names_members
        self._unindex(stream)

    def _index(self, stream: FeedStream) -> None:
        self._same[stream.wanted] += 1
        for topic in _topics(stream.wanted):
            self._topics.setdefault(topic, set()).add(stream)

    def _unindex(self, stream: FeedStream) -> None:
        self._same[stream.wanted] -= 1
        if not self._same[stream.wanted]:
            del self._same[stream.wanted]
        for topic in _topics(stream.wanted):
            of_topic = self._topics[topic]
            of_topic.discard(stream)
            if not of_topic:
                del self._topics[topic]

    @property
    def names_members(self) -> bool:
        """Whether any open stream has a filter with ids of members, so that merges must be known before publishing."""
        return self._naming_members > 0

    def resolve(self, resolved: Callable[[UUID], UUID]) -> None:
        """Extends the filters of open streams to the members into whom those that they name were merged."""
        for stream in self._streams if self.names_members else ():
            self.resolve_one(stream, resolved)

    def resolve_one(self, stream: FeedStream, resolved: Callable[[UUID], UUID]) -> None:
        """Extends the filter of one open stream."""
        wanted = stream.wanted.with_merges(resolved)
        if wanted != stream.wanted:
            self._unindex(stream)
            stream.wanted = wanted
            self._index(stream)

    def publish(self, events: Sequence[EnrollmentEvent]) -> None:
        """Appends events after the head, and wakes the idle streams that want any of them."""
        before = self.head
        assert before is not None  # noqa: S101 (the reader has begun)
        for event in events:
            if event.head.position != self.position + 1:
                raise FeedHole(self.position, event.head.position)
            self.head = FeedPosition(before.feed_id, event.head.position, event.head.event_id)
            self._events.append(event)
            self._weight += event.weight
        self._forget_oldest()
        for event in events:
            self._wake(event, before)

    @property
    def position(self) -> int:
        """The position of the last event published."""
        return self.head.position if self.head else 0

    def _forget_oldest(self) -> None:
        if self._weight > KEPT_WEIGHT * 1.25:
            n = 0
            while self._weight > KEPT_WEIGHT:
                self._weight -= self._events[n].weight
                n += 1
            del self._events[:n]

    def _wake(self, event: EnrollmentEvent, before: FeedPosition) -> None:
        head = event.head
        topics: set[Topic] = {head.key.contract_id, head.key.primary_id, *head.member_ids}
        for topic in (EVERYTHING, head.type, *topics):
            for stream in self._topics.get(topic, NO_STREAMS):
                if stream.idle and stream.wanted.admits(head):
                    stream.idle = False
                    if stream.position.position < before.position:
                        stream.position = before
                    stream.wake()

    def take(self, stream: FeedStream) -> EventBatch | None:
        """Returns the next batch of a stream from memory; None if there is nothing, and the stream becomes idle.

        Raises NotKept if the stream must read the database.
        """
        start = stream.position.position
        if start >= self.position:
            stream.idle = True
            if start == self.position and self.head is not None:
                stream.position = self.head  # an equal one, so that thousands of idle streams share one object
            return None
        oldest = self.position - len(self._events)
        if start < oldest:
            raise NotKept
        shared = self._same[stream.wanted] > 1
        key = (start, stream.wanted)
        batch = self._batches.get(key)
        if batch is None:
            following = _leading(self._events[start - oldest : start - oldest + BATCH])
            batch = batch_of(following, stream.position, stream.wanted, self._lease.number)
            if shared:
                self._batches[key] = batch
                if len(self._batches) > KEPT_BATCHES:
                    self._batches.popitem(last=False)
        stream.position = batch.after
        return batch

    def place_of(self, stream: FeedStream) -> FeedPosition:
        """Returns the position up to which an idle stream has received everything that it wants."""
        head = self.head or stream.position
        return head if head.position > stream.position.position else stream.position

    def event_id_at(self, position: int) -> UUID | None:
        """Returns the id of the event at a position, if it is in memory."""
        index = position - (self.position - len(self._events)) - 1
        return self._events[index].head.event_id if 0 <= index < len(self._events) else None

    def tick(self, now: float) -> None:
        """Wakes the idle streams whose bookmark is due."""
        for stream in self._streams:
            if stream.idle and stream.bookmark_at <= now:
                stream.wake()


class NotKept(Exception):
    """The events after a position are no longer in memory."""


class FeedHole(Exception):
    """The database returned an event that doesn't follow the last one. This must never happen, or be ignored."""

    def __init__(self, last: int, found: int) -> None:
        super().__init__(f"position {found} after {last}")


def batch_of(
    events: Sequence[EnrollmentEvent], before: FeedPosition, wanted: EventFilter, erasure_number: int
) -> EventBatch:
    """Returns the batch of those events after a position that a filter admits."""
    last = events[-1].head if events else None
    after = FeedPosition(before.feed_id, last.position, last.event_id) if last else before
    admitted = events if wanted.everything else [event for event in events if wanted.admits(event.head)]
    return EventBatch(tuple(admitted), after, wanted, erasure_number)


def _leading(events: Sequence[EnrollmentEvent]) -> Sequence[EnrollmentEvent]:
    """Returns the first events up to the weight of a batch, at least one."""
    total = 0
    for i, event in enumerate(events):
        total += event.weight
        if i and total > MAX_BATCH_WEIGHT:
            return events[:i]
    return events


def _topics(wanted: EventFilter) -> Iterable[Topic]:
    """Returns topics of which every admitted event has at least one, from the most selective part of a filter."""
    return wanted.all_member_ids or wanted.all_primary_ids or wanted.contract_ids or wanted.types or (EVERYTHING,)
