"""Leases: work that only one server at a time may do. A server that was frozen can't write after it was replaced.

A lease is a row with its holder, its expiry by the database's clock, and a fence: a number that grows with each new
holder. The holder renews the lease, and is replaced if it does not. A session-level lock would not do, because it is
held as long as the session exists, even if the server is frozen or its host is down.

Between two renewals, a holder can't know whether it was replaced. So every transaction of a holder verifies the fence
(`verify`). This locks the row against a new holder, but not against renewals: a new holder waits until the transaction
has ended.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import LiteralString, TypeVar
from uuid import UUID, uuid4

import psycopg

from storage.postgres.bounded_connection import BoundedConnection
from storage.postgres.database import Connection
from storage.postgres.database_errors import translated
from storage.postgres.rows import find_value
from storage.postgres.sessions import LEASE, connect

T = TypeVar("T")

LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0
TRY_SECONDS = 1.0
RELEASE_SECONDS = 1.0

PROCESS = uuid4()
"""The holder of all leases of this process."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease, which is valid as long as no other holder has taken it."""

    name: str
    fence: int


class LeaseLost(Exception):
    """Another server holds the lease, or can take it at any time."""


@asynccontextmanager
async def leading(url: str, name: str, holder: UUID = PROCESS) -> AsyncIterator[Lease]:
    """Waits for a lease and yields it, while a task renews it. If the lease is lost, cancels the `with` block.

    Raises LeaseLost, and DatabaseUnavailable if the database can't be reached.
    """
    with translated():
        connection = await connect(url, LEASE)
    try:
        with translated():
            lease, expires_at = await _acquired(connection, name, holder)
        holding = asyncio.timeout_at(expires_at)
        renewing = asyncio.create_task(_keep_renewing(connection, lease, holding), name=f"renew {name}")
        try:
            async with holding:
                yield lease
        except TimeoutError as timeout:
            if holding.expired():
                raise LeaseLost from timeout
            raise
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
            await _release(connection, lease)
    finally:
        await connection.close()


async def verify(tx: Connection, lease: Lease) -> None:
    """Verifies that a lease is still held, and prevents others from taking it until the transaction ends.

    Raises LeaseLost.
    """
    cursor = await tx.execute(
        "SELECT FROM lease WHERE name = %s AND fence = %s FOR KEY SHARE", [lease.name, lease.fence]
    )
    if await cursor.fetchone() is None:
        raise LeaseLost


def fenced(lease: Lease | None, work: Callable[[Connection], Awaitable[T]]) -> Callable[[Connection], Awaitable[T]]:
    """Returns work that first verifies the lease and raises LeaseLost if it is lost. No lease: nothing is verified."""

    async def checked(tx: Connection) -> T:
        if lease is not None:
            await verify(tx, lease)
        return await work(tx)

    return checked


VACANT_SECONDS: LiteralString = (
    "SELECT coalesce(jsonb_object_agg(name, greatest(0, extract(epoch FROM clock_timestamp() - expires_at))::float8),"
    " '{}') FROM lease WHERE name = ANY(%s)"
)
"""SQL for how many seconds each lease has had no holder. Leases that were never taken are omitted."""


async def _acquired(connection: BoundedConnection, name: str, holder: UUID) -> tuple[Lease, float]:
    """Waits for the lease. Returns it with the time, by the event loop's clock, until which it is certainly held."""
    loop = asyncio.get_running_loop()
    await connection.execute(
        "INSERT INTO lease (name, holder, fence, expires_at) VALUES (%s, %s, 0, clock_timestamp())"
        " ON CONFLICT DO NOTHING",
        [name, holder],
    )
    while True:
        requested_at = loop.time()
        fence = await _take(connection, name, holder)
        if fence is not None:
            return Lease(name, fence), requested_at + LEASE_SECONDS
        await asyncio.sleep(TRY_SECONDS)


async def _take(connection: BoundedConnection, name: str, holder: UUID) -> int | None:
    """Takes the lease. Returns the new fence, or None if it is held or a transaction of its last holder is still open.

    If the expiry is later than any renewal could have set it, the database's clock was set back, so the lease can be
    taken.
    """
    return await find_value(
        connection,
        int,
        "UPDATE lease SET holder = %(holder)s, fence = fence + 1,"
        " expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)"
        " WHERE name = (SELECT name FROM lease WHERE name = %(name)s AND (holder = %(holder)s"
        " OR expires_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => %(seconds)s))"
        " FOR UPDATE SKIP LOCKED) RETURNING fence",
        {"holder": holder, "name": name, "seconds": LEASE_SECONDS},
    )


async def _keep_renewing(connection: BoundedConnection, lease: Lease, holding: asyncio.Timeout) -> None:
    """Renews the lease until cancelled. Extends `holding` with each renewal, and ends it if the lease is lost."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        requested_at = loop.time()
        try:
            renewed = await _renew(connection, lease)
        except psycopg.Error:
            if not connection.closed:
                continue  # the database is slow: try again while the lease is valid
            renewed = False  # another session of this process could take the lease at any time
        if not renewed:
            holding.reschedule(loop.time())
            return
        holding.reschedule(requested_at + LEASE_SECONDS)


async def _renew(connection: BoundedConnection, lease: Lease) -> bool:
    cursor = await connection.execute(
        "UPDATE lease SET expires_at = clock_timestamp() + make_interval(secs => %s) WHERE name = %s AND fence = %s",
        [LEASE_SECONDS, lease.name, lease.fence],
    )
    return cursor.rowcount == 1


async def _release(connection: BoundedConnection, lease: Lease) -> None:
    """Releases the lease, so that another server can take it immediately. If that fails, the lease expires."""
    try:
        async with asyncio.timeout(RELEASE_SECONDS):
            await connection.execute(
                "UPDATE lease SET expires_at = clock_timestamp() WHERE name = %s AND fence = %s",
                [lease.name, lease.fence],
            )
    except (psycopg.Error, TimeoutError):
        return
