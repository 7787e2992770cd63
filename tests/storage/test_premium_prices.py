"""Stored prices: a process caches only committed prices."""

import asyncio
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import pytest

from domain.premiums.pricing_periods import Basis
from storage import premium_prices
from storage.postgres.database import Connection, Database
from storage.premium_prices import StoredPrices


class Price:
    """Takes the place of a price whose contents don't matter here."""


def row_of(price_id: Any, *_: object) -> list[Any]:
    return [price_id, uuid4(), "PERSON", "CARE", "EUR", ["COST"], ["MEMBER"], ["x"], [1], "{}"]


@pytest.mark.parametrize("savepoint", [False, True])
def test_a_price_that_was_rolled_back_is_stored_again(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch, savepoint: bool
) -> None:
    prices, basis = StoredPrices(), Basis(Price(), "parameters")  # type: ignore[arg-type]

    async def store_and_find(tx: Connection) -> int:
        async with tx.transaction() if savepoint else nullcontext():
            first = (await prices.keys_of(tx, [basis]))[basis]
        assert (await prices.keys_of(tx, [basis]))[basis] == first
        return first

    async def find(tx: Connection) -> None:
        await prices.keys_of(tx, [basis])

    def is_cached() -> bool:
        return bool(prices._keys)

    async def roll_back(tx: Connection) -> None:
        await store_and_find(tx)
        raise ZeroDivisionError

    async def run() -> None:
        database = Database(own_database_url, pool_size=1)
        await database.open()
        try:
            with pytest.raises(ZeroDivisionError):
                await database.write(roll_back)
            key = await database.write(store_and_find)
            assert not is_cached()
            await database.write(find)
            assert is_cached()
            async with database.reading() as connection:
                found = await connection.execute("SELECT FROM premium_price WHERE price_key = %s", [key])
                assert await found.fetchone() is not None
        finally:
            await database.close()

    monkeypatch.setattr(premium_prices, "price_basis_to_document", lambda _: {"price": "one"})
    monkeypatch.setattr(premium_prices, "_values", row_of)
    asyncio.run(run())
