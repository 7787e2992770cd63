"""Keeps transactions open while their server computes.

PostgreSQL ends a transaction that is idle for too long (`sessions.py`), because its server may be frozen. A server that
only computes for a long time between two statements proves that it is alive by executing an empty statement from time
to time. A frozen server can't do that.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import PipelineStatus, TransactionStatus

INTERVAL_SECONDS = 2.0


@asynccontextmanager
async def kept_alive(tx: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Keeps a transaction open within a `with` block. It costs nothing unless the work takes longer than
    `INTERVAL_SECONDS`.

    If an empty statement is running when the work is done, this function waits for it. Cancelling it would fail the
    transaction, and PostgreSQL responds to the COMMIT of a failed transaction by rolling it back without an error.
    """
    loop = asyncio.get_running_loop()
    statements: set[asyncio.Task[Any]] = set()

    timer: asyncio.TimerHandle

    def send_if_idle() -> None:
        nonlocal timer
        timer = loop.call_later(INTERVAL_SECONDS, send_if_idle)
        if _is_idle(tx) and not statements:
            task = loop.create_task(_send_empty_statement(tx))
            statements.add(task)
            task.add_done_callback(statements.discard)

    timer = loop.call_later(INTERVAL_SECONDS, send_if_idle)
    try:
        yield
        timer.cancel()
        if statements:
            await asyncio.wait(statements)
    finally:
        timer.cancel()
        if statements:  # the work has failed, or was cancelled
            for task in statements:
                task.cancel()
            await asyncio.wait(statements)


def _is_idle(tx: AsyncConnection[Any]) -> bool:
    in_transaction = tx.pgconn.transaction_status == TransactionStatus.INTRANS
    return in_transaction and tx.pgconn.pipeline_status == PipelineStatus.OFF and not tx.lock.locked()


async def _send_empty_statement(tx: AsyncConnection[Any]) -> None:
    try:
        await tx.execute("SELECT")
    except Exception:
        return  # the next statement of the work gets the same error and reports it
