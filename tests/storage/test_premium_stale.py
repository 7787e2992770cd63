"""Marks of stale policies: computing removes only those that it has seen."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import psycopg

from storage import premium_stale
from storage.postgres.database import Connection, Database
from storage.postgres.rows import fetch_value
from storage.postgres.sessions import POOL, connect_blocking
from tests.support.plans import scans

JANUARY = 2026 * 12
JUNE = JANUARY + 5


def with_policy(url: str, work: Callable[[Database, int, UUID], Awaitable[None]]) -> None:
    """Runs a test with a policy whose months January to June 2026 are computed, given its key and its primary."""

    async def add(tx: Connection, primary_id: UUID) -> int:
        group_key = await fetch_value(
            tx,
            int,
            "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
            " VALUES (%s, %s, %s, now()) RETURNING group_key",
            [uuid4(), uuid4(), primary_id],
        )
        await tx.execute(
            "INSERT INTO group_member (member_id, group_key, recorded_at) VALUES (%s, %s, now())",
            [primary_id, group_key],
        )
        await tx.execute(
            "INSERT INTO premium_policy (group_key, months) VALUES (%s, int4multirange(int4range(%s, %s, '[]')))",
            [group_key, JANUARY, JUNE],
        )
        return group_key

    async def run() -> None:
        database, primary_id = Database(url), uuid4()
        await database.open()
        try:
            group_key = await database.write(lambda tx: add(tx, primary_id))
            await work(database, group_key, primary_id)
        finally:
            await database.close()

    asyncio.run(run())


async def stale_from(database: Database, group_key: int) -> int | None:
    async with database.reading() as connection:
        return (await premium_stale.staleness(connection, group_key=group_key, contract_id=None)).first


async def recorded(database: Database, primary_id: UUID, first: int) -> None:
    await database.write(
        lambda tx: premium_stale.mark_member(tx, primary_id, first, as_primary=True, caused_by="facts")
    )


def test_facts_recorded_while_a_policy_is_computed_leave_it_stale(own_database_url: str) -> None:
    async def work(database: Database, group_key: int, primary_id: UUID) -> None:
        await recorded(database, primary_id, JANUARY)

        async def compute(tx: Connection) -> None:
            marks = await premium_stale.marks_of(tx, [group_key])
            await recorded(database, primary_id, JUNE)  # in another transaction, which commits first
            await premium_stale.computed(tx, marks, JANUARY, JUNE)

        await database.write(compute)
        assert await stale_from(database, group_key) == JANUARY
        await database.write(lambda tx: _computed(tx, group_key, JANUARY, JUNE))
        assert await stale_from(database, group_key) is None

    with_policy(own_database_url, work)


def test_facts_recorded_while_a_policy_without_marks_is_computed_leave_it_stale(own_database_url: str) -> None:
    async def work(database: Database, group_key: int, primary_id: UUID) -> None:
        async def compute(tx: Connection) -> None:
            marks = await premium_stale.marks_of(tx, [group_key])
            await recorded(database, primary_id, JUNE)
            await premium_stale.computed(tx, marks, JANUARY, JUNE)

        await database.write(compute)
        assert await stale_from(database, group_key) == JUNE

    with_policy(own_database_url, work)


def test_computing_the_first_stale_months_moves_the_mark(own_database_url: str) -> None:
    async def work(database: Database, group_key: int, primary_id: UUID) -> None:
        await recorded(database, primary_id, JANUARY)
        await database.write(lambda tx: _computed(tx, group_key, JANUARY, JANUARY + 1))
        assert await stale_from(database, group_key) == JANUARY + 2

    with_policy(own_database_url, work)


async def _computed(tx: Connection, group_key: int, first: int, last: int) -> None:
    await premium_stale.computed(tx, await premium_stale.marks_of(tx, [group_key]), first, last)


FILL = """
INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)
    SELECT gen_random_uuid(), (%(contracts)s::uuid[])[1 + n %% 3], gen_random_uuid(), now()
    FROM generate_series(1, %(groups)s) AS n;
INSERT INTO premium_policy (group_key, months)
    SELECT group_key, int4multirange(int4range(%(first)s, %(first)s + 6)) FROM enrollment_group;
INSERT INTO premium_stale (group_key, contract_id, from_month, failed)
    SELECT group_key, contract_id, %(first)s, group_key %% 7 = 0 FROM enrollment_group ORDER BY random();
INSERT INTO premium_following (contract_id, recorded_at) SELECT unnest((%(contracts)s::uuid[])[:2]), now();
"""


def test_the_next_policies_are_read_without_those_that_wait_behind_them(own_database_url: str) -> None:
    contracts, limit = [uuid4() for _ in range(3)], 20
    values = {"contracts": contracts, "groups": 3000, "first": JANUARY}

    async def due() -> list[int]:
        database = Database(own_database_url)
        await database.open()
        try:
            async with database.reading() as connection:
                return await premium_stale.due_policies(connection, limit)
        finally:
            await database.close()

    with psycopg.connect(own_database_url, autocommit=True) as owner:
        for statement in FILL.strip().split(";\n"):
            owner.execute(statement, values)
        owner.execute("VACUUM ANALYZE")
        stale = owner.execute("SELECT group_key, contract_id, failed FROM premium_stale ORDER BY mark").fetchall()
    with connect_blocking(own_database_url, POOL) as of_server:
        _, read = scans(of_server, premium_stale.NEXT_DUE, {"limit": limit})["premium_stale"]
    followed = [key for key, contract_id, failed in stale if contract_id in contracts[:2] and not failed]
    assert asyncio.run(due()) == followed[:limit]
    assert read == 2 * limit
