"""Premiums: previewed, computed into the ledger, listed, invoiced and added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.enrollment.group import Period, days_of
from domain.errors import PremiumEntryUnknown
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import PremiumEntry, premium_entries
from domain.premiums.invoicing import Debtor, marked
from domain.premiums.ledger import NewEntry, reconciled
from domain.premiums.months import Month, days_of_month, month_of
from domain.pricing.inquiries import Policy
from domain.pricing.prices import EngineParameters
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import open_group
from server.operations.revising import catch_up
from storage import enrollment, enrollment_reads, premiums, recomputes
from storage.database import Connection
from storage.enrollment_reads import group_head
from storage.premiums import Computation, EntryFilter, PremiumSum, StoredEntry
from storage.requests import WriteKey, answered, remember


@dataclass(frozen=True, slots=True)
class PremiumInquiry:
    """A policy and its months, both inclusive; `parameters` are the request's own, None where it brings none."""

    group: UUID | GroupKey
    first: Month
    last: Month
    parameters: EngineParameters | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What is owed, and what computing would add to the ledger: `added` cancel entries of `live`, by place."""

    group_id: UUID
    key: GroupKey
    entries: Sequence[PremiumEntry]
    live: Sequence[StoredEntry]
    added: Sequence[NewEntry]


async def preview(core: Core, call: Call, inquiry: PremiumInquiry) -> Preview:
    """Computes and stores nothing. Raises GroupUnknown, CannotBePriced."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, inquiry.group)
        insured = await _insured(core, connection, head.group_key, head.key, head.group_id, inquiry, hold=False)
        fresh = premium_entries(insured, inquiry.first, inquiry.last)
        live, added = await _compared(connection, head.group_key, inquiry, fresh)
    return Preview(head.group_id, head.key, fresh, live, added)


@dataclass(frozen=True, slots=True)
class Computed:
    """How many entries were added."""

    offsets: int
    entries: int


async def compute(core: Core, call: Call, key: WriteKey, inquiry: PremiumInquiry) -> Computed:
    """Makes the ledger say what is owed; a repeated call answers the same again.

    Raises GroupUnknown, CannotBePriced, RequestIdReused; nothing is stored then.
    """

    async def work(tx: Connection) -> Computed:
        if answer := await answered(tx, key):
            return Computed(answer["offsets"], answer["entries"])
        head = await group_head(tx, inquiry.group)
        computed = await _compute(core, call, tx, head.group_id, head.key, inquiry)
        await remember(tx, key, {"offsets": computed.offsets, "entries": computed.entries})
        return computed

    computed = await core.database.write(work)
    core.events_written.set()  # a recompute that waited may have been done
    return computed


async def _compute(
    core: Core, call: Call, tx: Connection, group_id: UUID, key: GroupKey, inquiry: PremiumInquiry
) -> Computed:
    group = await enrollment.lock_group(tx, group_id, key)
    if await recomputes.waiting_recomputes(tx, [group.group_key]):
        group = (await catch_up(call, tx, await open_group(core, tx, group))).group
    insured = await _insured(core, tx, group.group_key, key, group_id, inquiry, hold=True)
    fresh = premium_entries(insured, inquiry.first, inquiry.last)
    live, added = await _compared(tx, group.group_key, inquiry, fresh)
    if added:
        computation = Computation(group.group_key, key.contract_id, group.revision, inquiry.parameters)
        await premiums.add_entries(tx, computation, live, added)
    offsets = sum(new.cancels is not None for new in added)
    return Computed(offsets, len(added) - offsets)


async def _compared(
    connection: Connection, group_key: int, inquiry: PremiumInquiry, fresh: list[PremiumEntry]
) -> tuple[list[StoredEntry], list[NewEntry]]:
    """What the ledger says about the months, and what has to be added to it."""
    live = await premiums.live_entries(connection, group_key, inquiry.first, inquiry.last)
    versions = await premiums.last_versions(connection, group_key, inquiry.first, inquiry.last)
    return live, reconciled([each.ledger_entry.entry for each in live], fresh, versions)


async def _insured(
    core: Core,
    connection: Connection,
    group_key: int,
    key: GroupKey,
    group_id: UUID,
    inquiry: PremiumInquiry,
    *,
    hold: bool,
) -> InsuredPolicy:
    """A policy as it is enrolled now, with everything that prices depend on."""
    contract = await core.contract_source.current(connection, key.contract_id, hold=hold)
    heads = await enrollment_reads.group_heads(connection, [group_id])
    revision = heads[group_id].revision
    found: list[Period] = (await enrollment_reads.periods_at(connection, {group_key: revision})).get(group_key, [])
    members = {period.member_id for period in found} | {key.primary_id}
    facts = await core.fact_source.current_facts(connection, members, hold=hold)
    enrolled = {EnrollmentKey(*its): days for its, days in days_of(found).items()}
    types = {period.member_id: period.membership_type for period in found}
    return InsuredPolicy(Policy(contract, group_id, key.primary_id, facts), enrolled, types, inquiry.parameters)


async def list_entries(
    core: Core,
    call: Call,
    owner: UUID | GroupKey | EntryFilter,
    months: tuple[Month, Month] | None,
    live_only: bool,
    after: int,
    limit: int,
) -> list[StoredEntry]:
    """Entries in the order in which they were added; `owner` is a policy, or a filter. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner, months)
        return await premiums.list_entries(connection, which, live_only=live_only, after=after, limit=limit)


async def _filter(
    connection: Connection, owner: UUID | GroupKey | EntryFilter, months: tuple[Month, Month] | None = None
) -> EntryFilter:
    if isinstance(owner, EntryFilter):
        return EntryFilter(owner.group_key, owner.contract_id, owner.enrollment_ids, months)
    return EntryFilter(group_key=(await group_head(connection, owner)).group_key, months=months)


async def list_uninvoiced(
    core: Core, call: Call, owner: UUID | GroupKey | EntryFilter, debtor: Debtor, up_to: date, after: int, limit: int
) -> list[StoredEntry]:
    """Entries with something that a debtor has not been invoiced yet, in the order in which they were added.

    Raises GroupUnknown.
    """
    month = month_of(up_to)
    last_month = month if days_of_month(month).end == to_day(up_to) + 1 else month - 1
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner)
        return await premiums.list_uninvoiced(connection, which, debtor, last_month, after, limit)


@dataclass(frozen=True, slots=True)
class Marked:
    """How many components were marked, and what they add up to."""

    components: int
    amount_minor: int


async def mark_invoiced(
    core: Core, call: Call, key: WriteKey, entry_ids: Sequence[UUID], debtor: Debtor, invoice_id: str
) -> Marked:
    """Puts an invoice on entries, all or nothing. Raises PremiumEntryUnknown, AlreadyInvoiced, RequestIdReused."""

    async def work(tx: Connection) -> Marked:
        if answer := await answered(tx, key):
            return Marked(answer["components"], answer["amount_minor"])
        found = await premiums.lock_entries(tx, entry_ids)
        keys = {each.ledger_entry.entry_id: each.entry_key for each in found}
        for entry_id in entry_ids:
            if entry_id not in keys:
                raise PremiumEntryUnknown(entry_id)
        changed, components, amount = marked([each.ledger_entry for each in found], debtor, invoice_id)
        await premiums.mark_entries(tx, keys, changed)
        await remember(tx, key, {"components": components, "amount_minor": amount})
        return Marked(components, amount)

    return await core.database.write(work)


async def aggregate(
    core: Core,
    call: Call,
    by: Sequence[str],
    months: tuple[Month, Month],
    contract_ids: Sequence[UUID],
    group_ids: Sequence[UUID],
) -> list[PremiumSum]:
    """What is owed, by the names of dimensions, over all entries of some months."""
    async with core.database.reading() as connection:
        return await premiums.aggregate(connection, by, months, contract_ids, group_ids)
