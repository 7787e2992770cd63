"""Combines the reads of concurrent callers. Each caller gets the result of a read that begins after its call."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

from storage.postgres.fair_connections import start_shared_task

K = TypeVar("K")
V = TypeVar("V")

WAIT_SECONDS = 0.1
"""How long a read waits for the previous one, which can be stuck on a broken connection."""


class Gathering(Generic[K, V]):
    """Reads values by key. While a read is running, the keys of additional callers are gathered for the next one."""

    def __init__(self) -> None:
        self._gathered: set[K] = set()
        self._next: asyncio.Task[Mapping[K, V]] | None = None
        self._latest: asyncio.Task[Mapping[K, V]] | None = None

    async def read(self, keys: Collection[K], read: Callable[[set[K]], Awaitable[Mapping[K, V]]]) -> Mapping[K, V]:
        """Returns what `read` returns for these keys and those of other callers. Raises what it raises."""
        self._gathered.update(keys)
        if self._next is None:
            self._next = start_shared_task(self._read(read, self._latest))
            self._next.add_done_callback(_retrieved)
        return await asyncio.shield(self._next)

    async def _read(
        self, read: Callable[[set[K]], Awaitable[Mapping[K, V]]], previous: asyncio.Task[Mapping[K, V]] | None
    ) -> Mapping[K, V]:
        if previous is not None:
            await asyncio.wait([previous], timeout=WAIT_SECONDS)
        gathered, self._gathered = self._gathered, set()
        self._latest, self._next = self._next, None
        return await read(gathered)


def _retrieved(task: "asyncio.Task[Mapping[K, V]]") -> None:
    """Keeps asyncio from reporting the error of a read whose callers have all been cancelled."""
    if not task.cancelled():
        task.exception()
