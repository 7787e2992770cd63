"""What every operation works with: the database, the sources of contracts and facts, and the bell of the workers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

from domain.catalog.contract import Contract
from domain.members import Facts
from domain.premiums.affiliation import TermsBook
from server.operations.call import Call
from server.operations.eligibility_state import EligibilityState
from server.operations.feed_tail import FeedTail
from storage.audit import AuditEntry, add_entry
from storage.contracts import RecordedContract, StoredContracts
from storage.database import Connection, Database
from storage.members import StoredMembers
from storage.premium_prices import StoredPrices

T = TypeVar("T")


class ContractSource(Protocol):
    """Where contracts come from. The built-in one is `storage.contracts`; a deployment may put its own here."""

    async def current(self, connection: Connection, contract_id: UUID, *, hold: bool) -> Contract:
        """The contract as it is; with `hold` kept from changing until the transaction ends. Raises ContractUnknown."""
        ...

    async def contracts_of_modules(self, connection: Connection, module_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """To which contract each module belongs; unknown modules are left out."""
        ...

    async def mark(self, connection: Connection) -> int:
        """A number that changes whenever any contract does."""
        ...

    async def newest(self, connection: Connection) -> dict[UUID, int]:
        """The number of the newest state of every contract."""
        ...

    async def state(self, connection: Connection, contract_id: UUID, revision: int) -> RecordedContract:
        """A state by its number. Raises ContractUnknown."""
        ...


class FactSource(Protocol):
    """Where members' facts come from. The built-in one is `storage.members`; a deployment may put its own here."""

    async def current_facts(
        self, connection: Connection, member_ids: Iterable[UUID], *, hold: bool
    ) -> dict[UUID, Facts]:
        """Everyone's facts as they are; with `hold` kept from changing until the transaction ends.

        Raises MemberUnknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class Core:
    """One per process. The bells ring when this process has enqueued recomputes, has written events, or has begun a
    premium run. `prices` and `terms` remember what premiums are made of."""

    database: Database
    contracts: StoredContracts
    members: StoredMembers
    contract_source: ContractSource
    fact_source: FactSource
    recompute_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    events_written: asyncio.Event = field(default_factory=asyncio.Event)
    feed: FeedTail = field(default_factory=FeedTail)
    prices: StoredPrices = field(default_factory=StoredPrices)
    terms: TermsBook = field(default_factory=TermsBook)
    eligibility: EligibilityState = field(default_factory=EligibilityState)
    runs_wanted: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, call: Call, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Does what a call asks for in one transaction, which also enters the call into the audit log."""
        if call.trail.recorded:
            return await self.database.write(work)

        async def entered(tx: Connection) -> T:
            done = await work(tx)
            await add_entry(tx, entry_of(call, call.trail.outcome))
            return done

        done = await self.database.write(entered)
        call.trail.recorded = True
        return done


def core_on(database: Database) -> Core:
    """The core with the built-in sources."""
    contracts, members = StoredContracts(), StoredMembers()
    return Core(database, contracts, members, contracts, members)


def entry_of(call: Call, outcome: str) -> AuditEntry:
    """What the audit log is told of a call that ended so: who did what to what. Ids only."""
    return AuditEntry(call.call_id, call.method, call.caller.kind, call.caller.subject, call.trail.ids, outcome)
