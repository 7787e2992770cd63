"""The sequencer: what it orders is complete, dense and final, where a plain reader of keys loses events."""

import asyncio
import random
from uuid import UUID, uuid4

from domain.enrollment.decisions import GroupKey
from storage import feed
from storage.database import Database
from storage.outbox import pending_seconds, sequence, trim
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
    """The reader that everybody writes first: whatever is greater than the last key seen."""
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


def test_a_reader_of_keys_loses_events_and_the_feed_does_not(own_database_url: str) -> None:
    """Both beside the same writers. Three sequencers run at once, as on three servers."""

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
    assert len(set(by_key)) < len(committed)  # lost for ever: the reader has passed them
    assert [entry.head.position for entry in by_feed] == list(range(1, len(committed) + 1))
    assert {entry.head.event_id for entry in by_feed} == {event_id for _, event_id, _ in committed}
    for group in {group for _, _, group in committed}:
        written = [event_id for _, event_id, of_group in committed if of_group == group]
        delivered = [entry.head.event_id for entry in by_feed if entry.head.event_id in set(written)]
        assert delivered == written


def test_trimming_forgets_what_is_old_and_remembers_where_it_stopped(own_database_url: str) -> None:
    async def story() -> None:
        database = Database(own_database_url, 20)
        await database.open()
        await _write_all(database, 5, changes=2)
        await database.write(lambda tx: sequence(tx, 1000))
        async with database.reading() as connection:
            entries = await feed.entries_after(connection, 0, 100)
        assert await database.write(lambda tx: trim(tx, 1.0, 1000)) == 0
        assert await database.write(lambda tx: trim(tx, 0.0, 10)) == 10
        async with database.reading() as connection:
            head = await feed.read_feed_head(connection)
            assert (head.trimmed_position, head.trimmed_event_id) == (10, entries[9].head.event_id)
            assert (await feed.entries_after(connection, 10, 1))[0].head == entries[10].head
        assert await database.write(lambda tx: trim(tx, 0.0, 1000)) == len(entries) - 10
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
