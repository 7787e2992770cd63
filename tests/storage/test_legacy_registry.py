"""The registry of legacy sources: what is checked at start, and how often unknown ids are searched for."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest

from storage.legacy.registry import LegacySources, LegacySourcesUnusable, grant_legacy_tables
from storage.legacy.spain import SpanishTables
from storage.postgres.database import Connection, Database
from tests.storage.legacy_source_conformance import connection_role, on_database
from tests.support.guarded import application_url
from tools.legacy_sample import create_tables


def checked(url: str, *countries: str) -> None:
    async def work(database: Database) -> None:
        async with database.reading() as connection:
            await LegacySources.of(countries).check(connection)

    on_database(url, work)


def test_without_sources_nothing_is_found() -> None:
    sources = LegacySources()
    assert not sources
    assert "ES" not in sources
    assert sources.get("ES") is None
    assert list(sources) == []


def test_each_country_has_its_source() -> None:
    sources = LegacySources.of(["ES"])
    assert sources
    assert "ES" in sources
    assert [source.country for source in sources] == ["ES"]
    assert sources.get("ES") is not None


def test_missing_tables_are_reported(own_database_url: str) -> None:
    checked(own_database_url)
    with pytest.raises(LegacySourcesUnusable, match=r"ES needs .* SELECT ON legacy_es\.es_user, INSERT ON"):
        checked(own_database_url, "ES")


def test_missing_privileges_are_reported(own_database_url: str) -> None:
    url = application_url(own_database_url)
    role = connection_role(url)
    with psycopg.connect(own_database_url, autocommit=True) as owner:
        grant_legacy_tables(owner, role, ["ES"])  # without tables, it does nothing
        create_tables(owner)
        with pytest.raises(LegacySourcesUnusable, match=f"the role {role} .*: SELECT ON legacy_es.es_user"):
            checked(url, "ES")
        grant_legacy_tables(owner, role, ["ES"])
        checked(url, "ES")
        owner.execute(f"REVOKE UPDATE ON legacy_es.es_policy FROM {role}".encode())
        with pytest.raises(LegacySourcesUnusable, match=r"have: UPDATE ON legacy_es\.es_policy\. Check"):
            checked(url, "ES")


def test_a_country_in_migration_needs_a_source(own_database_url: str) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        create_tables(connection)
        connection.execute("INSERT INTO migration VALUES ('ES', 'TRANSLATE', now())")
        checked(own_database_url, "ES")
        with pytest.raises(LegacySourcesUnusable, match="must include ES"):
            checked(own_database_url)
        connection.execute("UPDATE migration SET stage = 'RETIRED'")
        checked(own_database_url)


class CountingTables(SpanishTables):
    """Counts how often all missing identifiers are stored."""

    def __init__(self) -> None:
        self.calls = 0

    async def store_identifiers(self, tx: Connection, member_ids: object = None) -> int:
        self.calls += 1
        return await super().store_identifiers(tx)


class Clock:
    """A clock that only moves when a test or a pause moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def searching(
    url: str, work: Callable[[Callable[[], Awaitable[bool]], CountingTables], Awaitable[None]], clock: Clock
) -> None:
    async def run(database: Database) -> None:
        tables = CountingTables()
        sources = LegacySources([tables], lambda: clock.now, clock.sleep)
        await work(lambda: sources.search(database, "ES"), tables)

    on_database(url, run)


def add_user(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO legacy_es.es_user DEFAULT VALUES")


def test_unknown_ids_are_searched_for_at_most_once_a_second(legacy_url: str) -> None:
    clock = Clock()

    async def work(search: Callable[[], Awaitable[bool]], tables: CountingTables) -> None:
        add_user(legacy_url)
        assert await search()
        add_user(legacy_url)
        clock.now += 0.75
        assert await search()  # waits until a second has passed
        assert clock.now == 101.0
        clock.now += 2
        assert not await search()  # nothing is left to store
        assert (clock.now, tables.calls) == (103.0, 3)

    searching(legacy_url, work, clock)


def test_searches_that_wait_share_one_that_begins_after_them(legacy_url: str) -> None:
    clock = Clock()

    async def work(search: Callable[[], Awaitable[bool]], tables: CountingTables) -> None:
        await search()
        add_user(legacy_url)
        clock.now += 0.5
        assert await asyncio.gather(*(search() for _ in range(5))) == [True] * 5
        assert (clock.now, tables.calls) == (101.0, 2)

    searching(legacy_url, work, clock)


def test_concurrent_searches_share_one(legacy_url: str) -> None:
    async def work(search: Callable[[], Awaitable[bool]], tables: CountingTables) -> None:
        add_user(legacy_url)
        assert await asyncio.gather(*(search() for _ in range(5))) == [True] * 5
        assert tables.calls == 1

    searching(legacy_url, work, Clock())
