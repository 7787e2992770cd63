"""Prices of the premium ledger with their derivations. Each price is stored once, even if many entries have it."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg.types.json import Jsonb

from domain.catalog.prices import EngineParameters
from domain.identity import derived_id
from domain.premiums.invoicing import debtor_of
from domain.premiums.pricing_periods import Basis
from domain.pricing.tariffs import Price
from storage.postgres.database import Connection
from storage.postgres.documents import Document, price_basis_from_document, price_basis_to_document
from storage.postgres.rows import IS_COMMITTED, insert_rows

MAX_CACHED_PRICES = 50_000
"""Number of stored prices that a process caches."""


class StoredPrices:
    """Reads and stores prices, and caches committed ones. A stored price never changes."""

    def __init__(self) -> None:
        self._bases: dict[int, Basis] = {}
        self._keys: WeakKeyDictionary[Price, dict[EngineParameters, int]] = WeakKeyDictionary()

    def clear(self) -> None:
        """Clears the cache, because after a restore the database can have other prices with the same keys."""
        self._bases.clear()
        self._keys.clear()

    async def keys_of(self, tx: Connection, bases: Iterable[Basis]) -> dict[Basis, int]:
        """Returns the key of each price. Prices that are not stored yet are stored in this transaction."""
        keys: dict[Basis, int] = {}
        unknown: dict[UUID, list[Basis]] = {}
        documents: dict[UUID, Document] = {}
        for basis in set(bases):
            key = self._keys.get(basis.price, {}).get(basis.parameters)
            if key is None:
                document = price_basis_to_document(basis)
                price_id = derived_id("price", json.dumps(document, sort_keys=True))
                unknown.setdefault(price_id, []).append(basis)
                documents[price_id] = document
            else:
                keys[basis] = key
        if unknown:
            found = await _stored(tx, unknown)
            for price_id, price in found.items():
                for basis in unknown[price_id] if price.is_committed else ():
                    self._keys.setdefault(basis.price, {})[basis.parameters] = price.key
            stored = {price_id: price.key for price_id, price in found.items()}
            new = sorted(unknown.keys() - stored.keys())
            # Prices that this transaction stores are not cached yet, because it may be rolled back.
            stored |= await _store(tx, [(price_id, unknown[price_id][0], documents[price_id]) for price_id in new])
            keys |= {basis: stored[price_id] for price_id, same in unknown.items() for basis in same}
        return keys

    async def bases(self, connection: Connection, price_keys: Iterable[int]) -> dict[int, Basis]:
        """Returns prices by their keys."""
        wanted = set(price_keys)
        missing = wanted - self._bases.keys()
        found: dict[int, Basis] = {}
        if missing:
            cursor = await connection.execute(
                "SELECT price_key, document FROM premium_price WHERE price_key = ANY(%s)", [sorted(missing)]
            )
            found = {key: price_basis_from_document(document) for key, document in await cursor.fetchall()}
            if len(self._bases) + len(found) > MAX_CACHED_PRICES:
                self._bases.clear()
                return found | await self.bases(connection, wanted - found.keys())
            self._bases |= found
        return {key: self._bases[key] for key in wanted}


class _Stored(NamedTuple):
    """The key of a stored price, and whether it is committed."""

    key: int
    is_committed: bool


async def _stored(tx: Connection, price_ids: Collection[UUID]) -> dict[UUID, _Stored]:
    cursor = await tx.execute(
        f"SELECT price_id, price_key, {IS_COMMITTED} FROM premium_price WHERE price_id = ANY(%s)",
        [sorted(price_ids)],
    )
    return {price_id: _Stored(*price) for price_id, *price in await cursor.fetchall()}


async def _store(tx: Connection, new: Sequence[tuple[UUID, Basis, Document]]) -> dict[UUID, int]:
    """Stores prices in order of id, so that transactions that store the same prices wait for each other without a
    deadlock."""
    if not new:
        return {}
    await insert_rows(
        tx,
        "premium_price (price_id, module_id, beneficiary_type, service_type, currency_code, contribution_types,"
        " billed_entities, debtors, monthly_minor, document)",
        "(%s, %s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s)",
        (_values(price_id, basis, document) for price_id, basis, document in new),
        "ON CONFLICT DO NOTHING",
    )
    stored = await _stored(tx, [price_id for price_id, _, _ in new])
    return {price_id: price.key for price_id, price in stored.items()}


def _values(price_id: UUID, basis: Basis, document: Document) -> list[Any]:
    charges = basis.price.charges
    first = charges[0]
    return [
        price_id,
        first.module_id,
        first.beneficiary_type.value,
        first.service_type.value,
        first.currency_code,
        [charge.contribution_type.value for charge in charges],
        [charge.billed_entity.value for charge in charges],
        [debtor_of(charge).value for charge in charges],
        [charge.monthly_minor for charge in charges],
        Jsonb(document),
    ]
