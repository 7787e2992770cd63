"""The one reader of the feed in this process: reads what is new as soon as it is there, for all streams."""

import asyncio
from contextlib import aclosing

import structlog

from domain.enrollment.events import FeedPlace
from domain.errors import DatabaseUnavailable, FeedDiverged, NotNow
from server.log import where
from server.operations.core import Core
from storage import feed

AT_ONCE = 500
POLL_SECONDS = 1.0
AGAIN_SECONDS = 0.5
WARM = 1000
"""How far before the head a server begins: readers come back with tokens that are a little old."""

log = structlog.get_logger()


async def tail_for_ever(core: Core, url: str) -> None:
    """Publishes what is appended to the feed, until cancelled; while the database is away no stream is open."""
    while True:
        try:
            await _begin(core)
            async with aclosing(feed.moves(url, POLL_SECONDS)) as moves:
                async for _ in moves:
                    await _publish_new(core)
        except NotNow as away:
            core.feed.end(away)
        except Exception as error:
            log.error("feed_reader_failed", error=type(error).__name__, where=where(error))
            core.feed.end(DatabaseUnavailable())
        await asyncio.sleep(AGAIN_SECONDS)


async def _begin(core: Core) -> None:
    """Where it stood, if that is still what the database says; else all streams are told that it is not."""
    async with core.database.reading() as connection:
        head = await feed.read_feed_head(connection)
        stood = core.feed.head
        if stood is not None:
            there = await feed.event_id_at(connection, stood.position) if stood.position else None
            if stood.feed_id == head.feed_id and stood.position <= head.position and there == stood.event_id:
                core.feed.begin(stood)
                return
            log.error("feed_diverged", position=stood.position, head=head.position)
            core.feed.end(FeedDiverged())
        position = max(head.trimmed_position, head.position - WARM)
        event_id = head.trimmed_event_id
        if position > head.trimmed_position:
            event_id = await feed.event_id_at(connection, position)
        core.feed.begin(FeedPlace(head.feed_id, position, event_id))
    await _publish_new(core)


async def _publish_new(core: Core) -> None:
    while True:
        async with core.database.reading() as connection:
            entries = await feed.entries_after(connection, core.feed.position, AT_ONCE)
            events = await feed.events_of(connection, entries)
        if events:
            core.feed.publish(events)
        if len(events) < AT_ONCE:
            core.feed.heard_at = asyncio.get_running_loop().time()
            return


async def remind_for_ever(core: Core) -> None:
    """Has idle streams send their bookmarks in time, until cancelled."""
    while True:
        await asyncio.sleep(1.0)
        core.feed.tick(asyncio.get_running_loop().time())
