"""Watches enrollments: where a stream begins, its snapshot, and the events after it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.enrollment.events import BEFORE_ALL_GROUPS, EventFilter, FeedPosition, ResumePoint
from domain.enrollment.history import GroupState
from domain.errors import ErasedMeanwhile, FeedDiverged, FeedTrimmed
from operations.call import Call
from operations.core import Core
from operations.feed_tail import BATCH, BOOKMARK_SECONDS, MAX_BATCH_WEIGHT, EventBatch, FeedHole, FeedStream, NotKept
from operations.history import refresh
from storage import feed
from storage.bounded_reads import read_up_to
from storage.enrollment_reads import group_states
from storage.feed import FeedHead
from storage.group_lookup import AsOf, GroupHead
from storage.outbox import pending_seconds
from storage.postgres.database import Connection

GROUPS_PER_PAGE = 200
SCANNED_ENTRIES = 2000
"""How many entries a stream that is behind scans per query for those that it wants."""


EVERYTHING = EventFilter()


class FeedStart(StrEnum):
    BEGINNING = "BEGINNING"
    NOW = "NOW"
    SNAPSHOT = "SNAPSHOT"


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Groups as of a position in the feed, in order of id. `after` is None on the last page."""

    groups: list[GroupState]
    position: FeedPosition
    after: UUID | None
    erasure_number: int
    """The last erasure that was known before the groups were read."""
    wanted: EventFilter = EVERYTHING


TokenOf = Callable[[ResumePoint], str]
"""Makes the resume token of a position, for the caller."""


async def watch(
    core: Core, call: Call, start: FeedStart | ResumePoint, wanted: EventFilter, token_of: TokenOf
) -> AsyncGenerator[EventBatch | SnapshotPage]:
    """Yields the snapshot, if requested, and then batches of events without end. Empty batches are bookmarks.

    Raises FeedTrimmed, FeedDiverged, FeedBehind, DatabaseUnavailable, ShuttingDown.
    """
    point = await _begin(core, start, token_of)
    stream = core.feed.open(wanted, point.after)
    if call.stream_end is not None:
        call.stream_end.when_requested(stream.end)
    try:
        if wanted.names_members:  # the filters of open streams follow merges, and events are published after merges
            await refresh(core)
            core.feed.resolve_one(stream, core.aliases.resolved)
        if point.snapshot_after is None:
            yield EventBatch((), point.after, stream.wanted, core.lease.number)
        else:
            async for page in _snapshot(core, point, stream, token_of):
                yield page
                if stream.ended is not None:
                    raise stream.ended
        del point  # an idle stream shares its position with others
        while stream.ended is None:
            batches = await _next_batches(core, stream, token_of)
            if not batches:
                # Awaited here: a coroutine of its own would take 0.3 KiB for each idle stream.
                await stream.woken()
                if not stream.idle:
                    continue
                batches = [EventBatch((), core.feed.place_of(stream), stream.wanted, core.lease.number)]
            now = asyncio.get_running_loop().time()
            if batches[0].events or now >= stream.bookmark_at:
                stream.bookmark_at = now + BOOKMARK_SECONDS
                yield batches.pop()  # so that a stalled reader keeps only the messages in memory, not the events
        raise stream.ended
    finally:
        core.feed.close(stream)


def erasure_number_of(delivered: EventBatch | SnapshotPage) -> int | None:
    """Returns the last erasure before a delivery was read; None for a bookmark, which has no personal data."""
    return None if isinstance(delivered, EventBatch) and not delivered.events else delivered.erasure_number


async def reject_erased(core: Core, erasure_number: int | None) -> None:
    """Raises ErasedMeanwhile if a member was erased since a delivery was read, DatabaseUnavailable if that is unknown.

    Call it right before sending each message: a slow reader can take a long time to receive all messages of a delivery.
    """
    if erasure_number is None:
        return
    await core.lease.until_valid()
    if erasure_number != core.lease.number:
        raise ErasedMeanwhile


async def _begin(core: Core, start: FeedStart | ResumePoint, token_of: TokenOf) -> ResumePoint:
    if isinstance(start, ResumePoint):
        if start.after.event_id is None or core.feed.event_id_at(start.after.position) != start.after.event_id:
            async with core.feed.catching_up, core.database.reading() as connection:
                head = await feed.read_feed_head(connection)
                event_id = await feed.event_id_at(connection, start.after.position)
            _reject_another_history(start.after, head, event_id, token_of)
        return start
    head = await _present(core)
    if start == FeedStart.BEGINNING:
        if head.trimmed_position:
            raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))
        return ResumePoint(_oldest(head))
    position = FeedPosition(head.feed_id, head.position, head.event_id)
    return ResumePoint(position, BEFORE_ALL_GROUPS if start == FeedStart.SNAPSHOT else None)


async def _present(core: Core) -> FeedHead:
    """Returns the head of the feed, with everything sequenced that was committed before. Raises FeedBehind."""
    async with core.feed.catching_up, core.database.reading() as connection:
        if await pending_seconds(connection) is None:
            return await feed.read_feed_head(connection)
    await core.sequencing.caught_up()
    async with core.database.reading() as connection:
        return await feed.read_feed_head(connection)


async def oldest_position(core: Core) -> FeedPosition:
    """Returns the position before the oldest event in the feed."""
    async with core.database.reading() as connection:
        return _oldest(await feed.read_feed_head(connection))


def _reject_another_history(position: FeedPosition, head: FeedHead, event_id: UUID | None, token_of: TokenOf) -> None:
    if position.feed_id != head.feed_id or position.position > head.position:
        raise FeedDiverged
    if position.position < head.trimmed_position:
        raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))
    if position.event_id != (head.trimmed_event_id if position.position == head.trimmed_position else event_id):
        raise FeedDiverged


def _oldest(head: FeedHead) -> FeedPosition:
    return FeedPosition(head.feed_id, head.trimmed_position, head.trimmed_event_id)


async def _snapshot(
    core: Core, point: ResumePoint, stream: FeedStream, token_of: TokenOf
) -> AsyncGenerator[SnapshotPage]:
    """Yields pages of groups as of one position. Each page has its own transaction, so slow readers hold none open."""
    after = point.snapshot_after
    while after is not None:
        number, wanted = core.lease.number, stream.wanted
        async with core.feed.catching_up, core.database.snapshot() as connection:
            await _check_kept(await feed.read_feed_head(connection), point.after, token_of)
            heads = await feed.groups_as_of(connection, point.after.position, wanted, after, GROUPS_PER_PAGE)
            wanted_heads = [head for head in heads if head.revision]
            groups = await _leading_states(connection, wanted_heads)
        if len(groups) < len(wanted_heads):
            after = groups[-1].group_id
        else:
            after = heads[-1].group_id if len(heads) == GROUPS_PER_PAGE else None
        yield SnapshotPage(groups, point.after, after, number, wanted)


async def _leading_states(connection: Connection, heads: Sequence[GroupHead]) -> list[GroupState]:
    """Returns the first groups, at least one, within the memory that a stalled reader may hold."""

    async def read(some: Sequence[GroupHead]) -> list[GroupState]:
        return await group_states(connection, some, AsOf())

    return await read_up_to(heads, read, lambda state: 1 + len(state.periods), MAX_BATCH_WEIGHT)


async def _check_kept(head: FeedHead, position: FeedPosition, token_of: TokenOf) -> None:
    if position.position < head.trimmed_position:
        raise FeedTrimmed(token_of(ResumePoint(_oldest(head))))


async def _next_batches(core: Core, stream: FeedStream, token_of: TokenOf) -> list[EventBatch]:
    """Returns the next batch of the stream in a list, which is empty if the stream is idle."""
    await core.lease.until_valid()
    try:
        batch = core.feed.take(stream)
    except NotKept:
        batch = await _read(core, stream, token_of)
    return [] if batch is None else [batch]


async def _read(core: Core, stream: FeedStream, token_of: TokenOf) -> EventBatch:
    """Reads what follows the stream's position from the database, because memory no longer has it."""
    position, wanted = stream.position, stream.wanted
    batch = await core.feed_reads.batch(
        (position.position, wanted), lambda: _read_batch(core, position, wanted, token_of)
    )
    stream.position = batch.after
    return batch


async def _read_batch(core: Core, position: FeedPosition, wanted: EventFilter, token_of: TokenOf) -> EventBatch:
    number = core.lease.number
    async with core.feed.catching_up, core.database.reading() as connection:
        entries = await feed.entries_after(connection, position.position, SCANNED_ENTRIES)
        if not entries or entries[0].head.position != position.position + 1:
            await _check_kept(await feed.read_feed_head(connection), position, token_of)
        for i, entry in enumerate(entries):
            if entry.head.position != position.position + 1 + i:
                raise FeedHole(position.position + i, entry.head.position)
    if wanted.names_members:  # merges before these entries must be known
        await refresh(core)
        wanted = wanted.with_merges(core.aliases.resolved)
    admitted = [entry for entry in entries if wanted.admits(entry.head)][:BATCH]
    async with core.feed.catching_up, core.database.reading() as connection:
        events = await feed.leading_events(connection, admitted, MAX_BATCH_WEIGHT)
    if not entries:
        return EventBatch((), position, wanted, number)
    partly = len(events) < len(admitted) or len(admitted) == BATCH
    last = events[-1].head if partly else entries[-1].head
    return EventBatch(tuple(events), FeedPosition(position.feed_id, last.position, last.event_id), wanted, number)
