"""The newest events in memory: one reader of the database fills them, and all streams of the process take from them.

A stream that has taken everything is idle: it stands at the head wherever the head is, has no place of its own, and is
only woken by an event that it wants. One whose place is older than what is kept here reads the database for itself.
Everything runs on one event loop, and nothing here awaits: what a method does, it does at once.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.enrollment.events import EnrollmentEvent, EventFilter, FeedPlace, PolicyRevision
from domain.errors import DatabaseUnavailable, DomainError

BATCH = 500
"""Most events that a stream takes, or looks through, at once."""

KEPT_WEIGHT = 40_000
"""How much is kept: an event weighs 1, and 1 for each of its periods and differences."""

KEPT_BATCHES = 64

BOOKMARK_SECONDS = 8.0
"""Callers are promised a sign of life every ten seconds."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EventBatch:
    """Events that a filter admits, and the place after them and after all that it left out. None: only the place.

    Streams that want the same at the same place are given the same object.
    """

    events: tuple[EnrollmentEvent, ...]
    after: FeedPlace
    wanted: EventFilter


@dataclass(slots=True, eq=False)
class FeedStream:
    """One reader. `place` means nothing while it is idle; `ended` is why it must end."""

    wanted: EventFilter
    place: FeedPlace
    bookmark_at: float
    idle: bool = False
    ended: DomainError | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


Topic = UUID | str
"""What a stream is found by: an id that it wants, a type, or everything."""

EVERYTHING = ""
NOBODY: frozenset["FeedStream"] = frozenset()


class FeedTail:
    """Begun by the process's reader with the place where it stands; until then, and when ended, streams are refused."""

    def __init__(self) -> None:
        self.head: FeedPlace | None = None
        self.begun = asyncio.Event()
        self.heard_at = 0.0
        """When the process's reader last looked at the feed, by the loop's clock."""
        self.catching_up = asyncio.Semaphore(4)
        """How many streams may read the database at once."""
        self._refused: DomainError | None = DatabaseUnavailable()
        self._events: list[EnrollmentEvent] = []
        self._weight = 0
        self._streams: set[FeedStream] = set()
        self._topics: dict[Topic, set[FeedStream]] = {}
        self._same: Counter[EventFilter] = Counter()
        self._batches: OrderedDict[tuple[int, EventFilter], EventBatch] = OrderedDict()
        self._opened = 0

    def begin(self, place: FeedPlace) -> None:
        """From here on events are published, and streams may come. What is kept up to this place stays."""
        if self.head != place:
            self._events, self._weight = [], 0
            self._batches.clear()
        self.head = place
        self._refused = None
        self.begun.set()

    def end(self, error: DomainError) -> None:
        """Ends all streams, and refuses new ones until begun again."""
        self._refused = error
        for stream in self._streams:
            stream.ended = error
            stream.bookmark_at = 0.0  # a last token, for those that have nothing else to take
            stream.woken.set()

    def open(self, wanted: EventFilter, place: FeedPlace | None) -> FeedStream:
        """A stream that stands at a place (None: at the head), to be closed. Raises what streams are refused with."""
        if self._refused or self.head is None:
            raise self._refused or DatabaseUnavailable
        self._opened += 1
        now = asyncio.get_running_loop().time()
        # Spread, so that thousands that came at once do not all get their bookmarks at once.
        stream = FeedStream(wanted, place or self.head, now + BOOKMARK_SECONDS * (self._opened % 97) / 97)
        self._streams.add(stream)
        self._same[wanted] += 1
        for topic in _topics(wanted):
            self._topics.setdefault(topic, set()).add(stream)
        return stream

    def close(self, stream: FeedStream) -> None:
        self._streams.discard(stream)
        self._same[stream.wanted] -= 1
        if not self._same[stream.wanted]:
            del self._same[stream.wanted]
        for topic in _topics(stream.wanted):
            of_topic = self._topics[topic]
            of_topic.discard(stream)
            if not of_topic:
                del self._topics[topic]

    def publish(self, events: Sequence[EnrollmentEvent]) -> None:
        """Appends what follows the head, and wakes the idle streams that want some of it."""
        before = self.head
        assert before is not None  # noqa: S101 (the reader has begun)
        for event in events:
            if event.head.position != self.position + 1:
                raise FeedHole(self.position, event.head.position)
            self.head = FeedPlace(before.feed_id, event.head.position, event.head.event_id)
            self._events.append(event)
            self._weight += _weight(event)
        self._forget_oldest()
        for event in events:
            self._wake(event, before)

    @property
    def position(self) -> int:
        """The position of the last event that was published."""
        return self.head.position if self.head else 0

    def _forget_oldest(self) -> None:
        if self._weight > KEPT_WEIGHT * 1.25:
            n = 0
            while self._weight > KEPT_WEIGHT:
                self._weight -= _weight(self._events[n])
                n += 1
            del self._events[:n]

    def _wake(self, event: EnrollmentEvent, before: FeedPlace) -> None:
        head = event.head
        topics: set[Topic] = {head.key.contract_id, head.key.primary_id, *head.member_ids}
        for topic in (EVERYTHING, head.type, *topics):
            for stream in self._topics.get(topic, NOBODY):
                if stream.idle and stream.wanted.admits(head):
                    stream.idle = False
                    if stream.place.position < before.position:
                        stream.place = before
                    stream.woken.set()

    def take(self, stream: FeedStream) -> EventBatch | None:
        """What follows the stream's place, as far as it is kept here; None, and the stream is idle: there is nothing.

        Raises NotKept where the stream has to read for itself.
        """
        start = stream.place.position
        if start >= self.position:
            stream.idle = True
            return None
        oldest = self.position - len(self._events)
        if start < oldest:
            raise NotKept
        shared = self._same[stream.wanted] > 1
        key = (start, stream.wanted)
        batch = self._batches.get(key)
        if batch is None:
            batch = batch_of(self._events[start - oldest : start - oldest + BATCH], stream.place, stream.wanted)
            if shared:
                self._batches[key] = batch
                if len(self._batches) > KEPT_BATCHES:
                    self._batches.popitem(last=False)
        stream.place = batch.after
        return batch

    def place_of(self, stream: FeedStream) -> FeedPlace:
        """Up to where an idle stream has taken everything that it wants."""
        head = self.head or stream.place
        return head if head.position > stream.place.position else stream.place

    def event_id_at(self, position: int) -> UUID | None:
        """Which event stands at a position, if it is kept here."""
        index = position - (self.position - len(self._events)) - 1
        return self._events[index].head.event_id if 0 <= index < len(self._events) else None

    def tick(self, now: float) -> None:
        """Wakes the idle streams that are due a bookmark."""
        for stream in self._streams:
            if stream.idle and stream.bookmark_at <= now:
                stream.woken.set()


class NotKept(Exception):
    """What follows a place is no longer in memory."""


class FeedHole(Exception):
    """The database gave an event that does not follow the last one: never seen, and never to be passed over."""

    def __init__(self, last: int, found: int) -> None:
        super().__init__(f"position {found} after {last}")


def batch_of(events: Sequence[EnrollmentEvent], before: FeedPlace, wanted: EventFilter) -> EventBatch:
    """Those of some events after a place that a filter admits."""
    last = events[-1].head if events else None
    after = FeedPlace(before.feed_id, last.position, last.event_id) if last else before
    admitted = events if wanted.everything else [event for event in events if wanted.admits(event.head)]
    return EventBatch(tuple(admitted), after, wanted)


def _weight(event: EnrollmentEvent) -> int:
    detail = event.detail
    return 1 + len(detail.periods) + len(detail.differences) if isinstance(detail, PolicyRevision) else 1


def _topics(wanted: EventFilter) -> Iterable[Topic]:
    """What events that a filter admits have one of: the most telling of its sets."""
    return wanted.member_ids or wanted.primary_ids or wanted.contract_ids or wanted.types or (EVERYTHING,)
