"""Workers on the write log: one follows usage and detects a restore, the other keeps the log short."""

import asyncio
import contextlib

from operations.core import Core
from operations.history import refresh
from storage.history import trim

REFRESH_SECONDS = 0.1
IDLE_SECONDS = 0.5
LINGER_SECONDS = 2.0
TRIM_SECONDS = 60.0


async def watch_history(core: Core) -> None:
    """Reads new writes ten times a second while there are any, otherwise twice a second.

    Reads them immediately after this process has changed balances, and soon after any other write of this process.
    """
    known, clock = core.history, asyncio.get_running_loop().time
    busy_until = 0.0
    while True:
        known.look_wanted.clear()
        if known.stirred.is_set():
            busy_until = clock() + LINGER_SECONDS
            known.stirred.clear()
        newest = known.sighting.newest
        await refresh(core)
        if known.sighting.newest != newest:
            busy_until = clock() + LINGER_SECONDS
        if await _happens(known.look_wanted, REFRESH_SECONDS) or clock() < busy_until:
            continue
        await _happens(known.stirred, IDLE_SECONDS - REFRESH_SECONDS)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Waits for an event. Returns whether it was set in time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def trim_write_log(core: Core) -> None:
    """Removes old rows from the write log once a minute."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        await core.database.write(trim)
