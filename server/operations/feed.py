"""Watching enrollments: where a stream begins, its snapshot, and then what happens."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.enrollment.events import BEFORE_ALL_GROUPS, EventFilter, FeedPlace, ResumePoint
from domain.enrollment.history import GroupState
from domain.errors import FeedDiverged, FeedTrimmed
from server.operations.call import Call
from server.operations.core import Core
from server.operations.feed_tail import BATCH, BOOKMARK_SECONDS, EventBatch, FeedHole, FeedStream, NotKept
from storage import feed
from storage.enrollment_reads import AsOf, group_states
from storage.feed import FeedHead
from storage.outbox import pending_seconds, sequence

GROUPS_PER_PAGE = 200
SEQUENCED_AT_ONCE = 1000
LOOKED_THROUGH = 2000
"""How many entries a stream that is behind looks through at once for those that it wants."""


class FeedStart(StrEnum):
    BEGINNING = "BEGINNING"
    NOW = "NOW"
    SNAPSHOT = "SNAPSHOT"


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Groups as of a place in the feed, in order of id; `after` None: these were the last ones."""

    groups: list[GroupState]
    place: FeedPlace
    after: UUID | None


TokenOf = Callable[[ResumePoint], str]
"""How a place is told to the caller."""


async def watch(
    core: Core, call: Call, start: FeedStart | ResumePoint, wanted: EventFilter, token_of: TokenOf
) -> AsyncGenerator[EventBatch | SnapshotPage]:
    """The snapshot, if asked for, and then batches of events without end; those without events are bookmarks.

    Raises FeedTrimmed, FeedDiverged, DatabaseUnavailable, ShuttingDown.
    """
    point = await _begin(core, start, token_of)
    stream = core.feed.open(wanted, point.place)
    try:
        if point.snapshot_after is None:
            yield EventBatch((), point.place, wanted)
        else:
            async for page in _snapshot(core, point, wanted, token_of):
                yield page
        while True:
            yield await _next_batch(core, stream, token_of)
    finally:
        core.feed.close(stream)


async def _begin(core: Core, start: FeedStart | ResumePoint, token_of: TokenOf) -> ResumePoint:
    if isinstance(start, ResumePoint):
        if start.place.event_id is None or core.feed.event_id_at(start.place.position) != start.place.event_id:
            async with core.feed.catching_up, core.database.reading() as connection:
                head = await feed.read_feed_head(connection)
                stands_there = await feed.event_id_at(connection, start.place.position)
            _refuse_another_history(start.place, head, stands_there, token_of)
        return start
    head = await _present(core)
    if start == FeedStart.BEGINNING:
        if head.trimmed_position:
            raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))
        return ResumePoint(_oldest(head))
    place = FeedPlace(head.feed_id, head.position, head.event_id)
    return ResumePoint(place, BEFORE_ALL_GROUPS if start == FeedStart.SNAPSHOT else None)


async def _present(core: Core) -> FeedHead:
    """The head with everything before it that was committed before this call."""
    async with core.feed.catching_up, core.database.reading() as connection:
        if await pending_seconds(connection) is None:
            return await feed.read_feed_head(connection)
    while await core.database.write(lambda tx: sequence(tx, SEQUENCED_AT_ONCE)) == SEQUENCED_AT_ONCE:
        pass
    async with core.database.reading() as connection:
        return await feed.read_feed_head(connection)


async def oldest_place(core: Core) -> FeedPlace:
    """Before the first event that the feed still keeps."""
    async with core.database.reading() as connection:
        return _oldest(await feed.read_feed_head(connection))


def _refuse_another_history(place: FeedPlace, head: FeedHead, stands_there: UUID | None, token_of: TokenOf) -> None:
    if place.feed_id != head.feed_id or place.position > head.position:
        raise FeedDiverged
    if place.position < head.trimmed_position:
        raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))
    if place.event_id != (head.trimmed_event_id if place.position == head.trimmed_position else stands_there):
        raise FeedDiverged


def _oldest(head: FeedHead) -> FeedPlace:
    return FeedPlace(head.feed_id, head.trimmed_position, head.trimmed_event_id)


async def _snapshot(
    core: Core, point: ResumePoint, wanted: EventFilter, token_of: TokenOf
) -> AsyncGenerator[SnapshotPage]:
    """Pages of groups as of one place, each read by itself: no transaction stays open however slow the reader is."""
    after = point.snapshot_after
    while after is not None:
        async with core.feed.catching_up, core.database.snapshot() as connection:
            await _still_kept(await feed.read_feed_head(connection), point.place, token_of)
            heads = await feed.groups_as_of(connection, point.place.position, wanted, after, GROUPS_PER_PAGE)
            groups = await group_states(connection, [head for head in heads if head.revision], AsOf())
        after = heads[-1].group_id if len(heads) == GROUPS_PER_PAGE else None
        yield SnapshotPage(groups, point.place, after)


async def _still_kept(head: FeedHead, place: FeedPlace, token_of: TokenOf) -> None:
    if place.position < head.trimmed_position:
        raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))


async def _next_batch(core: Core, stream: FeedStream, token_of: TokenOf) -> EventBatch:
    """What the stream wants next, or a bookmark when that is due. Raises what the stream is ended with."""
    loop = asyncio.get_running_loop()
    tail, wanted = core.feed, stream.wanted
    while stream.ended is None:
        try:
            batch = tail.take(stream)
        except NotKept:
            batch = await _read(core, stream, token_of)
        if batch is None:
            stream.woken.clear()
            await stream.woken.wait()
            if not stream.idle:
                continue
            batch = EventBatch((), tail.place_of(stream), wanted)
        if batch.events or loop.time() >= stream.bookmark_at:
            stream.bookmark_at = loop.time() + BOOKMARK_SECONDS
            return batch
    raise stream.ended


async def _read(core: Core, stream: FeedStream, token_of: TokenOf) -> EventBatch:
    """What follows the stream's place, from the database: for one that has fallen behind, or comes from far back."""
    place, wanted = stream.place, stream.wanted
    async with core.feed.catching_up, core.database.reading() as connection:
        entries = await feed.entries_after(connection, place.position, LOOKED_THROUGH)
        if not entries or entries[0].head.position != place.position + 1:
            await _still_kept(await feed.read_feed_head(connection), place, token_of)
        for i, entry in enumerate(entries):
            if entry.head.position != place.position + 1 + i:
                raise FeedHole(place.position + i, entry.head.position)
        admitted = [entry for entry in entries if wanted.admits(entry.head)][:BATCH]
        events = await feed.events_of(connection, admitted)
    if entries:
        last = (admitted if len(admitted) == BATCH else entries)[-1].head
        stream.place = FeedPlace(place.feed_id, last.position, last.event_id)
    return EventBatch(tuple(events), stream.place, wanted)
