"""Leases: one holder at a time, which is replaced if it stops renewing, and can no longer write."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.leases import LEASE_SECONDS, RENEW_SECONDS, Lease, LeaseLost, fenced, leading, verify
from storage.postgres.sessions import POOL, connect

NAME = "a test"
TAKEOVER_SECONDS = 60.0


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def row(url: str) -> tuple[int, bool]:
    """Returns the fence, and whether the lease has expired."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT fence, expires_at <= clock_timestamp() FROM lease WHERE name = %s", [NAME]
        ).fetchone()
    assert found is not None
    return found


async def take_over(url: str) -> Lease:
    """Waits for the lease as another process does, and returns it."""
    async with leading(url, NAME, uuid4()) as lease:
        return lease


async def no_work(tx: Connection) -> None:
    return


def set_expiry(url: str, interval: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "UPDATE lease SET expires_at = clock_timestamp() + %s::interval WHERE name = %s", [interval, NAME]
        )


def test_nobody_else_takes_a_lease_that_is_renewed(own_database_url: str) -> None:
    async def scenario() -> None:
        async with leading(own_database_url, NAME) as lease:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(LEASE_SECONDS + 2):
                    await take_over(own_database_url)
            assert row(own_database_url) == (lease.fence, False)

    asyncio.run(scenario())


def test_a_released_lease_can_be_taken_immediately(own_database_url: str) -> None:
    async def scenario() -> None:
        async with leading(own_database_url, NAME) as first:
            pass
        assert row(own_database_url) == (first.fence, True)  # it has expired before its time
        assert (await take_over(own_database_url)).fence == first.fence + 1

    asyncio.run(scenario())


def test_a_replaced_holder_cannot_write_and_its_work_is_cancelled(own_database_url: str) -> None:
    async def scenario() -> None:
        async with opened(own_database_url) as database:
            with pytest.raises(LeaseLost):
                async with leading(own_database_url, NAME) as lease:
                    await database.write(fenced(lease, no_work))
                    set_expiry(own_database_url, "-1 second")
                    new = await take_over(own_database_url)
                    assert new.fence == lease.fence + 1
                    with pytest.raises(LeaseLost):
                        await database.write(fenced(lease, no_work))
                    async with asyncio.timeout(TAKEOVER_SECONDS):
                        await asyncio.Event().wait()  # cancelled by the next renewal, which fails

    asyncio.run(scenario())


def test_nobody_takes_a_lease_while_a_fenced_transaction_is_open(own_database_url: str) -> None:
    async def scenario() -> None:
        async with opened(own_database_url) as database, leading(own_database_url, NAME) as lease:

            async def work(tx: Connection) -> asyncio.Task[Lease]:
                set_expiry(own_database_url, "-1 second")
                taking = asyncio.create_task(take_over(own_database_url))
                await asyncio.sleep(RENEW_SECONDS * 0.8)  # the lease is expired until it is renewed
                assert not taking.done()
                return taking

            taking = await database.write(fenced(lease, work))
        assert (await asyncio.wait_for(taking, TAKEOVER_SECONDS)).fence == lease.fence + 1

    asyncio.run(scenario())


def test_a_process_that_freezes_in_a_transaction_is_replaced_in_time(own_database_url: str) -> None:
    """A session of the holder is idle with the fence locked, like that of a stopped process."""

    async def scenario() -> None:
        async with leading(own_database_url, NAME) as lease:
            pass
        frozen = await connect(own_database_url, POOL)
        try:
            await frozen.execute("BEGIN")
            await frozen.execute("SELECT FROM lease WHERE name = %s FOR KEY SHARE", [NAME])
            began = time.monotonic()
            async with asyncio.timeout(TAKEOVER_SECONDS):
                assert (await take_over(own_database_url)).fence == lease.fence + 1
            assert time.monotonic() - began > 5  # the open transaction delayed it
            with pytest.raises(psycopg.Error) as ended:
                await verify(frozen, lease)
            assert ended.value.sqlstate in ("25P03", None)
        finally:
            await frozen.close()

    asyncio.run(scenario())


def test_a_lease_can_be_taken_after_the_clock_was_set_back(own_database_url: str) -> None:
    async def scenario() -> None:
        async with leading(own_database_url, NAME) as first:
            pass
        set_expiry(own_database_url, "1 hour")
        async with asyncio.timeout(TAKEOVER_SECONDS):
            assert (await take_over(own_database_url)).fence == first.fence + 1

    asyncio.run(scenario())
