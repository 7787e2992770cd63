"""The sequencer: the feed is complete, without gaps, and never reordered."""

import asyncio
import random
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.enrollment.decisions import GroupKey
from storage import feed
from storage.outbox import pending_seconds, sequence, trim
from storage.postgres.database import Database
from storage.postgres.privileges import grant
from tests.support.builders import a_contract
from tests.support.feed_writers import Writer

WRITERS, CHANGES = 16, 40


async def _write_all(database: Database, seed: int, changes: int = CHANGES) -> None:
    draw = random.Random(seed)
    contract = a_contract()
    groups = [GroupKey(contract.contract_id, uuid4()) for _ in range(WRITERS * 2)]
    writers = [Writer(groups, contract, random.Random(draw.random())) for _ in range(WRITERS)]
    await asyncio.gather(*(writer.write(database, changes) for writer in writers))


async def _read_by_key(database: Database, found: list[int], done: asyncio.Event) -> None:
    """The naive reader, which queries keys greater than the last one that it has seen."""
    last = 0
    while True:
        finished = done.is_set()
        async with database.reading() as connection:
            cursor = await connection.execute("SELECT event_key FROM event WHERE event_key > %s ORDER BY 1", [last])
            found += [key for (key,) in await cursor.fetchall()]
        last = found[-1] if found else 0
        if finished:
            return
        await asyncio.sleep(0.002)


async def _sequence(database: Database, done: asyncio.Event) -> None:
    while not done.is_set():
        await database.write(lambda tx: sequence(tx, 7))
        await asyncio.sleep(0.001)
    while await database.write(lambda tx: sequence(tx, 1000)):
        pass


async def _read_feed(database: Database, found: list[feed.FeedEntry], done: asyncio.Event) -> None:
    while True:
        finished = done.is_set()
        async with database.reading() as connection:
            found += await feed.entries_after(connection, found[-1].head.position if found else 0, 50)
            pending = await pending_seconds(connection) is not None
            head = await feed.read_feed_head(connection)
        if finished and not pending and found[-1].head.position == head.position:
            return
        await asyncio.sleep(0.002)


def test_a_reader_of_keys_misses_events_and_a_reader_of_the_feed_does_not(own_database_url: str) -> None:
    """Both read while the same writers write. Three sequencers run concurrently, as on three servers."""

    async def both() -> tuple[list[int], list[feed.FeedEntry], list[tuple[int, UUID, int]]]:
        database = Database(own_database_url, 24)
        await database.open()
        by_key: list[int] = []
        by_feed: list[feed.FeedEntry] = []
        done = asyncio.Event()
        readers = asyncio.gather(
            _read_by_key(database, by_key, done),
            _read_feed(database, by_feed, done),
            *(_sequence(database, done) for _ in range(3)),
        )
        await _write_all(database, 11)
        done.set()
        await readers
        async with database.reading() as connection:
            cursor = await connection.execute(
                "SELECT e.event_key, e.event_id, e.group_key FROM event e ORDER BY e.event_key"
            )
            committed = [(key, event_id, group) for key, event_id, group in await cursor.fetchall()]
        await database.close()
        return by_key, by_feed, committed

    by_key, by_feed, committed = asyncio.run(both())
    assert len(committed) == WRITERS * CHANGES
    assert len(set(by_key)) < len(committed)  # missed, because the reader was already past them
    assert [entry.head.position for entry in by_feed] == list(range(1, len(committed) + 1))
    assert {entry.head.event_id for entry in by_feed} == {event_id for _, event_id, _ in committed}
    for group in {group for _, _, group in committed}:
        written = [event_id for _, event_id, of_group in committed if of_group == group]
        delivered = [entry.head.event_id for entry in by_feed if entry.head.event_id in set(written)]
        assert delivered == written


def test_waiting_events_get_positions_in_the_order_in_which_they_were_written(own_database_url: str) -> None:
    """Events of one group are only taken together if the sequencer lags, as after a failover."""

    async def story() -> None:
        database = Database(own_database_url, 20)
        await database.open()
        await _write_all(database, 9, changes=5)
        for _ in range(2):
            await database.write(lambda tx: sequence(tx, WRITERS * 3))
        async with database.reading() as connection:
            entries = await feed.entries_after(connection, 0, 100)
            cursor = await connection.execute("SELECT event_id FROM event ORDER BY event_key")
            written = [event_id for (event_id,) in await cursor.fetchall()]
        assert [entry.head.event_id for entry in entries] == written
        assert len(written) == WRITERS * 5
        await database.close()

    asyncio.run(story())


def _pass_time(url: str, *, minutes: int = 0, days: int = 0) -> None:
    """Simulates that the feed was trimmed every minute, the last time a minute ago."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE feed_head SET trim_horizon = trim_horizon + make_interval(days => %s, mins => 10 * %s),"
            " horizon_moved_at = horizon_moved_at - interval '1 minute'",
            [days, max(0, minutes - 1)],
        )


def test_trimming_removes_old_entries_and_stores_the_last_removed_position(own_database_url: str) -> None:
    async def story() -> None:
        database = Database(own_database_url, 20)
        await database.open()
        await _write_all(database, 5, changes=2)
        await database.write(lambda tx: sequence(tx, 1000))
        async with database.reading() as connection:
            entries = await feed.entries_after(connection, 0, 100)
        assert (await database.write(lambda tx: trim(tx, 1.0, 1000))).entries == 0
        _pass_time(own_database_url, days=1)
        assert (await database.write(lambda tx: trim(tx, 0.0, 10))).entries == 10
        async with database.reading() as connection:
            head = await feed.read_feed_head(connection)
            assert (head.trimmed_position, head.trimmed_event_id) == (10, entries[9].head.event_id)
            assert (await feed.entries_after(connection, 10, 1))[0].head == entries[10].head
        assert (await database.write(lambda tx: trim(tx, 0.0, 1000))).entries == len(entries) - 10
        async with database.reading() as connection:
            head = await feed.read_feed_head(connection)
        assert (head.position, head.event_id) == (len(entries), entries[-1].head.event_id)
        await _write_all(database, 6, changes=1)
        await database.write(lambda tx: sequence(tx, 1000))
        async with database.reading() as connection:
            after = await feed.entries_after(connection, len(entries), 100)
        assert [entry.head.position for entry in after] == list(range(len(entries) + 1, len(entries) + WRITERS + 1))
        await database.close()

    asyncio.run(story())


def _age_entries(url: str, *days: int) -> None:
    """Makes the first entries of the feed as old as given, in equal shares."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT position FROM feed_head").fetchone()
        assert row
        share = row[0] // len(days)
        for n, age in enumerate(days):
            connection.execute(
                "UPDATE feed_entry SET appended_at = clock_timestamp() - make_interval(days => %s)"
                " WHERE position > %s AND position <= %s",
                [age, n * share, (n + 1) * share],
            )


def test_trimming_keeps_its_pace_when_the_clock_jumps_ahead_and_reports_the_lag(own_database_url: str) -> None:
    """After a jump of 40 days, all entries seem older than 30 days."""

    async def story() -> None:
        database = Database(own_database_url, 20)
        await database.open()
        await _write_all(database, 7, changes=2)
        await database.write(lambda tx: sequence(tx, 1000))
        _age_entries(own_database_url, 70, 60, 50, 41)
        for _ in range(9):
            await database.write(lambda tx: trim(tx, 30.0, 1000))
        trimmed = await database.write(lambda tx: trim(tx, 30.0, 1000))
        async with database.reading() as connection:
            head = await feed.read_feed_head(connection)
        assert head.trimmed_position == WRITERS * 2 // 4
        assert 29 <= trimmed.held_back.days <= 30
        _pass_time(own_database_url, minutes=10)
        assert (await database.write(lambda tx: trim(tx, 30.0, 1000))).entries == 0
        # After the clock was corrected, nothing is older than 80 days.
        trimmed = await database.write(lambda tx: trim(tx, 80.0, 1000))
        assert (trimmed.entries, trimmed.held_back.days) == (0, 0)
        await database.close()

    asyncio.run(story())


def test_the_application_role_can_change_the_feed_only_by_functions(own_database_url: str) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as owner:
        role = f"affilia_test_{uuid4().hex[:12]}"
        owner.execute(f"CREATE ROLE {role} LOGIN")
        try:
            grant(owner, role)
            owner.execute(f"SET ROLE {role}")
            for statement in (
                "UPDATE feed_head SET position = position + 1",
                "SELECT FROM feed_head FOR UPDATE",
                "INSERT INTO feed_entry VALUES (1, 1, clock_timestamp())",
                "DELETE FROM feed_entry",
                "DELETE FROM feed_pending",
                "UPDATE clock_guard SET reached = 'infinity'",
                "UPDATE schema_compatibility SET serves_since = '0'",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    owner.execute(statement)
            assert owner.execute("SELECT sequence_feed(10)").fetchone() == (0,)
            assert owner.execute("SELECT reach_instant(clock_timestamp() + interval '1 day')").fetchone() == (False,)
        finally:
            owner.execute("RESET ROLE")
            owner.execute(f"DROP OWNED BY {role}")
            owner.execute(f"DROP ROLE {role}")


def test_a_pending_row_without_a_new_event_does_not_block_the_feed(own_database_url: str) -> None:
    """The application's role can insert such rows: without an event, or of one that already has a position."""

    async def story() -> None:
        database = Database(own_database_url, 20)
        await database.open()
        await _write_all(database, 8, changes=1)
        await database.write(lambda tx: sequence(tx, 3))
        async with database.reading() as connection:
            await connection.execute(
                "INSERT INTO feed_pending SELECT event_key, recorded_at FROM feed_entry JOIN event USING (event_key)"
                " UNION ALL SELECT -7, clock_timestamp()"
            )
        while await database.write(lambda tx: sequence(tx, 5)):
            pass
        async with database.reading() as connection:
            entries = await feed.entries_after(connection, 0, 100)
            assert await pending_seconds(connection) is None
        assert [entry.head.position for entry in entries] == list(range(1, WRITERS + 1))
        assert len({entry.head.event_id for entry in entries}) == WRITERS
        await database.close()

    asyncio.run(story())
