"""Reads of the feed from the database, shared by streams that wait for the same batch."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from domain.enrollment.events import EventFilter
from operations.feed_tail import EventBatch
from storage.postgres.fair_connections import start_shared_task

ReadKey = tuple[int, EventFilter]
"""The position before a batch, and the filter of its stream."""


@dataclass(slots=True, eq=False)
class _Read:
    task: "asyncio.Task[EventBatch]"
    waiting: int = 0


class SharedReads:
    """The running reads. After a restart, thousands of streams can resume at the same position."""

    def __init__(self) -> None:
        self._running: dict[ReadKey, _Read] = {}

    async def batch(self, key: ReadKey, read: Callable[[], Coroutine[Any, Any, EventBatch]]) -> EventBatch:
        """Returns the result of `read`, or of a running read with the same key.

        A read is cancelled when nobody waits for it.
        """
        shared = self._running.get(key)
        if shared is None or shared.task.done():
            shared = self._running[key] = _Read(start_shared_task(read()))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                shared.task.cancel()
                if self._running.get(key) is shared:
                    del self._running[key]
