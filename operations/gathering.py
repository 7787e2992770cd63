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
        self._keys: set[K] = set()
        self._callers: list[asyncio.Future[Mapping[K, V]]] = []
        self._latest: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def read(self, keys: Collection[K], read: Callable[[set[K]], Awaitable[Mapping[K, V]]]) -> Mapping[K, V]:
        """Returns what `read` returns for these keys and those of other callers. Raises what it raises."""
        found: asyncio.Future[Mapping[K, V]] = asyncio.get_running_loop().create_future()
        self._keys.update(keys)
        self._callers.append(found)
        if self._next is None:
            self._next = start_shared_task(self._read(read, self._latest))
        return await found

    async def _read(
        self, read: Callable[[set[K]], Awaitable[Mapping[K, V]]], previous: asyncio.Task[None] | None
    ) -> None:
        if previous is not None:
            await asyncio.wait([previous], timeout=WAIT_SECONDS)
        keys, self._keys = self._keys, set()
        callers, self._callers = self._callers, []
        self._latest, self._next = self._next, None
        try:
            found = await read(keys)
        except Exception as error:
            for caller in callers:
                if not caller.done():
                    caller.set_exception(error)
        else:
            for caller in callers:
                if not caller.done():
                    caller.set_result(found)
        finally:
            for caller in callers:  # has an effect only if this task was cancelled
                caller.cancel()
