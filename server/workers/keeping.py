"""Keeps workers going: one that fails for a reason that it did not expect is told of, and begun again.

Whatever a worker does is in the database, so beginning again is going on.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from server.log import where

AGAIN_SECONDS = 1.0

log = structlog.get_logger()


def kept_going(name: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    """A task that does what `begin` makes, again and again where it fails, until it is cancelled."""
    return asyncio.create_task(_keep_going(name, begin), name=name)


async def _keep_going(name: str, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await begin()
            return
        except Exception as error:
            if cancelled():
                return
            log.error("worker_failed", worker=name, error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)


def cancelled() -> bool:
    """Whether this task was told to end. What it was doing may have made another error of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Ends tasks. One that took the telling for a failure of what it was doing, and went on, is told again."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
