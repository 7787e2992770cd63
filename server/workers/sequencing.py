"""The workers that give committed events their positions, and end the feed's memory of old ones.

Every server runs them; the row lock of the feed's head lets one at a time do its work.
"""

import asyncio
import contextlib

import structlog

from domain.errors import DomainError
from server import metrics
from server.operations.core import Core
from storage.outbox import pending_seconds, sequence, trim

AT_ONCE = 1000
LEAST_PAUSE_SECONDS = 0.002
"""Between two passes, so that what is committed at nearly the same time shares one."""
POLL_SECONDS = 0.5
"""For what was committed by a process that ended before it could sequence it."""
ALARM_SECONDS = 5.0
TRIM_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def sequence_for_ever(core: Core) -> None:
    """Sequences what this process has written at once, what others left within half a second, until cancelled."""
    while True:
        core.events_written.clear()
        if await _sequence_pending(core) < AT_ONCE:
            await asyncio.sleep(LEAST_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(core.events_written.wait(), POLL_SECONDS)


async def _sequence_pending(core: Core) -> int:
    try:
        async with core.database.reading() as connection:
            waited = await pending_seconds(connection)
        metrics.PENDING_SECONDS.set(waited or 0.0)
        if waited is None:
            return 0
        if waited > ALARM_SECONDS:
            log.warning("feed_late", seconds=round(waited, 1))
        return await core.database.write(lambda tx: sequence(tx, AT_ONCE))
    except DomainError as away:
        log.warning("feed_postponed", reason=away.reason)
        return 0


async def trim_for_ever(core: Core, keep_days: float) -> None:
    """Every minute forgets what is older than so many days, until cancelled."""
    while True:
        trimmed = 0
        with contextlib.suppress(DomainError):  # the database is away: said by others, and tried again
            trimmed = await core.database.write(lambda tx: trim(tx, keep_days, AT_ONCE))
        if trimmed < AT_ONCE:
            await asyncio.sleep(TRIM_EVERY_SECONDS)
