"""Reads of stored views share statements, and none of them depends on the others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeAlias
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.errors import DatabaseUnavailable, Overloaded
from operations import view_reads
from operations.view_reads import MAX_KEYS, MAX_READERS, SharedViewReads
from storage.enrollment_reads import read_group
from storage.group_views import ViewKey, group_views
from storage.postgres.bounded_connection import Cursor
from storage.postgres.database import Connection, Database
from storage.postgres.fair_connections import connection_owner

REVISIONS = 2000
Read: TypeAlias = "asyncio.Task[bytes | None]"


class Reading:
    """Reads of one process, and a group with two revisions and their views `b"1"` and `b"2"`."""

    def __init__(self, url: str, database: Database) -> None:
        self.url, self.database, self.reads = url, database, SharedViewReads()
        self.group_id = uuid4()
        with psycopg.connect(url, autocommit=True) as connection:
            (group_key,) = connection.execute(
                "INSERT INTO enrollment_group (group_id, contract_id, primary_id, revision, recorded_at)"
                " VALUES (%s, %s, %s, 2, now()) RETURNING group_key",
                [self.group_id, uuid4(), uuid4()],
            ).fetchone() or (0,)
            connection.execute(
                "WITH c AS (INSERT INTO change_request"
                " (change_request_id, group_key, approved, revision, recorded_at, document)"
                " VALUES (gen_random_uuid(), %(group_key)s, true, 1, now(), '{}') RETURNING change_request_key)"
                " INSERT INTO enrollment_revision"
                " (group_key, revision, recorded_at, change_request_key, policy_event, view)"
                " SELECT %(group_key)s, n, now(), change_request_key, 'CHANGED', convert_to(n::text, 'UTF8')"
                " FROM c, generate_series(1, 2) AS n",
                {"group_key": group_key},
            )

    def start(
        self, group_id: UUID | None = None, revision: int | None = None, owner: str = "ann"
    ) -> "asyncio.Task[bytes | None]":
        async def read() -> bytes | None:
            connection_owner.set(owner)
            return await self.reads.view(self.database, ViewKey(str(group_id or self.group_id), revision, False))

        return asyncio.create_task(read())

    async def add_revisions(self, up_to: int) -> None:
        """Adds revisions to the two that the group has."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            await connection.execute(
                "CREATE FUNCTION add_revisions(of uuid, last integer) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
                " FOR n IN 3..last LOOP"
                "  UPDATE enrollment_group SET revision = n WHERE group_id = of;"
                "  INSERT INTO enrollment_revision"
                "   (group_key, revision, recorded_at, change_request_key, policy_event, view)"
                "   SELECT group_key, n, now(), change_request_key, 'CHANGED', convert_to(n::text, 'UTF8')"
                "   FROM enrollment_group JOIN change_request USING (group_key) WHERE group_id = of;"
                " END LOOP; END $$"
            )
            await connection.execute("SELECT add_revisions(%s, %s)", [self.group_id, up_to])

    async def active_statements(self) -> int:
        """Counts the statements that wait for the lock of a test."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            cursor = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def until_active(self, statements: int) -> None:
        async with asyncio.timeout(60):
            while await self.active_statements() != statements:  # noqa: ASYNC110 (PostgreSQL has no event for it)
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("revision", [None, 1, 400])
def test_a_state_is_found_without_reading_other_revisions(own_database_url: str, revision: int | None) -> None:
    """Without statistics, the planner assumes that groups have a few revisions each, so that all are cheap to read."""

    async def work(reading: Reading, _: Connection) -> None:
        await reading.add_revisions(up_to=REVISIONS)
        async with reading.database.reading() as connection:
            connection.cursor_factory = BlockCountingCursor
            (view,) = await group_views(connection, [ViewKey(str(reading.group_id), revision, False)])
            state = await read_group(connection, reading.group_id, revision, None)
        assert view == str(state.revision).encode() == str(revision or REVISIONS).encode()
        assert 0 < max(BlockCountingCursor.blocks) < 50

    BlockCountingCursor.blocks.clear()
    with_reading(own_database_url, work)
    assert len(BlockCountingCursor.blocks) == 2


class BlockCountingCursor(Cursor):
    """Explains each statement first, and keeps how many blocks of tables and indexes it read."""

    blocks: ClassVar[list[int]] = []

    async def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        await super().execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", params)
        ((plan,),) = await self.fetchall()
        self.blocks.append(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])
        return await super().execute(query, params, **kwargs)


def with_reading(url: str, work: Callable[[Reading, Connection], Awaitable[None]]) -> None:
    """Runs a test with a connection on which it can lock the table, so that reads wait."""

    async def run() -> None:
        database = Database(make_conninfo(url, options="-c lock_timeout=60s"))
        await database.open()
        try:
            async with await psycopg.AsyncConnection.connect(url) as locking:
                await work(Reading(url, database), locking)
        finally:
            await database.close()

    asyncio.run(run())


async def locked(connection: Connection) -> None:
    await connection.execute("LOCK TABLE enrollment_revision IN ACCESS EXCLUSIVE MODE")


def test_each_read_gets_its_own_answer(own_database_url: str) -> None:
    async def work(reading: Reading, _: Connection) -> None:
        reads = [reading.start(), reading.start(revision=1), reading.start(revision=3), reading.start(uuid4())]
        assert await asyncio.gather(*reads) == [b"2", b"1", None, None]
        assert await reading.start() == b"2"

    with_reading(own_database_url, work)


def test_reads_that_arrive_during_statements_share_the_next_one(own_database_url: str) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        reads = []
        for n in range(1, MAX_READERS + 1):
            reads.append(reading.start())
            await reading.until_active(n)
        reads += [reading.start(revision=1 + n % 2) for n in range(MAX_KEYS)]
        await asyncio.sleep(0)
        assert await reading.active_statements() == MAX_READERS
        await locking.rollback()
        assert await asyncio.gather(*reads) == [b"2"] * MAX_READERS + [b"1", b"2"] * (MAX_KEYS // 2)

    with_reading(own_database_url, work)


def test_a_second_statement_begins_only_while_another_one_is_slow(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        with monkeypatch.context() as patched:
            patched.setattr(view_reads, "SLOW_SECONDS", 60)
            reads = [reading.start()]
            await reading.until_active(1)
        reads.append(reading.start(revision=1))
        await asyncio.sleep(2 * view_reads.SLOW_SECONDS)
        assert await reading.active_statements() == 1
        await locking.rollback()
        assert await asyncio.gather(*reads) == [b"2", b"1"]

    with_reading(own_database_url, work)


def test_a_caller_with_one_read_does_not_wait_for_all_reads_of_another(own_database_url: str) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        first = [reading.start()]
        await reading.until_active(1)
        flood = [reading.start() for _ in range(20 * MAX_KEYS)]
        await asyncio.sleep(0)
        ended: list[str] = []
        for read in flood:
            read.add_done_callback(lambda _: ended.append("ann"))
        bens = reading.start(owner="ben")
        bens.add_done_callback(lambda _: ended.append("ben"))
        await locking.rollback()
        await asyncio.gather(*first, *flood, bens)
        assert ended.index("ben") <= 3 * MAX_KEYS

    with_reading(own_database_url, work)


def test_a_cancelled_read_does_not_affect_the_others_of_its_statement(own_database_url: str) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        cancelled, kept = reading.start(), reading.start(revision=1)
        await reading.until_active(1)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert await reading.active_statements() == 1
        await locking.rollback()
        assert await kept == b"1"

    with_reading(own_database_url, work)


def test_a_statement_for_which_nobody_waits_is_cancelled(own_database_url: str) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        reads = [reading.start(), reading.start()]
        await reading.until_active(1)
        queued = [reading.start() for _ in range(2)]
        await reading.until_active(2)
        for read in (*reads, *queued):
            read.cancel()
        await reading.until_active(0)
        await locking.rollback()
        assert await reading.start() == b"2"

    with_reading(own_database_url, work)


def test_a_lost_connection_fails_the_reads_of_its_statement_only(own_database_url: str) -> None:
    async def work(reading: Reading, locking: Connection) -> None:
        await locked(locking)
        failing = reading.start()
        await reading.until_active(1)
        async with await psycopg.AsyncConnection.connect(reading.url, autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND wait_event_type = 'Lock'"
            )
        with pytest.raises(DatabaseUnavailable):
            await failing
        after = reading.start()
        await locking.rollback()
        assert await after == b"2"

    with_reading(own_database_url, work)


def test_without_a_free_connection_every_read_fails_and_later_ones_succeed(own_database_url: str) -> None:
    async def run() -> None:
        database = Database(own_database_url, pool_size=1)
        await database.open()
        reading = Reading(own_database_url, database)
        async with database.reading():
            failed = await asyncio.gather(reading.start(), reading.start(revision=1), return_exceptions=True)
        assert [type(each) for each in failed] == [Overloaded] * 2
        assert await reading.start() == b"2"
        await database.close()

    asyncio.run(run())
