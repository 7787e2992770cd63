"""The write log: a snapshot that includes a write has everything that was committed before the write began."""

import asyncio
import random
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from operations.call import After
from operations.history_state import SETTLED_SECONDS, History
from storage import history
from storage.history import Look, UnloggedWrite, WriteMark
from storage.postgres.database import Connection, Database

WRITERS, WRITES = 12, 30


def a_look(*keys: int, oldest: int = 1, position: int = 0, pending: tuple[int, int] | None = None) -> Look:
    first, last = pending or (None, None)
    return Look(uuid4(), True, oldest, list(keys), [], position, first, last)


def test_a_snapshot_with_a_write_has_everything_committed_before_it(own_database_url: str) -> None:
    """Writers commit in a different order than that of their keys. Each notes what was committed before it began."""

    async def run() -> None:
        database = Database(own_database_url, pool_size=WRITERS + 2)
        await database.open()
        answered: set[int] = set()
        before: dict[int, frozenset[int]] = {}
        done = asyncio.Event()

        async def write(draw: random.Random) -> None:
            for _ in range(WRITES):
                known = frozenset(answered)

                async def work(tx: Connection) -> WriteMark:
                    mark = await history.log_write(tx)
                    await asyncio.sleep(draw.random() * 0.02)
                    if draw.random() < 0.1:
                        raise ZeroDivisionError
                    return mark

                try:
                    mark = await database.write(work)
                except ZeroDivisionError:
                    continue
                before[mark.key] = known
                answered.add(mark.key)

        async def look() -> None:
            state = History()
            number, out_of_order = 0, 0
            while True:
                finished = done.is_set()
                async with database.reading() as connection:
                    if state.epoch_id is None:
                        state.begin(await history.read_epochs(connection), *await history.read_log(connection, 0))
                    found = await history.look(connection, state.sighting.newest, sorted(state.sighting.missing))
                number += 1
                sighting = state.see(number, found, 0.0)
                out_of_order += bool(sighting.missing)
                for key in [key for key in before if sighting.has(key)]:
                    assert all(sighting.has(earlier) for earlier in before[key])
                for key in [key for key in before if sighting.includes(After(key))]:
                    assert all(sighting.has(other) for other in before if other < key)
                if finished:
                    break
                await asyncio.sleep(0.001)
            assert out_of_order
            assert all(sighting.has(key) for key in answered)

        looking = [asyncio.create_task(look()) for _ in range(2)]
        await asyncio.gather(*(write(random.Random(n)) for n in range(WRITERS)))
        done.set()
        await asyncio.gather(*looking)
        await database.close()

    asyncio.run(run())


def test_a_write_has_a_position_when_none_of_its_events_is_pending() -> None:
    state = History()
    first = a_look(1, position=10, pending=(7, 9))
    state.locate(state.see(1, first, 0.0), first, first.position, 0)
    assert state.position_of(After(1)) is None
    second = a_look(2, position=12, pending=(9, 11))
    state.locate(state.see(2, second, 0.0), second, second.position, 0)
    assert state.position_of(After(1)) is None
    third = a_look(position=13, pending=(10, 11))
    state.locate(state.see(3, third, 0.0), third, third.position, 0)
    assert (state.position_of(After(1)), state.position_of(After(2))) == (13, None)
    last = a_look(position=15)
    state.locate(state.see(4, last, 0.0), last, last.position, 14)
    assert (state.position_of(After(1)), state.position_of(After(2))) == (13, 15)
    state.locate(state.see(5, last, 0.0), last, last.position, 15)
    assert state.position_of(After(1)) == 15


def test_a_missing_smaller_key_requires_a_snapshot_that_began_after_the_read() -> None:
    state = History()
    sighting = state.see(1, a_look(1, 3), 0.0)
    assert sighting.has(3)
    assert not sighting.includes(After(3))
    assert sighting.includes(After(3, look=1))
    assert not sighting.includes(After(3, look=2))
    assert state.see(2, a_look(), SETTLED_SECONDS).includes(After(3))
    assert state.see(3, a_look(2), SETTLED_SECONDS).includes(After(2))


def test_a_key_that_was_never_committed_is_dropped_when_the_log_is_trimmed() -> None:
    state = History()
    assert state.see(1, a_look(1, 5), 0.0).missing == {2, 3, 4}
    assert state.see(2, a_look(3, oldest=3), 0.0).missing == {4}
    assert state.see(3, a_look(oldest=5), 0.0).missing == frozenset()


@pytest.fixture
def owner(own_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        yield connection


def test_an_epoch_inherits_only_committed_writes(owner: psycopg.Connection) -> None:
    for key in range(1, 8):
        owner.execute("INSERT INTO write_log DEFAULT VALUES")
        if key in {2, 5}:
            owner.execute("DELETE FROM write_log WHERE write_key = %s", [key])
    owner.execute("SELECT nextval('write_log_write_key_seq') FROM generate_series(1, 40)")
    assert owner.execute("SELECT is_same_history()").fetchone() == (True,)
    owner.execute("SELECT recognize_restore()")
    assert owner.execute("SELECT count(*) FROM history_epoch").fetchone() == (1,)
    owner.execute("SELECT begin_epoch()")
    row = owner.execute("SELECT epoch_id, inherited_up_to, inherited_without FROM history_epoch WHERE position = 2")
    epoch = history.Epoch(*(row.fetchone() or ()))
    assert [key for key in range(1, 12) if epoch.inherited(key)] == [1, 3, 4, 6, 7]
    drawn = owner.execute("INSERT INTO write_log DEFAULT VALUES RETURNING write_key").fetchone()
    assert drawn == (8,)


def test_restored_rows_are_recognized_as_another_history(owner: psycopg.Connection) -> None:
    """pg_restore inserts the same values in another transaction."""
    owner.execute("CREATE TABLE dumped AS SELECT * FROM history_epoch")
    owner.execute("DELETE FROM history_epoch")
    owner.execute("INSERT INTO history_epoch SELECT * FROM dumped")
    assert owner.execute("SELECT is_same_history()").fetchone() == (False,)
    owner.execute("SELECT recognize_restore()")
    owner.execute("SELECT recognize_restore()")
    assert owner.execute("SELECT count(*), bool_and(is_same_history()) FROM history_epoch").fetchone() == (2, True)


def test_an_epoch_begins_after_running_writers_have_ended(own_database_url: str, owner: psycopg.Connection) -> None:
    with psycopg.connect(own_database_url) as writer:
        writer.execute("INSERT INTO write_log DEFAULT VALUES")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute("SET lock_timeout = '200ms'; SELECT begin_epoch()")
        writer.commit()
    owner.execute("SELECT begin_epoch()")
    newest = owner.execute("SELECT inherited_up_to FROM history_epoch ORDER BY position DESC LIMIT 1").fetchone()
    assert newest == (1,)


def test_trimming_keeps_the_newest_rows_of_the_log(own_database_url: str) -> None:
    async def run() -> list[int]:
        database = Database(own_database_url, pool_size=2)
        await database.open()
        for _ in range(9):
            await database.write(history.log_write)
        await database.write(lambda tx: history.trim(tx, keep=4))
        async with database.reading() as connection:
            kept = list((await history.look(connection, 0, [])).keys)
        await database.close()
        return kept

    assert sorted(asyncio.run(run())) == [6, 7, 8, 9]


@pytest.mark.parametrize("number", [0, 1])
def test_a_group_that_a_restore_removed_was_lost_whatever_its_revision(number: int, own_database_url: str) -> None:
    async def run() -> bool:
        database = Database(own_database_url, pool_size=1)
        await database.open()
        try:
            async with database.reading() as connection:
                return await history.has_states(connection, UnloggedWrite(policy=(uuid4(), number)))
        finally:
            await database.close()

    assert not asyncio.run(run())
