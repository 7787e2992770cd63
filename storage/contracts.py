"""Contracts as recorded: every state whole, none ever changed. The built-in source of contracts."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.catalog.contract import Contract
from domain.errors import ContractExists, ContractUnknown, ModuleTaken, SlotChanged
from storage.database import Connection
from storage.documents import contract_from_document, contract_to_document
from storage.instants import LATER_THAN, settled_until
from storage.requests import lock

REMEMBERED = 1000
"""How many contract states a process keeps ready to use."""


@dataclass(frozen=True, slots=True)
class RecordedContract:
    """A state of a contract, with its number (1, 2, 3 …) and the instant of recording."""

    contract: Contract
    revision: int
    recorded_at: datetime

    @property
    def etag(self) -> str:
        return str(self.revision)


class StoredContracts:
    """Reads contracts, and remembers the states that were read: a recorded state never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[UUID, int], RecordedContract] = OrderedDict()

    async def current(self, connection: Connection, contract_id: UUID, *, hold: bool) -> Contract:
        """The contract as it is; with `hold` kept from being amended until the transaction ends."""
        if hold:
            await lock(connection, "contract", contract_id, shared=True)
        return (await self.recorded(connection, contract_id)).contract

    async def recorded(
        self, connection: Connection, contract_id: UUID, as_of: datetime | None = None
    ) -> RecordedContract:
        """The newest state of a contract, or the one that was newest at an instant. Raises ContractUnknown."""
        await settled_until(connection, as_of)
        cursor = await connection.execute(
            "SELECT revision FROM contract_revision WHERE contract_id = %s"
            " AND (%s::timestamptz IS NULL OR recorded_at <= %s) ORDER BY revision DESC LIMIT 1",
            [contract_id, as_of, as_of],
        )
        row = await cursor.fetchone()
        if row is None:
            raise ContractUnknown(contract_id)
        return await self.state(connection, contract_id, row[0])

    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract:
        """A state by its number. Raises ContractUnknown."""
        known = self._known.get((contract_id, revision))
        if known is None:
            cursor = await connection.execute(
                "SELECT document, recorded_at FROM contract_revision WHERE contract_id = %s AND revision = %s",
                [contract_id, revision],
            )
            row = await cursor.fetchone()
            if row is None:
                raise ContractUnknown(contract_id)
            slots = await _slots(connection, contract_id)
            known = RecordedContract(replace(contract_from_document(row[0]), slots=slots), revision, row[1])
            self._known[contract_id, revision] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end((contract_id, revision))
        return known

    async def mark(self, connection: Connection) -> int:
        """A number that changes whenever any contract does."""
        cursor = await connection.execute("SELECT count(*) FROM contract_revision")
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 (a count has a row)
        count: int = row[0]
        return count

    async def newest(self, connection: Connection) -> dict[UUID, int]:
        """The number of the newest state of every contract."""
        cursor = await connection.execute(
            "SELECT contract_id, max(revision) FROM contract_revision GROUP BY contract_id"
        )
        return dict(await cursor.fetchall())

    async def listed(self, connection: Connection, after: UUID | None, limit: int) -> list[RecordedContract]:
        """Contracts as they are, in order of id, beginning after one."""
        cursor = await connection.execute(
            "SELECT contract_id, max(revision) FROM contract_revision WHERE %s::uuid IS NULL OR contract_id > %s"
            " GROUP BY contract_id ORDER BY contract_id LIMIT %s",
            [after, after, limit],
        )
        return [await self.state(connection, contract_id, n) for contract_id, n in await cursor.fetchall()]

    async def contracts_of_modules(self, connection: Connection, module_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """To which contract each module belongs; unknown modules are left out."""
        cursor = await connection.execute(
            "SELECT module_id, contract_id FROM contract_module WHERE module_id = ANY(%s)", [list(module_ids)]
        )
        return dict(await cursor.fetchall())


async def _slots(connection: Connection, contract_id: UUID) -> dict[UUID, str | None]:
    cursor = await connection.execute(
        "SELECT module_id, slot FROM contract_module WHERE contract_id = %s", [contract_id]
    )
    return dict(await cursor.fetchall())


async def record_contract(tx: Connection, contract: Contract, current: RecordedContract | None) -> datetime:
    """Records a new state: the first (`current` None) or the one after `current`. Answers with the instant.

    The contract must be locked ("contract", exclusively). Raises ContractExists, ModuleTaken, SlotChanged.
    """
    revision = current.revision + 1 if current else 1
    cursor = await tx.execute(
        "INSERT INTO contract_revision (contract_id, revision, recorded_at, document)"
        f" VALUES (%s, %s, {LATER_THAN}, %s) ON CONFLICT DO NOTHING RETURNING recorded_at",
        [
            contract.contract_id,
            revision,
            current and current.recorded_at,
            Jsonb(contract_to_document(contract)),
        ],
    )
    row = await cursor.fetchone()
    if row is None:
        raise ContractExists(contract.contract_id)
    await _claim_modules(tx, contract)
    recorded_at: datetime = row[0]
    return recorded_at


async def _claim_modules(tx: Connection, contract: Contract) -> None:
    """Makes every module of the contract its own, in its slot, for ever."""
    slots: Mapping[UUID, str | None] = {
        module.module_id: module.slot for version in contract.versions for module in version.modules
    }
    ids = sorted(slots)
    await tx.execute(
        "INSERT INTO contract_module (module_id, contract_id, slot)"
        " SELECT m.module_id, %s, m.slot FROM unnest(%s::uuid[], %s::text[]) AS m(module_id, slot)"
        " ON CONFLICT DO NOTHING",
        [contract.contract_id, ids, [slots[i] for i in ids]],
    )
    cursor = await tx.execute(
        "SELECT module_id, contract_id, slot FROM contract_module WHERE module_id = ANY(%s)", [ids]
    )
    for module_id, contract_id, slot in await cursor.fetchall():
        if contract_id != contract.contract_id:
            raise ModuleTaken(module_id)
        if slot != slots[module_id]:
            raise SlotChanged(module_id, slot)
