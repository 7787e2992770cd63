"""Keeps workers going: one that fails for a reason that it did not expect is told of, and begun again.

Whatever a worker does is in the database, so beginning again is going on.
"""

import asyncio
from collections.abc import Callable, Coroutine
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
            log.error("worker_failed", worker=name, error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)
