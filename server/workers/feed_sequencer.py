"""Workers that give committed events their positions in the feed, and remove old entries from it.

Every server runs them. The row lock of the feed's head lets one of them work at a time.
"""

import asyncio
import contextlib

import structlog

from operations.core import Core
from server.telemetry import metrics
from storage.outbox import pending_seconds, sequence, trim

MAX_EVENTS = 1000
"""Maximum number of events to sequence, or entries to remove, in one transaction."""
MIN_PAUSE_SECONDS = 0.002
"""Pause between two passes, so that events committed at nearly the same time share one."""
POLL_SECONDS = 10.0
"""In addition to looks at the database, which also find events of a process that ended before it sequenced them."""
TRIM_SECONDS = 60.0
HELD_BACK_ALARM_SECONDS = 24 * 3600.0
"""Trimming falls behind, because its pace is limited, after a clock jump, a long downtime, or a shorter retention."""

log = structlog.get_logger()


async def sequence_feed(core: Core) -> None:
    """Sequences this process's events immediately, and those that other servers left within half a second.

    Raises WriteConflict instead of waiting for a server that holds the head: the supervisor soon tries again.
    """
    wanted = False
    while True:
        core.sequencing.wanted.clear()
        if await _sequence_pending(core, wanted=wanted) < MAX_EVENTS:
            await asyncio.sleep(MIN_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(core.sequencing.wanted.wait(), POLL_SECONDS)
        wanted = core.sequencing.wanted.is_set()


async def _sequence_pending(core: Core, *, wanted: bool) -> int:
    """Runs one pass. Returns how many events it sequenced. It only locks the head if something is wanted or pending."""
    waiting = core.sequencing.waiting()
    moved = 0
    if wanted or await _is_pending(core):
        moved = await core.database.write(lambda tx: sequence(tx, MAX_EVENTS), patient=False)
    if moved < MAX_EVENTS:
        core.sequencing.notify(waiting)
    return moved


async def _is_pending(core: Core) -> bool:
    async with core.database.reading() as connection:
        return await pending_seconds(connection) is not None


async def trim_feed(core: Core, keep_days: float) -> None:
    """Removes entries older than `keep_days` from the feed, every minute."""
    while True:
        trimmed = await core.database.write(lambda tx: trim(tx, keep_days, MAX_EVENTS), patient=False)
        held_back = trimmed.held_back.total_seconds()
        metrics.TRIM_HELD_BACK_SECONDS.set(held_back)
        if held_back > HELD_BACK_ALARM_SECONDS:
            log.warning("feed_trim_held_back", seconds=round(held_back))
        if trimmed.entries < MAX_EVENTS:
            await asyncio.sleep(TRIM_SECONDS)
