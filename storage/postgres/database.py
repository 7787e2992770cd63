"""A pool of connections, and transactions: the only way in which this product uses PostgreSQL at run time.

Operations pass in the work to do. This file begins and commits the transaction, retries work that lost against a
concurrent writer, and raises the domain's errors when the database is unavailable. It contains no SQL of any area.
"""

import asyncio
import logging
import select
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from domain.errors import DatabaseUnavailable, NotNow, Overloaded, WriteConflict
from storage.postgres.bounded_connection import BoundedConnection
from storage.postgres.database_errors import translated
from storage.postgres.day_types import register_day_types
from storage.postgres.fair_connections import FairConnections
from storage.postgres.keep_alive import kept_alive
from storage.postgres.refusals import DatabaseRefused, refused
from storage.postgres.sessions import MAX_PREPARED, POOL, PREPARE_AT_FIRST, SessionKind, connection_parameters
from storage.postgres.uuid_arrays import register_uuid_arrays

Connection = psycopg.AsyncConnection[psycopg.rows.TupleRow]
T = TypeVar("T")

WAIT_FOR_CONNECTION_SECONDS = 0.8
"""How long a call waits for a free connection. Less than a second, so that callers get an error quickly, but longer
than the first wait for a lock, so that writes that wait for a lock don't cause other calls to fail."""

PATIENCE_SECONDS = 5.0
"""How long a write waits for locks in total. Less than the idle timeout of sessions (`sessions.py` says why)."""

RECONNECT_SECONDS = 5.0
"""After this time the pool stops trying to open a connection, and tries again when a call needs one. With psycopg's
default, the pauses would grow to minutes while the database is unavailable."""

RESPONDS_SECONDS = 4.0
"""For how long a response on another connection shows that the database is available. The watchdog checks it every one
to three seconds."""

OPEN_SECONDS = 30.0
ATTEMPTS = 5
PROBE_SECONDS = 1.0

_RETRIED_ERRORS = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, url: str, pool_size: int = 20, kind: SessionKind = POOL) -> None:
        """Raises DatabaseUrlMalformed."""
        self._parameters = connection_parameters(url, kind)
        self._last_returned_at = float("-inf")
        self._last_responded_at = float("-inf")
        self._pool_size, self._in_use = pool_size, 0
        self._shares = FairConnections(pool_size)
        self.on_connect: Callable[[Connection], Awaitable[None]] | None = None
        """Called with every new connection before it is used."""
        self._patient = asyncio.Semaphore(max(1, pool_size // 3))
        self._pool = AsyncConnectionPool(
            connection_class=BoundedConnection,
            min_size=min(4, pool_size),
            max_size=pool_size,
            open=False,
            timeout=WAIT_FOR_CONNECTION_SECONDS,
            reconnect_timeout=RECONNECT_SECONDS,
            max_waiting=pool_size * 50,
            configure=self._configure,
            kwargs={**self._parameters, "autocommit": True, "prepare_threshold": PREPARE_AT_FIRST},
        )

    async def _configure(self, connection: Connection) -> None:
        register_day_types(connection)
        register_uuid_arrays(connection)
        connection.prepared_max = MAX_PREPARED
        if self.on_connect is not None:
            await self.on_connect(connection)

    async def open(self) -> None:
        """Opens the pool. Raises DatabaseRefused."""
        try:
            await self._pool.open(wait=True, timeout=OPEN_SECONDS)
        except PoolTimeout as timeout:
            raise await self._refusal(str(timeout)) from None  # the original error may quote the URL
        self.responded()

    async def _refusal(self, pool_message: str) -> DatabaseRefused:
        """Returns why the pool couldn't be opened. The pool doesn't report this, so another connection is opened."""
        try:
            connection = await BoundedConnection.connect(**self._parameters)
        except psycopg.Error as error:
            return refused(self._parameters, str(error))
        await connection.close()
        return refused(self._parameters, pool_message)

    async def close(self) -> None:
        await self._pool.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """Yields a connection on which every statement sees what was committed before it began. Takes no locks."""
        with _translated_read_errors():
            async with self._connection() as connection:
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Yields a connection on which all statements see the same committed state. Takes no locks."""
        with _translated_read_errors():
            async with self._connection() as connection, connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield connection

    async def write(
        self, work: Callable[[Connection], Awaitable[T]], *, patient: bool = True, generic_plans: bool = False
    ) -> T:
        """Runs `work` in one transaction and returns its result.

        With `generic_plans`, prepared statements aren't planned again for their parameters. That suits work that finds
        all rows by keys.

        Work that lost against a concurrent writer is retried a limited number of times. Work that has to wait longer
        for a lock gives its connection back and then waits with one of a few connections, so that locks of a dead
        server can't use up the whole pool. Work that is not `patient` fails instead. Raises WriteConflict.
        """
        with translated():
            try:
                return await self._retried(work, generic_plans=generic_plans)
            except psycopg.errors.LockNotAvailable:
                if not patient:
                    raise
            until = time.monotonic() + PATIENCE_SECONDS
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._patient.acquire()
            except TimeoutError as timeout:
                raise WriteConflict from timeout
            try:
                return await self._retried(work, max(0.1, until - time.monotonic()), generic_plans=generic_plans)
            finally:
                self._patient.release()

    async def _retried(
        self,
        work: Callable[[Connection], Awaitable[T]],
        lock_seconds: float | None = None,
        *,
        generic_plans: bool,
    ) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_RETRIED_ERRORS),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.01, max=0.2),
            reraise=True,
        )
        return await retrying(self._write_once, work, lock_seconds, generic_plans)

    async def _write_once(
        self, work: Callable[[Connection], Awaitable[T]], lock_seconds: float | None, generic_plans: bool
    ) -> T:
        async with self._connection() as connection, connection.transaction(), kept_alive(connection):
            if lock_seconds is not None:
                await connection.execute(
                    "SELECT set_config('lock_timeout', %s, true)", [f"{round(lock_seconds * 1000)}ms"]
                )
            if generic_plans:
                await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            return await work(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Yields a connection of the pool, fairly between callers.

        Raises Overloaded if all are in use (`why_none_is_free`), and DatabaseUnavailable.
        """
        async with AsyncExitStack() as stack:
            try:
                connection = await self._take(
                    await stack.enter_async_context(self._shares.turn(WAIT_FOR_CONNECTION_SECONDS))
                )
            except TooManyRequests as error:
                raise Overloaded from error
            except PoolTimeout as none_free:
                raise self.why_none_is_free() from none_free
            self._in_use += 1
            try:
                yield connection
            except psycopg.errors.ReadOnlySqlTransaction:
                await connection.close()  # after a failover, the next connection finds the new primary
                raise
            finally:
                self._in_use -= 1
                if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                    self._last_returned_at = time.monotonic()
                else:
                    # Otherwise the pool would wait for the rollback, and lose the connection if that is cancelled.
                    await connection.close()
                await self._pool.putconn(connection)

    def why_none_is_free(self) -> NotNow:
        """Returns the error of a call that has waited too long: Overloaded if connections are being returned in time,
        or if all are in use and the database responds, only slowly. Otherwise DatabaseUnavailable."""
        now = time.monotonic()
        in_time = now - self._last_returned_at < WAIT_FOR_CONNECTION_SECONDS
        is_slow = now - self._last_responded_at < RESPONDS_SECONDS and self._in_use >= self._pool_size
        return Overloaded() if in_time or is_slow else DatabaseUnavailable()

    def responded(self) -> None:
        """Records that the database has just responded on a connection outside of the pool."""
        self._last_responded_at = time.monotonic()

    async def _take(self, seconds: float) -> BoundedConnection:
        """Returns a connection whose session PostgreSQL has not ended. Raises TooManyRequests, PoolTimeout."""
        while _was_ended(connection := await self._pool.getconn(seconds)):
            await connection.close()
            await self._pool.putconn(connection)
        return connection

    async def answers(self) -> bool:
        """Returns whether calls get working connections. That all connections are in use counts as working.

        Doesn't use the database if a connection has worked within the last second.
        """
        if time.monotonic() - self._last_returned_at < PROBE_SECONDS:
            return True
        try:
            async with asyncio.timeout(PROBE_SECONDS), self.reading() as connection:
                await connection.execute("SELECT 1")
        except Overloaded:
            return True
        except (NotNow, TimeoutError):
            return False
        return True

    def connections(self) -> dict[str, Callable[[], float]]:
        """Returns functions that return the current number of connections of each kind."""
        return {
            "all": lambda: self._pool.get_stats().get("pool_size", 0),
            "free": lambda: self._pool.get_stats().get("pool_available", 0),
        }

    def waiting(self) -> float:
        """Returns how many calls are waiting for a connection."""
        return self._shares.waiting + self._pool.get_stats().get("requests_waiting", 0)


@contextmanager
def _translated_read_errors() -> Iterator[None]:
    """Translates errors of work that takes no locks. It can only wait for the table lock of a migration."""
    with translated():
        try:
            yield
        except psycopg.errors.LockNotAvailable as locked:
            raise DatabaseUnavailable from locked


def _was_ended(connection: BoundedConnection) -> bool:
    """Returns whether PostgreSQL has ended an idle session: then its socket has data to read."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
