"""Premiums of a policy: previewed, computed into the ledger, listed, invoiced and added up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.enrollment.decisions import GroupKey
from domain.errors import DomainError, PremiumEntryUnknown
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import PremiumEntry
from domain.premiums.invoicing import Debtor, marked
from domain.premiums.ledger import NewRow, offset, reconciled_rows
from domain.premiums.months import Month, days_of_month, month_of
from domain.pricing.inquiries import Policy
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import look_into
from server.operations.premium_computing import (
    Computed,
    PremiumMonths,
    compute_groups,
    ever_computed,
    fresh_stretches,
    insured_policies,
    open_ranges,
)
from storage import enrollment, premiums, recomputes
from storage.database import Connection
from storage.enrollment_reads import GroupHead, group_head
from storage.premiums import EntryFilter, EntryPlace, PremiumSum, StoredEntry
from storage.requests import WriteKey, answered, remember


@dataclass(frozen=True, slots=True)
class AddedEntry:
    """An entry that computing would add; `cancels` names the one that it takes back."""

    entry: PremiumEntry
    version: int
    cancels: UUID | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What is owed, and what computing would add to the ledger."""

    group_id: UUID
    key: GroupKey
    revision: int
    entries: Sequence[PremiumEntry]
    added: Sequence[AddedEntry]


async def preview(core: Core, call: Call, group: UUID | GroupKey, months: PremiumMonths) -> Preview:
    """Computes and stores nothing; a recompute that waits is taken for done. Raises GroupUnknown, CannotBePriced."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        insured = await _insured(core, connection, head, months)
        ledger = await premiums.ledger_rows(connection, core.prices, [head.group_key], months.first, months.last)
        computed = await ever_computed(connection, head.group_key, insured, months)
    fresh = [(its, fresh_stretches(core, insured, its)) for its in open_ranges(insured, months, computed)]
    entries = [entry for _, owed in fresh for stretch in owed for entry in stretch.entries()]
    entries.sort(key=lambda entry: (entry.enrollment_id, entry.month, entry.days.start))
    rows = ledger.get(head.group_key, [])
    added = [row for its, owed in fresh for row in reconciled_rows(rows, owed, its.first, its.last)]
    additions = [entry for row in added for entry in _added(row)]
    additions.sort(key=lambda new: (new.entry.enrollment_id, new.entry.month, new.version))
    return Preview(head.group_id, head.key, head.revision, entries, additions)


async def _insured(core: Core, connection: Connection, head: GroupHead, months: PremiumMonths) -> InsuredPolicy:
    if not await recomputes.waiting_recomputes(connection, [head.group_key]):
        return (await insured_policies(core, connection, [head], months.parameters))[head.group_key]
    basis, state = await look_into(core, connection, head.key)
    policy = Policy(basis.contract, head.group_id, head.key.primary_id, basis.facts)
    return InsuredPolicy(policy, state, basis.membership_types(), months.parameters)


def _added(row: NewRow) -> list[AddedEntry]:
    if row.cancels is None:
        return [AddedEntry(entry, row.version, None) for entry in row.stretch.entries()]
    return [
        AddedEntry(offset(entry), row.version, EntryPlace(row.cancels, entry.month).entry_id)
        for entry in row.stretch.entries()
    ]


async def compute(core: Core, call: Call, key: WriteKey, group: UUID | GroupKey, months: PremiumMonths) -> Computed:
    """Makes the ledger say what is owed; a repeated call answers the same again.

    Raises GroupUnknown, CannotBePriced, RequestIdReused; nothing is stored then.
    """

    async def work(tx: Connection) -> Computed:
        if answer := await answered(tx, key):
            return Computed(answer["offsets"], answer["entries"])
        head = await group_head(tx, group)
        locked = await enrollment.lock_group(tx, head.group_id, head.key)
        outcome = (await compute_groups(core, call, tx, [locked], months))[locked.group_key]
        if isinstance(outcome, DomainError):
            raise outcome
        await remember(tx, key, {"offsets": outcome.offsets, "entries": outcome.entries})
        return outcome

    computed = await core.write(call, work)
    core.events_written.set()  # a recompute that waited may have been done
    return computed


async def list_entries(
    core: Core,
    call: Call,
    owner: UUID | GroupKey | EntryFilter,
    months: tuple[Month, Month] | None,
    live_only: bool,
    after: EntryPlace,
    limit: int,
) -> list[StoredEntry]:
    """Entries in the order in which they were added; `owner` is a policy, or a filter. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner, months)
        return await premiums.list_entries(
            connection, core.prices, which, live_only=live_only, after=after, limit=limit
        )


async def _filter(
    connection: Connection, owner: UUID | GroupKey | EntryFilter, months: tuple[Month, Month] | None
) -> EntryFilter:
    if isinstance(owner, EntryFilter):
        return replace(owner, months=months)
    return EntryFilter(group_key=(await group_head(connection, owner)).group_key, months=months)


async def list_uninvoiced(
    core: Core,
    call: Call,
    owner: UUID | GroupKey | EntryFilter,
    debtor: Debtor,
    up_to: date,
    after: EntryPlace,
    limit: int,
) -> list[StoredEntry]:
    """Entries with something that a debtor has not been invoiced yet, in the order in which they were added.

    Raises GroupUnknown.
    """
    month = month_of(up_to)
    last = month if days_of_month(month).end == to_day(up_to) + 1 else month - 1
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner, (0, last))
        return await premiums.list_uninvoiced(connection, core.prices, which, debtor, after, limit)


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
        found = await premiums.lock_entries(tx, core.prices, entry_ids)
        there = {each.ledger_entry.entry_id for each in found}
        for entry_id in entry_ids:
            if entry_id not in there:
                raise PremiumEntryUnknown(entry_id)
        changed, components, amount = marked([each.ledger_entry for each in found], debtor, invoice_id)
        await premiums.mark_entries(tx, [each.entry_id for each in changed], debtor, invoice_id)
        await remember(tx, key, {"components": components, "amount_minor": amount})
        return Marked(components, amount)

    return await core.write(call, work)


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
