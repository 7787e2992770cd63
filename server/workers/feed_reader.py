"""The one reader of the feed in this process: it reads new events as soon as they are appended, for all streams."""

import asyncio
from contextlib import aclosing

import structlog

from domain.enrollment.events import FeedPosition
from domain.errors import DatabaseUnavailable, FeedDiverged, NotNow
from operations.core import Core
from operations.feed_tail import MAX_BATCH_WEIGHT
from operations.history import refresh
from server.telemetry import metrics
from storage import feed

MAX_ENTRIES = 500
"""Maximum number of entries to read in one query."""
POLL_SECONDS = 1.0
WARM_UP_ENTRIES = 1000
"""How far before the head a starting server begins to read, because streams resume with slightly older tokens."""

log = structlog.get_logger()


async def read_feed(core: Core, url: str) -> None:
    """Publishes appended events to the streams of this process. Ends all streams when the feed can't be read."""
    try:
        await _begin(core)
        async with aclosing(feed.moves(url, POLL_SECONDS)) as moves:
            async for _ in moves:
                await _publish_new(core)
    except NotNow as unavailable:
        core.feed.end(unavailable)
        raise
    except Exception:
        core.feed.end(DatabaseUnavailable())
        raise


async def _begin(core: Core) -> None:
    """Resumes where this process stopped reading. Ends all streams with FeedDiverged if the feed has changed there."""
    async with core.database.reading() as connection:
        head = await feed.read_feed_head(connection)
        last = core.feed.head
        if last is not None:
            event_id = await feed.event_id_at(connection, last.position) if last.position else None
            if last.feed_id == head.feed_id and last.position <= head.position and event_id == last.event_id:
                core.feed.begin(last)
                return
            log.error("feed_diverged", position=last.position, head=head.position)
            core.feed.end(FeedDiverged())
        position = max(head.trimmed_position, head.position - WARM_UP_ENTRIES)
        event_id = head.trimmed_event_id
        if position > head.trimmed_position:
            event_id = await feed.event_id_at(connection, position)
        core.feed.begin(FeedPosition(head.feed_id, position, event_id))
    await _publish_new(core)


async def _publish_new(core: Core) -> None:
    """Publishes everything after the last published event."""
    while True:
        if core.feed.is_in_doubt:
            raise DatabaseUnavailable
        number = core.lease.number
        async with core.database.reading() as connection:
            entries = await feed.entries_after(connection, core.feed.position, MAX_ENTRIES)
            known = core.feed.written.of(entry.head.event_id for entry in entries)
            events = await feed.leading_events(connection, entries, MAX_BATCH_WEIGHT, known)
        if events and core.feed.names_members:
            await refresh(core)  # merges before these events must be known, because filters follow them
        # From here to the publication, no other task can run.
        if number != core.lease.number:
            continue  # a member was erased since the read began, and the events may still contain their data
        for event in events:
            if event.is_incomplete:
                metrics.EVENTS_INCOMPLETE.inc()
                log.error("event_incomplete", position=event.head.position, event_id=str(event.head.event_id))
        if events:
            core.feed.publish(events)
            core.history.stirred.set()
            core.feed.written.remove(event.head.event_id for event in events)
        if len(events) == len(entries) < MAX_ENTRIES:
            core.feed.heard_at = asyncio.get_running_loop().time()
            return


async def send_bookmarks(core: Core) -> None:
    """Makes idle streams send their bookmarks in time."""
    while True:
        await asyncio.sleep(1.0)
        core.feed.tick(asyncio.get_running_loop().time())
