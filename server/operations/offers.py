"""What contracts offer, ready for checks that must not wait: every contract in memory, read again when any changed."""

import asyncio
import contextlib
from typing import Protocol
from uuid import UUID

from domain.eligibility.coverage import Offers
from domain.errors import ContractUnknown
from storage.contracts import RecordedContract
from storage.database import Connection, Database


class OffersMissing(Exception):
    """A contract was asked for that is not in memory yet."""

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(str(contract_id))
        self.contract_id = contract_id


class ContractStates(Protocol):
    """As much of a source of contracts as is needed here (`core.py`)."""

    async def mark(self, connection: Connection) -> int: ...
    async def newest(self, connection: Connection) -> dict[UUID, int]: ...
    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract: ...


class OffersBook:
    """The newest known state of each contract."""

    def __init__(self) -> None:
        self._offers: dict[UUID, Offers] = {}
        self.mark = 0
        """Of the state of all contracts that is known."""
        self.version = 0
        """Counts the times that any contract was read."""
        self._refreshing = asyncio.Lock()
        self._changed: set[UUID] = set()
        self._has_changed = asyncio.Event()

    def of(self, contract_id: UUID) -> Offers:
        """Raises OffersMissing."""
        try:
            return self._offers[contract_id]
        except KeyError:
            raise OffersMissing(contract_id) from None

    def revision_of(self, contract_id: UUID) -> int:
        """Up to which state a contract is known; 0: not at all."""
        known = self._offers.get(contract_id)
        return known.revision if known else 0

    async def refresh(self, database: Database, contracts: ContractStates) -> None:
        """Reads what has changed since the last time."""
        async with self._refreshing, database.reading() as connection:
            mark = await contracts.mark(connection)
            if mark == self.mark:
                return
            for contract_id, revision in (await contracts.newest(connection)).items():
                if revision > self.revision_of(contract_id):
                    recorded = await contracts.state(connection, contract_id, revision)
                    self._offers[contract_id] = Offers(recorded.contract, revision)
                    self.version += 1
                    self._changed.add(contract_id)
                    self._has_changed.set()
            self.mark = mark

    async def take_changed(self, seconds: float) -> set[UUID]:
        """The contracts that were read since this was last asked; waits for some, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_changed.wait(), seconds)
        self._has_changed.clear()
        changed, self._changed = self._changed, set()
        return changed

    async def ensure(self, database: Database, contracts: ContractStates, contract_id: UUID) -> None:
        """Sees to it that a contract is there. Raises ContractUnknown."""
        await self.refresh(database, contracts)
        if contract_id not in self._offers:
            raise ContractUnknown(contract_id)
