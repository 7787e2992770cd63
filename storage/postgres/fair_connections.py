"""Shares the connections of the pool fairly between callers."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from typing import Any, TypeVar

from psycopg_pool import PoolTimeout

from domain.errors import Overloaded
from storage.sharing.shared_capacity import THE_SERVER, SharedCapacity

connection_owner: ContextVar[str] = ContextVar("connection_owner", default=THE_SERVER)
"""The caller on whose behalf the current task takes connections. The server sets it for every call."""

T = TypeVar("T")


def start_shared_task(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts a task whose result several callers can await. Whichever caller is first, the task takes connections on
    behalf of the server, and its log lines have no call id."""
    return asyncio.create_task(work, context=Context())


class FairConnections:
    """Permissions to take a connection: as many at a time as the pool has connections."""

    def __init__(self, pool_size: int) -> None:
        self._capacity = SharedCapacity(pool_size)

    @property
    def waiting(self) -> int:
        """Number of tasks that are waiting for a permission."""
        return self._capacity.waiting

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[float]:
        """Waits for a permission and yields how many of the `seconds` are left.

        Raises PoolTimeout if no connection became free, and Overloaded if some are free but this caller already has its
        share.
        """
        owner, began = connection_owner.get(), time.monotonic()
        try:
            await self._capacity.take(owner, 1, seconds)
        except TimeoutError as none_free:
            if self._capacity.used < self._capacity.capacity:
                raise Overloaded from none_free
            raise PoolTimeout(f"no connection became free in {seconds} s") from none_free
        try:
            yield max(0.0, seconds - (time.monotonic() - began))
        finally:
            self._capacity.release(owner, 1)
