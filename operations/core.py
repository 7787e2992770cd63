"""What every operation uses: the database, the sources of contracts and facts, caches, and the workers' events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple

from domain.enrollment.history import GroupState
from domain.premiums.pricing_periods import ContractPricingCache
from operations.call import Call
from operations.computing import INLINE_SECONDS, Computing, InPlace
from operations.eligibility_state import EligibilityState
from operations.erasure_lease import ErasureLease
from operations.feed_reads import SharedReads
from operations.feed_tail import FeedTail
from operations.history_state import History
from operations.member_aliases import MemberAliases
from operations.migration_counts import MigrationCounts
from operations.sequencing import Sequencing
from operations.sources import ContractSource, FactSource
from operations.view_reads import SharedViewReads
from storage.audit import AuditEntry, add_entry
from storage.contracts import StoredContracts
from storage.history import WriteMark, log_write
from storage.legacy.registry import LegacySources
from storage.members import StoredMembers
from storage.merges import Merge
from storage.postgres.database import Connection, Database
from storage.premium_prices import StoredPrices

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Core:
    """One per process.

    `contracts` and `members` are written by CatalogService and MemberService; everything else reads `contract_source`
    and `fact_source`. `recompute_wanted`, `premiums_stale` and `runs_wanted` are set when this process has enqueued
    recomputes, recorded something that premiums depend on, or begun a premium run. `prices` and `contract_pricing` are
    caches for premiums. `group_view` returns a group's state in the form that is stored with its revision, for reads to
    return as it is; without it, none is stored.
    """

    database: Database
    contracts: StoredContracts
    members: StoredMembers
    contract_source: ContractSource
    fact_source: FactSource
    recompute_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    premiums_stale: asyncio.Event = field(default_factory=asyncio.Event)
    sequencing: Sequencing = field(default_factory=Sequencing)
    feed: FeedTail = field(default_factory=FeedTail)
    feed_reads: SharedReads = field(default_factory=SharedReads)
    view_reads: SharedViewReads = field(default_factory=SharedViewReads)
    prices: StoredPrices = field(default_factory=StoredPrices)
    contract_pricing: ContractPricingCache = field(default_factory=ContractPricingCache)
    eligibility: EligibilityState = field(default_factory=EligibilityState)
    lease: ErasureLease = field(default_factory=ErasureLease)
    runs_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    computing: Computing = field(default_factory=InPlace)
    history: History = field(default_factory=History)
    aliases: MemberAliases = field(default_factory=MemberAliases)
    legacy: LegacySources = field(default_factory=LegacySources)
    migrations: MigrationCounts = field(default_factory=MigrationCounts)
    group_view: Callable[[GroupState], bytes] | None = None

    async def compute(self, call: Call, seconds: float, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Runs a pure function for a call: in place if it is estimated to be short, otherwise off the event loop."""
        if seconds < INLINE_SECONDS:
            return function(*arguments)
        return await self.computing.run(call.caller.subject, function, *arguments)

    async def write(self, call: Call, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` in one transaction, which also adds the call to the audit log, once, and to the write log."""

        async def entered(tx: Connection) -> tuple[T, WriteMark]:
            call.trail.forget_resolved()  # from an earlier attempt that was rolled back
            done = await work(tx)
            if not call.trail.recorded:
                await add_entry(tx, entry_of(call, call.trail.outcome))
            merged = call.trail.merge.from_member_id if call.trail.merge else None
            *others, policy = call.trail.usage_of or (None,)
            for other in others:
                await log_write(tx, other)
            return done, await log_write(tx, policy, merged)

        done, write = await self.database.write(entered)
        call.trail.recorded, call.trail.write = True, write
        if call.trail.merge:
            self.add_merges([call.trail.merge])
        self.history.committed(write)
        return done

    def add_merges(self, merges: Sequence[Merge]) -> None:
        """Resolves the ids of merged members from now on, also in the filters of open streams."""
        if merges:
            self.aliases.add(merges)
            self.feed.resolve(self.aliases.resolved)

    def forget_history(self) -> None:
        """Clears every cache, because the database was, or may have been, restored to another history."""
        self.history.forget()
        self.aliases.forget()
        self.eligibility.forget()
        self.contracts.clear()
        self.prices.clear()
        self.contract_pricing.forget()
        self.feed.doubt()


def core_on(database: Database, computing: Computing | None = None, legacy: LegacySources | None = None) -> Core:
    """Returns a core with the built-in sources of contracts and facts, and the given legacy sources. Without
    `computing`, it runs every computation in place.
    """
    contracts, members, lease = StoredContracts(), StoredMembers(), ErasureLease()
    return Core(
        database,
        contracts,
        members,
        contracts,
        members,
        feed=FeedTail(lease),
        eligibility=EligibilityState(lease=lease),
        lease=lease,
        computing=computing or InPlace(),
        legacy=legacy or LegacySources(),
    )


def entry_of(call: Call, outcome: str) -> AuditEntry:
    """Returns the audit entry of a call with its outcome."""
    ids, omitted = call.trail.all_ids()
    return AuditEntry(call.call_id, call.method, call.actor, ids, omitted, outcome)
