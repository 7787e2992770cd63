"""A connection on which a cancelled statement ends soon, even if the database doesn't respond.

When a task is cancelled while its statement runs, psycopg asks PostgreSQL to cancel the statement and waits up to five
seconds for each of the two responses. With a frozen database, a caller would get its response ten seconds after its
deadline. Here both together take at most `END_SECONDS`, and so does each further statement of the cancelled task (the
ROLLBACK of its transaction). If that is not enough, the connection is closed and the pool replaces it.
"""

import asyncio
from typing import Any, NoReturn

import psycopg
from psycopg import AsyncConnection, waiting
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

END_SECONDS = 0.5
POLL_SECONDS = 0.1


class Cursor(psycopg.AsyncCursor[TupleRow]):
    """Fetches in binary format, which is exact and fast, and which our day types require."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = psycopg.pq.Format.BINARY

    async def executemany(self, *_: Any, **__: Any) -> NoReturn:
        """Not supported. Use `insert_rows` in `storage/postgres/rows.py`, which says why."""
        raise NotImplementedError


class BoundedConnection(AsyncConnection[TupleRow]):
    """The class of all asynchronous connections in this product."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = Cursor

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = POLL_SECONDS,
        timeout: float | None = None,  # noqa: ASYNC109 (the signature is psycopg's)
    ) -> RV:
        """Runs the socket operations of a statement. The overridden method waits longer after a cancellation."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return await self._wait_briefly(gen, interval)
        try:
            return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                await self._end_statement(gen)
            raise

    async def _wait_briefly(self, gen: PQGen[RV], interval: float) -> RV:
        try:
            async with asyncio.timeout(END_SECONDS):
                return await waiting.wait_async(gen, self.pgconn.socket, interval=interval)
        except TimeoutError as timeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the database did not end a cancelled transaction in time") from timeout
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise

    async def _end_statement(self, gen: PQGen[Any]) -> None:
        """Cancels the statement. Closes the connection if PostgreSQL does not confirm that in time."""
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.cancel_safe(timeout=END_SECONDS)
                await waiting.wait_async(gen, self.pgconn.socket, interval=POLL_SECONDS)
        except psycopg.errors.QueryCanceled:
            return
        except (psycopg.Error, TimeoutError):
            if self.pgconn.transaction_status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN):
                self.pgconn.finish()
        except BaseException:
            self.pgconn.finish()  # cancelled again: the state of the statement is unknown
            raise
