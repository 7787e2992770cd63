"""Fingerprints of aligned groups, the last comparison of a country, and backfills in parts."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.actors import Actor, ActorKind
from domain.errors import RequestIdReused
from domain.migration.stages import Stage
from storage import migration_backfills
from storage.legacy_groups import GroupCounts, count_groups, fingerprints, store_fingerprints
from storage.migration_backfills import (
    BackfillFailure,
    BackfillPart,
    BackfillProgress,
    NewBackfill,
    backfill_progress,
    begin_backfill,
    finish_part,
    new_failures,
    take_part,
)
from storage.migration_comparisons import Comparison, begin_instant, last_comparisons, store_comparison
from storage.postgres.database import Connection, Database
from storage.requests import WriteKey
from tests.storage.legacy_source_conformance import on_database

ADA = Actor(ActorKind.ADMIN, "ada")


def test_a_group_has_the_fingerprint_of_its_last_alignment(database_url: str) -> None:
    first, second = uuid4(), uuid4()

    async def work(database: Database) -> None:
        await database.write(lambda tx: store_fingerprints(tx, {first: b"1", second: b"2"}))
        await database.write(lambda tx: store_fingerprints(tx, {second: b"3"}))
        await database.write(lambda tx: store_fingerprints(tx, {}))
        async with database.reading() as connection:
            assert await fingerprints(connection, [first, second, uuid4()]) == {first: b"1", second: b"3"}

    on_database(database_url, work)


def test_the_latest_comparison_is_kept(database_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.reading() as connection:
            began = await begin_instant(connection)
        comparison = Comparison("ES", Stage.DUAL_WRITE, began, 3, {"NOW": 1}, {"REVERSED": 2})
        await database.write(lambda tx: store_comparison(tx, comparison))
        later = replace(comparison, started_at=began + timedelta(seconds=1), stage=Stage.READ_CORE, differences={})
        ended = await database.write(lambda tx: store_comparison(tx, later))
        await database.write(lambda tx: store_comparison(tx, comparison))  # ended later, but began earlier
        async with database.reading() as connection:
            assert await last_comparisons(connection) == {"ES": replace(later, ended_at=ended)}
        assert ended >= later.started_at

    on_database(database_url, work)


def add_groups(url: str, country: str, contract: str, count: int) -> list[UUID]:
    """Stores the ids of groups of a mapped contract."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO legacy_identifier VALUES (%s, 'CONTRACT', %s, %s)", [country, contract, uuid4()]
        )
        connection.execute(
            "INSERT INTO legacy_identifier SELECT %s, 'GROUP', %s || '/' || n, gen_random_uuid()"
            " FROM generate_series(1, %s) AS n",
            [country, contract, count],
        )
        found = connection.execute(
            "SELECT id FROM legacy_identifier WHERE country = %s AND kind = 'GROUP'"
            " AND split_part(legacy_key, '/', 1) = %s ORDER BY id",
            [country, contract],
        )
        return [group_id for (group_id,) in found]


def contract_of(url: str, country: str, contract: str) -> UUID:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT id FROM legacy_identifier WHERE country = %s AND kind = 'CONTRACT' AND legacy_key = %s",
            [country, contract],
        ).fetchone()
    assert row
    contract_id: UUID = row[0]
    return contract_id


def test_groups_are_counted(database_url: str) -> None:
    (first, *_) = add_groups(database_url, "NL", "17", 3)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at) VALUES (%s, %s, %s, now())",
            [first, uuid4(), uuid4()],
        )

    async def work(database: Database) -> None:
        async with database.reading() as connection:
            assert await count_groups(connection, "NL") == GroupCounts(3, 1)
            assert await count_groups(connection, "BE") == GroupCounts(0, 0)

    on_database(database_url, work)


def test_a_backfill_works_on_parts_and_can_be_resumed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_backfills, "GROUPS_OF_A_PART", 2)
    groups = add_groups(database_url, "PT", "17", 5)
    add_groups(database_url, "PT", "1", 1)
    key = WriteKey(uuid4(), b"1")
    new = NewBackfill("PT", contract_of(database_url, "PT", "17"), ADA)
    failure = BackfillFailure(groups[1], "PRODUCT_NOT_MAPPED", "a test")

    async def work(database: Database) -> None:
        backfill = await database.write(lambda tx: begin_backfill(tx, key, new))

        async def first(tx: Connection) -> None:
            part = await take_part(tx, backfill)
            assert part == BackfillPart(backfill, 0, groups[:2])
            assert await database.write(lambda other: take_part(other, backfill)) == BackfillPart(
                backfill, 1, groups[2:4]
            )
            await finish_part(tx, part, 1, 0, [failure])

        async def rest(tx: Connection) -> bool:
            part = await take_part(tx, backfill)
            if part:
                await finish_part(tx, part, len(part.group_ids), 1, [])
            return part is not None

        await database.write(first)
        async with database.reading() as connection:
            progress = await backfill_progress(connection, backfill)
            assert progress == BackfillProgress(groups=5, done=2, aligned=1, written_back=0, failed=1)
            assert not progress.is_complete
            assert await new_failures(connection, backfill, [], 10) == [failure]
            assert await new_failures(connection, backfill, [groups[1]], 10) == []
        assert await database.write(lambda tx: begin_backfill(tx, key, new)) == backfill
        while await database.write(rest):
            pass
        async with database.reading() as connection:
            progress = await backfill_progress(connection, backfill)
            assert progress == BackfillProgress(groups=5, done=5, aligned=4, written_back=2, failed=1)
            assert progress.is_complete
        with pytest.raises(RequestIdReused):
            await database.write(lambda tx: begin_backfill(tx, WriteKey(key.request_id, b"2"), new))

    on_database(database_url, work)


def test_a_backfill_of_a_country_has_the_groups_of_all_contracts(database_url: str) -> None:
    groups = sorted(add_groups(database_url, "IT", "1", 2) + add_groups(database_url, "IT", "2", 2))

    async def work(database: Database) -> None:
        new = NewBackfill("IT", None, ADA)
        backfill = await database.write(lambda tx: begin_backfill(tx, WriteKey(uuid4(), b""), new))
        part = await database.write(lambda tx: take_part(tx, backfill))
        assert part
        assert part.group_ids == groups
        nothing = await database.write(
            lambda tx: begin_backfill(tx, WriteKey(uuid4(), b""), replace(new, contract_id=uuid4()))
        )
        async with database.reading() as connection:
            assert (await backfill_progress(connection, nothing)).is_complete

    on_database(database_url, work)
