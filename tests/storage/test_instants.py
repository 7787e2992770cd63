"""Instants of recording: nothing is recorded in a past that has been read, even if the clock is set back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import psycopg
import pytest

from storage.postgres.database import Connection, Database
from storage.postgres.instants import NOW, follow_clock, settled_until
from tests.support.shifted_clock import make_shiftable, present, set_ahead


@pytest.fixture
def shiftable(own_database_url: str) -> Iterator[psycopg.Connection]:
    """Yields a connection to a database whose clock the test can move with `set_ahead`."""
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        make_shiftable(connection)
        yield connection


def recorded(connection: psycopg.Connection) -> datetime:
    row = connection.execute(f"SELECT {NOW}").fetchone()
    assert row
    instant: datetime = row[0]
    return instant


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url, 5)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def settled(url: str, instant: datetime, seconds: float = 120) -> bool:
    """Returns whether an instant is settled within `seconds`."""

    async def wait() -> bool:
        async with opened(url) as database:
            try:
                await asyncio.wait_for(settled_until(database, instant), seconds)
            except TimeoutError:
                return False
            return True

    return asyncio.run(wait())


@pytest.mark.parametrize("back", [timedelta(milliseconds=1), timedelta(seconds=60), timedelta(days=40)])
def test_states_recorded_after_the_clock_was_set_back_are_later_than_all_reads(
    own_database_url: str, shiftable: psycopg.Connection, back: timedelta
) -> None:
    set_ahead(shiftable, back)
    read = present(shiftable)
    assert settled(own_database_url, read)
    set_ahead(shiftable, timedelta(0))
    assert recorded(shiftable) > read
    assert settled(own_database_url, read)


def test_recorded_states_can_be_read_immediately_while_the_clock_is_behind(
    own_database_url: str, shiftable: psycopg.Connection
) -> None:
    set_ahead(shiftable, timedelta(days=1))
    assert settled(own_database_url, present(shiftable))
    set_ahead(shiftable, timedelta(0))
    instants = []
    for _ in range(5):
        instants.append(recorded(shiftable))
        assert settled(own_database_url, instants[-1])
    assert instants == sorted(set(instants))


def test_a_read_as_of_a_future_instant_waits(own_database_url: str, shiftable: psycopg.Connection) -> None:
    instant = present(shiftable) + timedelta(hours=1)
    assert not settled(own_database_url, instant, seconds=0.5)
    set_ahead(shiftable, timedelta(hours=2))
    assert settled(own_database_url, instant)


@pytest.mark.parametrize(("age", "is_settled"), [(timedelta(0), True), (timedelta(minutes=1), False)])
def test_an_instant_before_the_newest_state_is_settled_while_the_clock_is_behind_it(
    own_database_url: str, shiftable: psycopg.Connection, age: timedelta, is_settled: bool
) -> None:
    instant = present(shiftable) + timedelta(hours=1)

    async def newest(_: Connection) -> datetime:
        return instant - age

    async def is_read() -> bool:
        async with opened(own_database_url) as database:
            try:
                await asyncio.wait_for(settled_until(database, instant, newest), 120 if is_settled else 0.5)
            except TimeoutError:
                return False
            return True

    assert asyncio.run(is_read()) is is_settled


def test_a_read_waits_only_for_transactions_that_began_before_its_instant(
    own_database_url: str,
) -> None:
    async def story() -> None:
        async with (
            opened(own_database_url) as database,
            database.reading() as earlier,
            database.reading() as later,
        ):
            async with earlier.transaction():
                cursor = await earlier.execute(f"SELECT {NOW}")
                row = await cursor.fetchone()
                assert row
                waiting = asyncio.create_task(settled_until(database, row[0]))
                await asyncio.sleep(0.2)
                assert not waiting.done()
                await _begin_writing(later)
            await asyncio.wait_for(waiting, 120)
            await later.rollback()
            await later.set_autocommit(True)

    asyncio.run(story())


async def _begin_writing(connection: Connection) -> None:
    """Begins a transaction that has an id."""
    await connection.set_autocommit(False)
    await connection.execute("SELECT pg_current_xact_id()")


def test_the_guard_follows_a_fast_clock_at_a_limited_pace(own_database_url: str, shiftable: psycopg.Connection) -> None:
    async def looks(database: Database) -> None:
        for _ in range(10):
            async with database.reading() as connection:
                await follow_clock(connection)

    async def story() -> None:
        async with opened(own_database_url) as database:
            await looks(database)

    before = present(shiftable)
    set_ahead(shiftable, timedelta(days=40))
    asyncio.run(story())
    set_ahead(shiftable, timedelta(0))
    assert recorded(shiftable) < before + timedelta(minutes=2)
