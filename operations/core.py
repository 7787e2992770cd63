"""What every operation uses: the database, the sources of contracts and facts, caches, and the workers' events."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple

from domain.enrollment.history import GroupState
from domain.premiums.pricing_periods import ContractPricingCache
from operations.batches import Batches
from operations.call import Call
from operations.computing import INLINE_SECONDS, Computing, InPlace
from operations.eligibility_state import EligibilityState
from operations.erasure_lease import ErasureLease
from operations.feed_reads import SharedReads
from operations.feed_tail import FeedTail
from operations.group_memory import GroupMemory
from operations.history_state import History
from operations.member_aliases import MemberAliases
from operations.migration_counts import MigrationCounts
from operations.sequencing import Sequencing
from operations.sources import ContractSource, FactSource
from operations.view_reads import SharedViewReads
from storage.audit import AuditEntry, add_entries
from storage.contracts import StoredContracts
from storage.group_writes import GroupWrites
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
    recomputes, recorded something that premiums depend on, or begun a premium run; all three and `indexing_wanted` also
    when the database has such work. `prices` and `contract_pricing` are caches for premiums. `group_view` returns a
    group's state in the form that is stored with its revision, for reads to return as it is; without it, none is
    stored.
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
    indexing_wanted: asyncio.Event = field(default_factory=asyncio.Event)
    computing: Computing = field(default_factory=InPlace)
    history: History = field(default_factory=History)
    aliases: MemberAliases = field(default_factory=MemberAliases)
    legacy: LegacySources = field(default_factory=LegacySources)
    migrations: MigrationCounts = field(default_factory=MigrationCounts)
    groups: GroupMemory = field(default_factory=GroupMemory)
    submits: Batches[Any, Any] = field(default_factory=Batches)
    group_view: Callable[[GroupState], bytes] | None = None

    async def compute(self, call: Call, seconds: float, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Runs a pure function for a call: in place if it is estimated to be short, otherwise off the event loop."""
        if seconds < INLINE_SECONDS:
            return function(*arguments)
        return await self.computing.run(call.caller.subject, function, *arguments)

    async def write(self, call: Call, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` in one transaction, which also adds the call to the audit log, once, and to the write log."""

        async def of_one(tx: Connection) -> tuple[T, Sequence[Call]]:
            call.trail.forget_resolved()  # from an earlier attempt that was rolled back
            return await work(tx), [call]

        return await self.write_together(of_one)

    async def write_together(
        self,
        work: Callable[[Connection], Awaitable[tuple[T, Sequence[Call]]]],
        *,
        patient: bool = True,
        generic_plans: bool = False,
    ) -> T:
        """Does the same for several calls. `work` also returns the calls for which it stored something. See
        `Database.write` for the options."""

        async def entered(tx: Connection) -> tuple[T, Sequence[Call], WriteMark | None]:
            done, calls = await work(tx)
            await add_entries(tx, [entry_of(each, each.trail.outcome) for each in calls if not each.trail.recorded])
            usage_of = [group_id for each in calls for group_id in each.trail.usage_of]
            merged = [each.trail.merge.from_member_id for each in calls if each.trail.merge]
            return done, calls, await log_write(tx, usage_of, merged) if calls else None

        done, calls, write = await self.database.write(entered, patient=patient, generic_plans=generic_plans)
        for each in calls:
            each.trail.recorded, each.trail.write = True, write
        self.add_merges([each.trail.merge for each in calls if each.trail.merge])
        if write is not None:
            self.history.committed(write)
        return done

    async def record(self, tx: Connection, writes: GroupWrites) -> None:
        """Writes the decisions about groups, and keeps the details of their events for this process's feed reader.

        The details are kept before the commit, so that a later erasure drops them.
        """
        await writes.write(tx)
        self.feed.written.add(writes.details)

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
        self.members.clear()
        self.groups.forget()
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
