"""The invented legacy tables: deterministic, awkward, and readable by the source."""

from uuid import UUID, uuid4

import psycopg

from storage.legacy.identifiers import MappedContract, map_contract
from storage.legacy.spain import SpanishTables
from storage.postgres.database import Database
from tests.storage.legacy_source_conformance import on_database
from tools.legacy_sample import CONTRACT, POLICIES_OF_OTHER_CONTRACT, PRODUCTS, fill, invented

POLICIES = 120


def test_the_same_seed_gives_the_same_tables() -> None:
    assert invented(POLICIES, 7) == invented(POLICIES, 7)
    assert invented(POLICIES, 7) != invented(POLICIES, 8)


def test_the_tables_have_peculiarities() -> None:
    rows = invented(POLICIES, 1).enrollments
    firsts, lasts = [row[5] for row in rows], [row[6] for row in rows]
    assert {None, "-infinity", "0044-03-15 BC"} <= set(firsts)
    assert {None, "infinity", "9999-12-31"} <= set(lasts)
    assert any(row[7] for row in rows)
    assert any(str(last) < str(first) for first, last in zip(firsts, lasts, strict=True) if last and first)


def test_the_source_reads_every_group(legacy_url: str) -> None:
    tables = invented(POLICIES, 1)
    with psycopg.connect(legacy_url) as connection:
        fill(connection, tables)
    source = SpanishTables()
    mapping = MappedContract(CONTRACT, uuid4(), {product: uuid4() for product in PRODUCTS})

    async def work(database: Database) -> None:
        await database.write(lambda tx: map_contract(tx, "ES", mapping))
        await database.write(source.store_identifiers)
        async with database.snapshot() as connection:
            heads = await source.heads(connection, None, None, UUID(int=0), 1000)
            groups = await source.load(connection, heads)
            assert await source.unmapped_policies(connection) == POLICIES_OF_OTHER_CONTRACT
        assert list(groups) == heads
        owners = {owner for _, contract, owner, _ in tables.policies if contract == CONTRACT}
        assert {group.owner_user_id for group in groups.values()} == owners
        policies = {policy_id for policy_id, contract, _, _ in tables.policies if contract == CONTRACT}
        rows = {row.row_id for group in groups.values() for row in group.rows}
        assert rows == {row_id for row_id, policy_id, *_ in tables.enrollments if policy_id in policies}

    on_database(legacy_url, work)
    with psycopg.connect(legacy_url) as connection:
        connection.execute("INSERT INTO legacy_es.es_user DEFAULT VALUES")  # its id is not taken
