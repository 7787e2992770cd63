"""Stored contracts: a process caches only committed states."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from storage import contracts
from storage.contracts import StoredContracts
from storage.postgres.database import Connection, Database


@dataclass(frozen=True)
class Named:
    """Takes the place of a contract whose contents don't matter here."""

    name: str
    slots: Any = None


def test_a_state_that_was_rolled_back_is_not_cached(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, contract_id = StoredContracts(), uuid4()

    async def record(tx: Connection, name: str) -> str:
        await tx.execute(
            "INSERT INTO contract_revision (contract_id, revision, recorded_at, document) VALUES (%s, 1, now(), %s)",
            [contract_id, Jsonb(name)],
        )
        return await name_of(tx)

    async def name_of(connection: Connection) -> str:
        named: Any = (await stored.state(connection, contract_id, 1)).contract
        return str(named.name)

    async def roll_back(tx: Connection) -> None:
        assert await record(tx, "lost") == "lost"
        raise ZeroDivisionError

    async def run() -> None:
        database = Database(own_database_url, pool_size=1)
        await database.open()
        try:
            with pytest.raises(ZeroDivisionError):
                await database.write(roll_back)
            assert await database.write(lambda tx: record(tx, "kept")) == "kept"
            async with database.reading() as connection:
                assert await name_of(connection) == "kept"
                assert await stored.state(connection, contract_id, 1) is await stored.state(connection, contract_id, 1)
        finally:
            await database.close()

    monkeypatch.setattr(contracts, "contract_from_document", Named)
    asyncio.run(run())
