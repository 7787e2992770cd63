"""Progress of storing locators: whether all are stored, and since when."""

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from operations.core import core_on
from operations.projection import locate_all
from server.system import own_call
from storage import locator_progress
from storage.coverage import NAME
from storage.postgres.database import Connection, Database
from storage.postgres.leases import leading
from tests.storage.test_sources import on_database

T = TypeVar("T")
MARK = 7


async def write(database: Database, *steps: Callable[[Connection], Awaitable[None]]) -> None:
    for step in steps:
        await database.write(step)


async def since(database: Database, mark: int = MARK) -> float | None:
    async with database.reading() as connection:
        return await locator_progress.seconds_since_pass(connection, mark)


async def pass_over(database: Database, *during: Callable[[Connection], Awaitable[None]]) -> None:
    await write(
        database,
        locator_progress.begin_pass,
        *during,
        lambda tx: locator_progress.move_located_mark(tx, MARK),
        locator_progress.end_pass,
    )


def test_a_pass_counts_for_its_mark_of_the_contracts_until_the_next_one_begins(own_database_url: str) -> None:
    async def work(database: Database) -> list[float | None]:
        found = [await since(database)]
        await pass_over(database)
        found += [await since(database), await since(database, MARK + 1)]
        await write(database, locator_progress.begin_pass)
        return [*found, await since(database)]

    never, after, other_mark, running = on_database(own_database_url, work)
    assert after is not None
    assert after >= 0
    assert (never, other_mark, running) == (None, None, None)


def test_a_pass_during_or_after_which_locators_were_missed_does_not_count(own_database_url: str) -> None:
    async def work(database: Database) -> list[float | None]:
        await pass_over(database, locator_progress.report_missed)
        during = await since(database)
        await pass_over(database)
        await write(database, locator_progress.report_missed)
        return [during, await since(database)]

    assert on_database(own_database_url, work) == [None, None]


def test_a_pass_without_the_contract_of_a_policy_does_not_count(own_database_url: str) -> None:
    async def work(database: Database) -> list[float | None]:
        core, found = core_on(database), []
        async with leading(own_database_url, "locators") as lease:
            for policies in (0, 1):
                await write(database, fill) if policies else None
                await locate_all(core, own_call("projection"), lease, MARK)
                found.append(await since(database))
        return found

    async def fill(tx: Connection) -> None:
        await tx.execute(
            "INSERT INTO projection_checkpoints (name, generation, resume_token, position, moved_at)"
            " VALUES (%s, 1, '', 0, clock_timestamp())",
            [NAME],
        )
        group_id = uuid4()
        await tx.execute("INSERT INTO coverage_policy VALUES (1, %s, %s, %s, 1)", [group_id, uuid4(), uuid4()])
        await tx.execute(
            "INSERT INTO coverage_run (generation, group_id, member_id, module_id, membership_type, days)"
            " VALUES (1, %s, %s, %s, 'PRIMARY', '[2026-01-01,)')",
            [group_id, uuid4(), uuid4()],
        )

    without_policies, with_one = on_database(own_database_url, work)
    assert without_policies is not None
    assert with_one is None


def test_a_pass_while_a_contract_is_damaged_does_not_count(own_database_url: str) -> None:
    """Its policies would otherwise keep the locators of an earlier state after it is repaired and a server restarts."""

    async def work(database: Database) -> float | None:
        core = core_on(database)
        await write(database, damage)
        await core.eligibility.offers.refresh(database, core.contract_source)
        async with leading(own_database_url, "locators") as lease:
            await locate_all(core, own_call("projection"), lease, MARK)
        return await since(database)

    async def damage(tx: Connection) -> None:
        await tx.execute(
            "INSERT INTO contract_revision (contract_id, revision, recorded_at, document) VALUES (%s, 1, now(), '{}')",
            [uuid4()],
        )

    assert on_database(own_database_url, work) is None
