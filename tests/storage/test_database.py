"""The pool and its transactions: every wait is limited, and no failure loses a connection."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from domain.errors import DatabaseUnavailable, DomainError, NotNow, Overloaded, TooLate, WriteConflict
from storage.postgres import keep_alive
from storage.postgres.database import PATIENCE_SECONDS, WAIT_FOR_CONNECTION_SECONDS, Connection, Database
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.rows import insert_rows
from storage.postgres.sessions import POOL, SessionKind
from tests.support.waiting import wait_until_async

LONG = 120.0
SIZE = 4


@asynccontextmanager
async def opened(url: str, size: int = SIZE, kind: SessionKind = POOL) -> AsyncIterator[Database]:
    database = Database(url, size, kind)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def nothing(tx: Connection) -> None:
    await tx.execute("SELECT")


async def can_use_all_connections(database: Database, size: int = SIZE) -> bool:
    """Returns whether the maximum number of connections works at the same time."""
    inside = asyncio.Barrier(size)

    async def take() -> None:
        async with database.reading() as connection:
            await connection.execute("SELECT 1")
            await inside.wait()

    try:
        async with asyncio.timeout(WAIT_FOR_CONNECTION_SECONDS + 30), asyncio.TaskGroup() as group:
            for _ in range(size):
                group.create_task(take())
    except (TimeoutError, ExceptionGroup):
        return False
    return True


async def wait_until_all_connections_work(database: Database) -> None:
    await wait_until_async(lambda: can_use_all_connections(database), "all connections of the pool work")


# -------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("sqlstate", "meaning"),
    [
        ("40001", WriteConflict),
        ("40P01", WriteConflict),
        ("55P03", WriteConflict),
        ("57014", TooLate),
        ("25006", DatabaseUnavailable),
        ("25P03", DatabaseUnavailable),
        ("25P04", DatabaseUnavailable),
        ("08006", DatabaseUnavailable),
        ("53100", DatabaseUnavailable),
        ("53300", DatabaseUnavailable),
        ("57P01", DatabaseUnavailable),
        ("57P03", DatabaseUnavailable),
        ("58030", DatabaseUnavailable),
    ],
)
def test_temporary_errors_are_reported_as_retryable(
    database_url: str, sqlstate: str, meaning: type[DomainError]
) -> None:
    async def fail(tx: Connection) -> None:
        await tx.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{sqlstate}'; END $$")

    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(meaning) as raised:
                await database.write(fail)
            assert raised.value.__cause__ is not None
            await database.write(nothing)
            assert await can_use_all_connections(database)

    asyncio.run(scenario())


def test_a_defect_is_not_reported_as_retryable(database_url: str) -> None:
    async def fail(tx: Connection) -> None:
        await tx.execute("SELECT 1 / 0")

    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await database.write(fail)
            assert await can_use_all_connections(database)

    asyncio.run(scenario())


def test_writes_succeed_again_after_the_database_was_read_only(own_database_url: str) -> None:
    async def write(tx: Connection) -> None:
        await tx.execute("UPDATE feed_head SET position = position")

    async def scenario() -> None:
        async with opened(own_database_url) as database:
            await database.write(write)
            with psycopg.connect(own_database_url, autocommit=True) as owner:
                name = owner.info.dbname
                owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                with pytest.raises(DatabaseUnavailable):
                    await database.write(write)
                async with database.reading() as connection:
                    await connection.execute("SELECT FROM feed_head")
                owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
                await wait_until_async(lambda: succeeds(database.write(write)), "the database is writable")

    asyncio.run(scenario())


async def succeeds(work: Awaitable[object]) -> bool:
    try:
        await work
    except NotNow:
        return False
    return True


def test_no_call_fails_because_idle_sessions_were_ended(own_database_url: str) -> None:
    async def scenario() -> None:
        async with opened(own_database_url) as database:
            assert await can_use_all_connections(database)
            with psycopg.connect(own_database_url, autocommit=True) as owner:
                owner.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            for _ in range(SIZE + 1):
                async with database.reading() as connection:
                    await connection.execute("SELECT 1")
            await wait_until_all_connections_work(database)

    asyncio.run(scenario())


# -------------------------------------------------------------------------------------------- locks


@contextmanager
def feed_head_locked(url: str) -> Iterator[psycopg.Connection]:
    """Locks the row by a session without limits, like that of a server that the database can't reach."""
    with psycopg.connect(url) as holder:
        holder.execute("SELECT FROM feed_head FOR UPDATE")
        yield holder
        holder.rollback()


async def lock_feed_head(tx: Connection) -> None:
    await tx.execute("SELECT FROM feed_head FOR UPDATE")


def test_writes_that_wait_for_a_lock_do_not_use_up_the_pool(own_database_url: str) -> None:
    async def scenario() -> None:
        async with opened(own_database_url) as database:
            with feed_head_locked(own_database_url) as holder:
                writes = [asyncio.create_task(database.write(lock_feed_head)) for _ in range(20 * SIZE)]
                began, reads = time.monotonic(), 0
                while not all(write.done() for write in writes):
                    if time.monotonic() - began > 2 * WAIT_FOR_CONNECTION_SECONDS:  # from then on they wait patiently
                        async with database.reading() as connection:
                            await connection.execute("SELECT 1")
                        reads += 1
                    await asyncio.sleep(0.02)
                assert reads > 0
                outcomes = await asyncio.gather(*writes, return_exceptions=True)
                assert {type(outcome) for outcome in outcomes} <= {WriteConflict, Overloaded}
                assert any(isinstance(outcome, WriteConflict) for outcome in outcomes)
                assert time.monotonic() - began < PATIENCE_SECONDS + LONG
                patient = asyncio.create_task(database.write(lock_feed_head))
                await asyncio.sleep(1.0)
                holder.rollback()
                await patient
            assert await can_use_all_connections(database)

    asyncio.run(scenario())


def test_impatient_work_fails_soon_if_a_lock_is_held(own_database_url: str) -> None:
    async def scenario() -> None:
        async with opened(own_database_url) as database:
            with feed_head_locked(own_database_url):
                patient = asyncio.create_task(database.write(lock_feed_head))
                await asyncio.sleep(0.1)
                with pytest.raises(WriteConflict):
                    await database.write(lock_feed_head, patient=False)
                assert not patient.done()  # though it began earlier
                with pytest.raises(WriteConflict):
                    await patient

    asyncio.run(scenario())


def test_a_read_of_a_table_locked_by_a_migration_is_reported_as_retryable(own_database_url: str) -> None:
    async def read(database: Database) -> None:
        async with database.reading() as connection:
            await connection.execute("SELECT FROM feed_head")

    async def scenario() -> None:
        async with opened(own_database_url) as database:
            with psycopg.connect(own_database_url) as holder:
                holder.execute("LOCK TABLE feed_head IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(DatabaseUnavailable):
                    await read(database)
                holder.rollback()
            await read(database)

    asyncio.run(scenario())


# -------------------------------------------------------------------------------------------- transactions


SHORT_IDLE_TIMEOUT = replace(POOL, idle_in_transaction_seconds=3)


def test_a_transaction_stays_open_while_its_server_computes(own_database_url: str) -> None:
    async def compute(tx: Connection) -> int:
        await tx.execute("SELECT FROM feed_head FOR UPDATE")
        await asyncio.sleep(6)
        row = await (await tx.execute("SELECT 1")).fetchone()
        assert row is not None
        return int(row[0])

    async def scenario() -> None:
        async with opened(own_database_url, kind=SHORT_IDLE_TIMEOUT) as database:
            assert await database.write(compute) == 1

    asyncio.run(scenario())


def test_work_that_ends_during_an_empty_statement_is_committed(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def run_slowly(tx: Connection) -> None:
        begun.set()
        with suppress(psycopg.Error):
            await tx.execute("SELECT pg_sleep(0.5)")

    async def work(tx: Connection) -> None:
        await insert_rows(tx, RELAY, RELAY_ROW, [("during an empty statement", uuid4(), 1)])
        await begun.wait()
        await asyncio.sleep(0.1)

    async def scenario() -> None:
        async with opened(own_database_url) as database:
            await database.write(work)
            async with database.reading() as connection:
                found = await connection.execute("SELECT FROM feed_relay WHERE name = 'during an empty statement'")
                assert await found.fetchone() is not None

    monkeypatch.setattr(keep_alive, "INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(keep_alive, "_send_empty_statement", run_slowly)
    asyncio.run(scenario())


RELAY, RELAY_ROW = "feed_relay (name, feed_id, position, moved_at)", "(%s, %s, %s, now())"


async def one_statement(tx: Connection) -> None:
    return


async def many_rows(tx: Connection) -> None:
    rows = [(f"relay {n}", uuid4(), n) for n in range(2500)]
    await insert_rows(tx, RELAY, RELAY_ROW, rows)


@pytest.mark.parametrize("last", [one_statement, many_rows])
def test_a_transaction_of_a_frozen_process_is_rolled_back(
    own_database_url: str, last: Callable[[Connection], Awaitable[None]]
) -> None:
    async def freeze(tx: Connection) -> None:
        await tx.execute("UPDATE feed_head SET position = position + 7")
        await last(tx)
        time.sleep(5)  # noqa: ASYNC251 (blocks the loop, like a stopped process)
        await tx.execute("SELECT 1")

    async def position(database: Database) -> int:
        async with database.reading() as connection:
            row = await (await connection.execute("SELECT position FROM feed_head")).fetchone()
            assert row is not None
            return int(row[0])

    async def scenario() -> None:
        async with opened(own_database_url, kind=SHORT_IDLE_TIMEOUT) as database:
            before = await position(database)
            with pytest.raises(DatabaseUnavailable):
                await database.write(freeze)
            assert await position(database) == before
            await wait_until_all_connections_work(database)

    asyncio.run(scenario())


# -------------------------------------------------------------------------------------------- cancelled calls


def test_cancelling_hundreds_of_statements_does_not_lose_connections(database_url: str) -> None:
    async def work(tx: Connection) -> None:
        await tx.execute("SELECT pg_sleep(0.01)")
        await tx.execute("SELECT pg_sleep(0.02)")

    async def scenario() -> None:
        async with opened(database_url) as database:

            async def cancelled_after(seconds: float) -> None:
                with suppress(NotNow, TimeoutError):
                    async with asyncio.timeout(seconds):
                        await database.write(work)

            for again in range(10):
                await asyncio.gather(*(cancelled_after(0.001 * (n + again / 10)) for n in range(40)))
            await wait_until_all_connections_work(database)

    asyncio.run(scenario())


def test_cancelling_a_call_twice_does_not_lose_connections(database_url: str) -> None:
    async def work(tx: Connection) -> None:
        await tx.execute("SELECT pg_sleep(10)")

    async def scenario() -> None:
        async with opened(database_url) as database:
            for pause in (0.0, 0.001, 0.003, 0.01, 0.05):
                calls = [asyncio.create_task(database.write(work)) for _ in range(SIZE)]
                await asyncio.sleep(0.1)
                for call in calls:
                    call.cancel()
                await asyncio.sleep(pause)
                for call in calls:
                    call.cancel()
                await asyncio.wait(calls)
            await wait_until_all_connections_work(database)

    asyncio.run(scenario())


@contextmanager
def frozen(data_dir: Path) -> Iterator[None]:
    """Stops all processes of an embedded PostgreSQL within a `with` block."""
    postmaster = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["read", "write", "between statements"])
def test_deadlines_hold_while_the_database_is_frozen(tmp_path: Path, kind: str) -> None:
    embedded = EmbeddedPostgres.start(tmp_path)

    async def statement(tx: Connection) -> None:
        await tx.execute("SELECT 1")
        await stop.wait()
        if kind == "between statements":
            await asyncio.sleep(LONG)  # cancelled here, so only the rollback is affected by the frozen database
        await tx.execute("SELECT 1")

    async def call(database: Database) -> None:
        if kind == "read":
            async with database.reading() as connection:
                await statement(connection)
        else:
            await database.write(statement)

    stop = asyncio.Event()

    async def scenario() -> None:
        async with opened(embedded.url) as database:
            assert await can_use_all_connections(database)
            calls = [asyncio.create_task(call(database)) for _ in range(SIZE)]
            await asyncio.sleep(0.5)
            with frozen(tmp_path):
                stop.set()
                await asyncio.sleep(0.2)
                began = time.monotonic()
                for each in calls:
                    each.cancel()
                await asyncio.wait(calls)
                assert time.monotonic() - began < 8  # psycopg's own limits add up to ten
                with suppress(NotNow):  # the pool knows that it has no connections left
                    async with database.reading() as connection, asyncio.timeout(1):
                        await connection.execute("SELECT 1")
            await wait_until_all_connections_work(database)

    try:
        asyncio.run(scenario())
    finally:
        embedded.stop()
