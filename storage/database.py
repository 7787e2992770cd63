"""One pool of connections, and transactions that end well: the only way of this product to PostgreSQL at run time.

Operations hand in what is to be done; this file begins, commits, repeats what lost against a concurrent writer, and
says in the domain's words when the database is away. No SQL of any area stands here.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests
from tenacity import (
    AsyncRetrying,
    RetryError,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from domain.errors import DatabaseUnavailable, Overloaded, WriteConflict
from storage.day_types import register_day_types

Connection = AsyncConnection[TupleRow]
T = TypeVar("T")

WAIT_FOR_CONNECTION_SECONDS = 0.8
"""How long a call waits for a free connection: less than a second, so that callers learn soon that we are away."""

PROBE_SECONDS = 1.0
ATTEMPTS = 5

_LOST_AGAINST_OTHERS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_AWAY = (psycopg.OperationalError, PoolTimeout, PoolClosed)

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self._came_back_at = float("-inf")
        self._pool = AsyncConnectionPool(
            url,
            min_size=min(4, pool_size),
            max_size=pool_size,
            open=False,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            max_waiting=pool_size * 50,
            configure=_configure,
            kwargs={
                "autocommit": True,
                "connect_timeout": 5,
                "application_name": "affilia",
                "cursor_factory": Cursor,
            },
        )

    async def open(self) -> None:
        """Raises DatabaseUnavailable."""
        try:
            await self._pool.open(wait=True, timeout=30)
        except _AWAY as away:
            raise DatabaseUnavailable from away

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """A connection on which every statement sees what is committed when it begins. Takes no locks."""
        async with self._connection() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection on which all statements see the same committed state. Takes no locks."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    async def write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does `work` in one transaction: all of it or nothing.

        Work that lost against a concurrent writer is begun anew, a bounded number of times; then WriteConflict.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_LOST_AGAINST_OTHERS),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.01, max=0.2),
        )
        try:
            return await retrying(self._write_once, work)
        except RetryError as lost:
            raise WriteConflict from lost

    async def _write_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._connection() as connection, connection.transaction():
            return await work(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """One of the pool's. Raises DatabaseUnavailable, or Overloaded where all are in use and come back in time."""
        try:
            async with self._pool.connection() as connection:
                yield connection
                self._came_back_at = time.monotonic()
        except _LOST_AGAINST_OTHERS:
            raise
        except psycopg.errors.QueryCanceled:
            raise
        except TooManyRequests as crowded:
            raise Overloaded from crowded
        except PoolTimeout as none_free:
            if time.monotonic() - self._came_back_at < WAIT_FOR_CONNECTION_SECONDS:
                raise Overloaded from none_free
            raise DatabaseUnavailable from none_free
        except _AWAY as away:
            raise DatabaseUnavailable from away

    async def answers(self) -> bool:
        """Whether the database answers at all; for health. One that is busy does."""
        try:
            async with asyncio.timeout(PROBE_SECONDS), self.reading() as connection:
                await connection.execute("SELECT 1")
        except Overloaded:
            return True
        except (DatabaseUnavailable, TimeoutError):
            return False
        return True

    def connections(self) -> dict[str, Callable[[], float]]:
        """How many connections there are of each kind, to be asked at any time."""
        return {
            "all": lambda: self._pool.get_stats().get("pool_size", 0),
            "free": lambda: self._pool.get_stats().get("pool_available", 0),
        }

    def waiting(self) -> float:
        """How many calls wait for a connection."""
        return self._pool.get_stats().get("requests_waiting", 0)


class Cursor(psycopg.AsyncCursor[TupleRow]):
    """Fetches in binary, which is exact and quick, and which our day types need."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = psycopg.pq.Format.BINARY


async def _configure(connection: Connection) -> None:
    register_day_types(connection)
