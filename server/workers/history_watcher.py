"""Workers on the write log: one follows usage and detects a restore, the other keeps the log short."""

import asyncio
import contextlib

from operations.core import Core
from operations.history import refresh
from storage.history import trim

REFRESH_SECONDS = 0.1
TRIM_SECONDS = 60.0


async def watch_history(core: Core) -> None:
    """Reads new writes ten times a second, and immediately after this process has changed balances."""
    while True:
        core.history.look_wanted.clear()
        await refresh(core)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(core.history.look_wanted.wait(), REFRESH_SECONDS)


async def trim_write_log(core: Core) -> None:
    """Removes old rows from the write log once a minute."""
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        await core.database.write(trim)
