"""Stages of countries: writes hold them, and a change waits for these writes."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from domain.actors import Actor, ActorKind
from domain.migration.stages import Stage
from storage.migration_stages import (
    CountryOf,
    StageChange,
    change_stage,
    countries_of,
    hold_stage,
    lock_stage,
    migrations,
    of_contracts,
    stage_of,
    stages,
)
from storage.postgres.database import Connection, Database
from tests.storage.legacy_source_conformance import on_database
from tests.support.waiting import wait_until

ADA = Actor(ActorKind.ADMIN, "ada")


@pytest.fixture
def url(database_url: str) -> Iterator[str]:
    yield database_url
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE migration, migration_change, legacy_identifier")


def change(to: Stage, from_: Stage | None = None, country: str = "ES") -> StageChange:
    return StageChange(country, from_, to, forced=False, reason="", actor=ADA)


async def moved(database: Database, to: Stage, from_: Stage | None = None) -> None:
    async def work(tx: Connection) -> None:
        assert await lock_stage(tx, "ES") == from_
        await change_stage(tx, change(to, from_))

    await database.write(work)


def test_changes_of_a_stage_are_kept(url: str) -> None:
    async def work(database: Database) -> None:
        async with database.reading() as connection:
            assert await stages(connection) == {}
            assert await stage_of(connection, "ES") is None
            assert await migrations(connection) == []
        first = await database.write(lambda tx: change_stage(tx, change(Stage.TRANSLATE)))
        forced = StageChange("ES", Stage.TRANSLATE, Stage.DUAL_WRITE, forced=True, reason="a test", actor=ADA)
        second = await database.write(lambda tx: change_stage(tx, forced))
        await database.write(lambda tx: change_stage(tx, change(Stage.TRANSLATE, country="DE")))
        assert first < second
        async with database.reading() as connection:
            assert await stages(connection) == {"DE": Stage.TRANSLATE, "ES": Stage.DUAL_WRITE}
            _, spain = await migrations(connection)
            assert (spain.country, spain.stage, spain.changed_at, spain.actor) == ("ES", Stage.DUAL_WRITE, second, ADA)
            cursor = await connection.execute(
                "SELECT from_stage, to_stage, forced, reason, subject FROM migration_change WHERE country = 'ES'"
                " ORDER BY change_key"
            )
            assert await cursor.fetchall() == [
                (None, "TRANSLATE", False, "", "ada"),
                ("TRANSLATE", "DUAL_WRITE", True, "a test", "ada"),
            ]

    on_database(url, work)


def test_only_mapped_contracts_have_a_stage(url: str) -> None:
    mapped, other = uuid4(), uuid4()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO legacy_identifier VALUES ('ES', 'CONTRACT', '17', %s)", [mapped])

    async def work(database: Database) -> None:
        async with database.reading() as connection:
            assert await of_contracts(connection, [mapped, other]) == {}
            assert await countries_of(connection, [mapped, other]) == []
        await moved(database, Stage.TRANSLATE)
        async with database.reading() as connection:
            assert await of_contracts(connection, [mapped, other]) == {mapped: ("ES", Stage.TRANSLATE)}
            expected = [CountryOf("ES", Stage.TRANSLATE, frozenset({mapped}))]
            assert await countries_of(connection, [mapped, other]) == expected
            assert await countries_of(connection, []) == [replace(expected[0], contract_ids=frozenset())]

    on_database(url, work)


async def waits_for_a_lock(url: str) -> None:
    statement = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with psycopg.connect(url, autocommit=True) as watcher:

        def is_waiting() -> bool:
            row = watcher.execute(statement).fetchone()
            return bool(row and row[0])

        await asyncio.to_thread(wait_until, is_waiting, "a lock is waited for")


@pytest.mark.parametrize("before", [None, Stage.TRANSLATE])
def test_a_change_waits_for_writes_that_hold_the_stage(url: str, before: Stage | None) -> None:
    after = Stage.DUAL_WRITE if before else Stage.TRANSLATE

    async def work(database: Database) -> None:
        if before:
            await moved(database, before)
        held, go = asyncio.Semaphore(0), asyncio.Event()

        async def write(tx: Connection) -> Stage | None:
            assert await hold_stage(tx, "ES") == before
            held.release()
            await go.wait()
            return await stage_of(tx, "ES")

        writing = [asyncio.create_task(database.write(write)) for _ in range(2)]
        for _ in writing:  # a write that begins later would wait for the change
            await held.acquire()
        moving = asyncio.create_task(moved(database, after, before))
        await waits_for_a_lock(url)
        assert not moving.done()
        go.set()
        assert await asyncio.gather(*writing) == [before, before]
        await moving
        async with database.reading() as connection:
            assert await stage_of(connection, "ES") == after

    on_database(url, work)


def test_a_write_that_waited_for_a_change_sees_the_new_stage(url: str) -> None:
    async def work(database: Database) -> None:
        holds, go = asyncio.Event(), asyncio.Event()

        async def move(tx: Connection) -> None:
            await lock_stage(tx, "ES")
            await change_stage(tx, change(Stage.TRANSLATE))
            holds.set()
            await go.wait()

        moving = asyncio.create_task(database.write(move))
        await holds.wait()
        writing = asyncio.create_task(database.write(lambda tx: hold_stage(tx, "ES")))
        await waits_for_a_lock(url)
        assert await database.write(lambda tx: hold_stage(tx, "DE")) is None  # other countries don't wait
        go.set()
        assert await writing == Stage.TRANSLATE
        await moving

    on_database(url, work)


def test_a_snapshot_keeps_the_stage_that_it_began_with(url: str) -> None:
    async def work(database: Database) -> None:
        async with database.snapshot() as connection:
            assert await stage_of(connection, "ES") is None
            await moved(database, Stage.TRANSLATE)
            assert await stage_of(connection, "ES") is None

    on_database(url, work)


def test_invalid_stages_are_rejected(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="migration_stage_check"):
        connection.execute("INSERT INTO migration VALUES ('ES', 'DONE', now())")
    connection.rollback()
    with pytest.raises(psycopg.errors.CheckViolation, match="migration_country_check"):
        connection.execute("INSERT INTO migration VALUES ('Spain', 'CORE', now())")
