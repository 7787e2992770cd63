"""Prices of the premium ledger: each with how it came about, stored once, however many entries it makes."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg.types.json import Jsonb

from domain.identity import derived_id
from domain.premiums.entries import Basis
from domain.premiums.invoicing import debtor_of
from domain.pricing.prices import EngineParameters
from domain.pricing.tariffs import Price
from storage.database import Connection
from storage.documents import Document, price_basis_from_document, price_basis_to_document

REMEMBERED = 50_000
"""How many stored prices a process keeps ready to use."""


class StoredPrices:
    """Remembers prices that were seen stored: a stored price never changes."""

    def __init__(self) -> None:
        self._known: dict[int, Basis] = {}
        self._keys: WeakKeyDictionary[Price, dict[EngineParameters, int]] = WeakKeyDictionary()

    async def keys_of(self, tx: Connection, bases: Iterable[Basis]) -> dict[Basis, int]:
        """Under which key each price is stored; those that are not, are stored in the transaction."""
        keys: dict[Basis, int] = {}
        unknown: dict[UUID, list[Basis]] = {}
        documents: dict[UUID, Document] = {}
        for basis in set(bases):
            known = self._keys.get(basis.price, {}).get(basis.parameters)
            if known is None:
                document = price_basis_to_document(basis)
                price_id = derived_id("price", json.dumps(document, sort_keys=True))
                unknown.setdefault(price_id, []).append(basis)
                documents[price_id] = document
            else:
                keys[basis] = known
        if unknown:
            stored = await _stored(tx, unknown)
            for price_id, key in stored.items():
                for basis in unknown[price_id]:
                    self._keys.setdefault(basis.price, {})[basis.parameters] = key
            new = sorted(unknown.keys() - stored.keys())
            # What is stored here is not remembered yet: the transaction may come to nothing.
            stored |= await _store(tx, [(price_id, unknown[price_id][0], documents[price_id]) for price_id in new])
            keys |= {basis: stored[price_id] for price_id, same in unknown.items() for basis in same}
        return keys

    async def bases(self, connection: Connection, price_keys: Iterable[int]) -> dict[int, Basis]:
        """Prices by their keys."""
        wanted = set(price_keys)
        missing = wanted - self._known.keys()
        found: dict[int, Basis] = {}
        if missing:
            cursor = await connection.execute(
                "SELECT price_key, document FROM premium_price WHERE price_key = ANY(%s)", [sorted(missing)]
            )
            found = {key: price_basis_from_document(document) for key, document in await cursor.fetchall()}
            if len(self._known) + len(found) > REMEMBERED:
                self._known.clear()
                return found | await self.bases(connection, wanted - found.keys())
            self._known |= found
        return {key: self._known[key] for key in wanted}


async def _stored(tx: Connection, price_ids: Collection[UUID]) -> dict[UUID, int]:
    cursor = await tx.execute(
        "SELECT price_id, price_key FROM premium_price WHERE price_id = ANY(%s)", [sorted(price_ids)]
    )
    return dict(await cursor.fetchall())


async def _store(tx: Connection, new: Sequence[tuple[UUID, Basis, Document]]) -> dict[UUID, int]:
    """Stores prices in order of id, so that two that store the same wait for each other in one order."""
    if not new:
        return {}
    async with tx.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO premium_price (price_id, module_id, beneficiary_type, service_type, currency_code,"
            " contribution_types, billed_entities, debtors, monthly_minor, document)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s) ON CONFLICT DO NOTHING",
            [_values(price_id, basis, document) for price_id, basis, document in new],
        )
    return await _stored(tx, [price_id for price_id, _, _ in new])


def _values(price_id: UUID, basis: Basis, document: Document) -> list[Any]:
    amounts = basis.price.amounts
    first = amounts[0]
    return [
        price_id,
        first.module_id,
        first.beneficiary_type.value,
        first.service_type.value,
        first.currency_code,
        [amount.contribution_type.value for amount in amounts],
        [amount.billed_entity.value for amount in amounts],
        [debtor_of(amount).value for amount in amounts],
        [amount.monthly_minor for amount in amounts],
        Jsonb(document),
    ]
