"""Caches what contracts offer, so that checks don't wait for the database. Reads contracts again when any changes."""

import asyncio
import contextlib
from collections.abc import Collection
from uuid import UUID

import structlog

from domain.catalog.contract import Contract
from domain.eligibility.coverage import Offers
from domain.errors import ContractUnknown
from operations.failures import where
from operations.gathering import Gathering
from operations.sources import ContractSource
from storage.postgres.database import Database
from storage.postgres.documents import DocumentDamaged

log = structlog.get_logger()


class ContractUnreadable(Exception):
    """The newest state of a contract is damaged. What it offers is unknown until it is repaired."""


class OffersMissing(Exception):
    """The requested contract is not in memory yet."""

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(str(contract_id))
        self.contract_id = contract_id


class OffersBook:
    """The newest known state of each contract. One per process."""

    def __init__(self) -> None:
        self._offers: dict[UUID, Offers] = {}
        self.mark = 0
        """The mark of the source of contracts when they were last read."""
        self.version = 0
        """Increases whenever any contract is read or found damaged."""
        self._unreadable: dict[UUID, int] = {}
        """Contracts whose newest state can't be read, with its revision. Every refresh tries them again."""
        self._refreshing = asyncio.Lock()
        self._changed: set[UUID] = set()
        self._has_changed = asyncio.Event()
        self._lookups: Gathering[UUID, Contract | DocumentDamaged] = Gathering()

    def forget(self) -> None:
        """Clears the cache. The next refresh reads all contracts."""
        self._offers.clear()
        self.mark = 0
        self.version += 1

    @property
    def are_damaged(self) -> bool:
        """Whether the newest state of any contract can't be read."""
        return bool(self._unreadable)

    def of(self, contract_id: UUID) -> Offers:
        """Returns the offers of a contract. Raises OffersMissing."""
        try:
            return self._offers[contract_id]
        except KeyError:
            raise OffersMissing(contract_id) from None

    def revision_of(self, contract_id: UUID) -> int:
        """Returns the newest known revision of a contract; 0 if it is unknown."""
        known = self._offers.get(contract_id)
        return known.revision if known else 0

    async def refresh(self, database: Database, contracts: ContractSource) -> None:
        """Reads the contracts that have changed since the last refresh."""
        async with self._refreshing, database.reading() as connection:
            mark = await contracts.mark(connection)
            if mark == self.mark and not self._unreadable:
                return
            for contract_id, revision in (await contracts.newest(connection)).items():
                if revision > self.revision_of(contract_id):
                    try:
                        recorded = await contracts.state(connection, contract_id, revision)
                        self._read(contract_id, Offers(recorded.contract, revision))
                    except DocumentDamaged as damage:
                        self._set_aside(contract_id, revision, damage)
            self.mark = mark

    async def current(
        self, database: Database, contracts: ContractSource, contract_ids: Collection[UUID]
    ) -> dict[UUID, Contract]:
        """Returns the current states of contracts, all as of one instant after the call. Unknown ones are omitted.

        Only their revisions are read, in one statement for all concurrent callers, unless a contract has changed.
        Raises DocumentDamaged.
        """
        found = await self._lookups.read(contract_ids, lambda ids: self._look_up(database, contracts, ids))
        current: dict[UUID, Contract] = {}
        for contract_id in contract_ids:
            contract = found.get(contract_id)
            if isinstance(contract, DocumentDamaged):
                raise contract
            if contract is not None:
                current[contract_id] = contract
        return current

    async def _look_up(
        self, database: Database, contracts: ContractSource, contract_ids: Collection[UUID]
    ) -> dict[UUID, Contract | DocumentDamaged]:
        found: dict[UUID, Contract | DocumentDamaged] = {}
        async with database.reading() as connection:
            for contract_id, revision in (await contracts.newest(connection, contract_ids)).items():
                known = self._offers.get(contract_id)
                if known is not None and known.revision == revision:
                    found[contract_id] = known.contract
                    continue
                try:
                    found[contract_id] = (await contracts.state(connection, contract_id, revision)).contract
                except DocumentDamaged as damage:
                    found[contract_id] = damage
        return found

    def _read(self, contract_id: UUID, offers: Offers) -> None:
        self._offers[contract_id] = offers
        self._unreadable.pop(contract_id, None)
        self.version += 1
        self._changed.add(contract_id)
        self._has_changed.set()

    def _set_aside(self, contract_id: UUID, revision: int, damage: DocumentDamaged) -> None:
        """Removes a damaged contract from the cache: its previous state no longer applies. Others stay available."""
        if self._unreadable.get(contract_id) != revision:
            self._unreadable[contract_id] = revision
            self.version += 1
            log.error("contract_unreadable", contract_id=str(contract_id), revision=revision, where=where(damage))
        self._offers.pop(contract_id, None)

    async def take_changed(self, seconds: float) -> set[UUID]:
        """Returns the contracts read since the last call. Waits for one for up to `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._has_changed.wait(), seconds)
        self._has_changed.clear()
        changed, self._changed = self._changed, set()
        return changed

    async def ensure(self, database: Database, contracts: ContractSource, contract_id: UUID) -> None:
        """Makes sure that a contract is in memory. Raises ContractUnknown, ContractUnreadable."""
        await self.refresh(database, contracts)
        if contract_id in self._unreadable:
            raise ContractUnreadable
        if contract_id not in self._offers:
            raise ContractUnknown(contract_id)
