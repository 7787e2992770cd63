"""Contracts, as a history of complete states that never change. This is the built-in source of contracts."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.catalog.contract import Contract
from domain.errors import ContractExists, ContractUnknown, ModuleTaken, SlotChanged
from storage.postgres.database import Connection
from storage.postgres.documents import (
    actor_from_document,
    actor_to_document,
    contract_from_document,
    contract_to_document,
)
from storage.postgres.instants import LATER_THAN
from storage.postgres.rows import IS_COMMITTED, fetch_value, find_value

MAX_CACHED_STATES = 1000
"""Number of contract states that a process caches."""


@dataclass(frozen=True, slots=True)
class RecordedContract:
    """A state of a contract, with its number (1, 2, 3 ...), when it was recorded, and by whom."""

    contract: Contract
    revision: int
    recorded_at: datetime
    actor: Actor

    @property
    def etag(self) -> str:
        return str(self.revision)


class StoredContracts:
    """Reads contracts and caches their states. A committed state never changes."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[UUID, int], RecordedContract] = OrderedDict()

    def clear(self) -> None:
        """Clears the cache, because after a restore the database can have other states with the same numbers."""
        self._cache.clear()

    async def current(
        self, connection: Connection, contract_ids: Collection[UUID], *, hold: bool
    ) -> dict[UUID, Contract]:
        """Returns the newest states of contracts. Unknown contracts are omitted.

        Contracts are only amended under their exclusive locks, so `hold` needs no further locks.
        """
        newest = await self.newest(connection, contract_ids) if contract_ids else {}
        return {each: (await self.state(connection, each, newest[each])).contract for each in sorted(newest)}

    async def recorded(
        self, connection: Connection, contract_id: UUID, as_of: datetime | None = None
    ) -> RecordedContract:
        """Returns the newest state of a contract, or the newest one at an instant. Raises ContractUnknown."""
        revision = await find_value(
            connection,
            int,
            "SELECT revision FROM contract_revision WHERE contract_id = %s"
            " AND (%s::timestamptz IS NULL OR recorded_at <= %s) ORDER BY revision DESC LIMIT 1",
            [contract_id, as_of, as_of],
        )
        if revision is None:
            raise ContractUnknown(contract_id)
        return await self.state(connection, contract_id, revision)

    async def recorded_at(self, connection: Connection, contract_id: UUID) -> datetime | None:
        """Returns when the newest state of a contract was recorded, or None if there is none."""
        return await find_value(
            connection,
            datetime,
            "SELECT recorded_at FROM contract_revision WHERE contract_id = %s ORDER BY revision DESC LIMIT 1",
            [contract_id],
        )

    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract:
        """Returns a state by its number. Raises ContractUnknown."""
        cached = self._cache.get((contract_id, revision))
        if cached is None:
            cursor = await connection.execute(
                f"SELECT document, recorded_at, actor, {IS_COMMITTED} FROM contract_revision"
                " WHERE contract_id = %s AND revision = %s",
                [contract_id, revision],
            )
            row = await cursor.fetchone()
            if row is None:
                raise ContractUnknown(contract_id)
            document, recorded_at, actor, is_committed = row
            contract = contract_from_document(document)
            slots = await _slots(connection, contract_id)
            unlisted = {module_id: slot for module_id, slot in slots.items() if module_id not in contract.slots}
            cached = RecordedContract(
                replace(contract, unlisted=unlisted) if unlisted else contract,
                revision,
                recorded_at,
                actor_from_document(actor),
            )
            if not is_committed:
                return cached
            self._cache[contract_id, revision] = cached
            if len(self._cache) > MAX_CACHED_STATES:
                self._cache.popitem(last=False)
        self._cache.move_to_end((contract_id, revision))
        return cached

    async def mark(self, connection: Connection) -> int:
        """Returns a number that grows whenever a contract changes."""
        return await fetch_value(connection, int, "SELECT count(*) FROM contract_revision")

    async def newest(self, connection: Connection, contract_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
        """Returns the number of the newest state of every contract, or of some. Unknown contracts are omitted."""
        if contract_ids is None:
            statement = "SELECT contract_id, max(revision) FROM contract_revision GROUP BY contract_id"
            cursor = await connection.execute(statement)
        else:
            cursor = await connection.execute(
                "SELECT contract_id, max(revision) FROM contract_revision WHERE contract_id = ANY(%s)"
                " GROUP BY contract_id",
                [list(contract_ids)],
            )
        return dict(await cursor.fetchall())

    async def listed(self, connection: Connection, after: UUID | None, limit: int) -> list[RecordedContract]:
        """Returns the newest states of contracts in order of id, starting after a given one."""
        cursor = await connection.execute(
            "SELECT contract_id, max(revision) FROM contract_revision WHERE %s::uuid IS NULL OR contract_id > %s"
            " GROUP BY contract_id ORDER BY contract_id LIMIT %s",
            [after, after, limit],
        )
        return [await self.state(connection, contract_id, n) for contract_id, n in await cursor.fetchall()]

    async def contracts_of_modules(self, connection: Connection, module_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Returns the contract of each module. Unknown modules are omitted."""
        cursor = await connection.execute(
            "SELECT module_id, contract_id FROM contract_module WHERE module_id = ANY(%s)", [list(module_ids)]
        )
        return dict(await cursor.fetchall())


async def _slots(connection: Connection, contract_id: UUID) -> dict[UUID, str | None]:
    cursor = await connection.execute(
        "SELECT module_id, slot FROM contract_module WHERE contract_id = %s", [contract_id]
    )
    return dict(await cursor.fetchall())


async def record_contract(
    tx: Connection, contract: Contract, current: RecordedContract | None, actor: Actor
) -> datetime:
    """Stores the first state of a contract (if `current` is None) or the one after `current`. Returns its instant.

    The contract must be locked exclusively. Raises ContractExists, ModuleTaken, SlotChanged.
    """
    revision = current.revision + 1 if current else 1
    recorded_at = await find_value(
        tx,
        datetime,
        "INSERT INTO contract_revision (contract_id, revision, recorded_at, document, actor)"
        f" VALUES (%s, %s, {LATER_THAN}, %s, %s) ON CONFLICT DO NOTHING RETURNING recorded_at",
        [
            contract.contract_id,
            revision,
            current and current.recorded_at,
            Jsonb(contract_to_document(contract)),
            Jsonb(actor_to_document(actor)),
        ],
    )
    if recorded_at is None:
        raise ContractExists(contract.contract_id)
    await _claim_modules(tx, contract)
    return recorded_at


async def _claim_modules(tx: Connection, contract: Contract) -> None:
    """Assigns every module permanently to the contract and to its slot."""
    slots = _slots_in(contract)
    ids = sorted(slots)
    await tx.execute(
        "INSERT INTO contract_module (module_id, contract_id, slot)"
        " SELECT m.module_id, %s, m.slot FROM unnest(%s::uuid[], %s::text[]) AS m(module_id, slot)"
        " ON CONFLICT DO NOTHING",
        [contract.contract_id, ids, [slots[i] for i in ids]],
    )
    for conflict in (await module_conflicts(tx, contract)).values():
        raise conflict


async def module_conflicts(connection: Connection, contract: Contract) -> dict[UUID, ModuleTaken | SlotChanged]:
    """Returns the modules that can't be in a contract, because another one or another slot has them, in order of id."""
    slots = _slots_in(contract)
    cursor = await connection.execute(
        "SELECT module_id, contract_id, slot FROM contract_module WHERE module_id = ANY(%s) ORDER BY module_id",
        [list(slots)],
    )
    conflicts: dict[UUID, ModuleTaken | SlotChanged] = {}
    for module_id, contract_id, slot in await cursor.fetchall():
        if contract_id != contract.contract_id:
            conflicts[module_id] = ModuleTaken(module_id)
        elif slot != slots[module_id]:
            conflicts[module_id] = SlotChanged(module_id, slot)
    return conflicts


def _slots_in(contract: Contract) -> Mapping[UUID, str | None]:
    return {module.module_id: module.slot for version in contract.versions for module in version.modules}
