"""Previews and computes the premiums of a policy, and lists, invoices and aggregates ledger entries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.enrollment.decisions import GroupKey
from domain.errors import DomainError, GroupUnknown, PremiumEntryUnknown
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import PremiumEntry
from domain.premiums.invoicing import Debtor, marked
from domain.premiums.ledger import LedgerRow, reconciled_rows
from domain.premiums.months import Month, days_of_month, month_of
from domain.pricing.inquiries import Policy
from operations.call import Call
from operations.core import Core
from operations.legacy.answering import answered_groups, found_by_searching
from operations.legacy.sides import hold_stages
from operations.looking import look_into, state_of
from operations.paging import Page
from operations.premium_computing import (
    Computed,
    PremiumMonths,
    closed_months,
    compute_groups,
    fresh_stretches,
    insured_policies,
    open_ranges,
    premiums_not_open,
)
from storage import enrollment, merges, migration_stages, premium_stale, premium_sums, premiums, recomputes
from storage.enrollment import NEW_GROUP
from storage.group_lookup import GroupHead, group_head, members_of
from storage.placed_groups import placed_groups
from storage.postgres.database import Connection
from storage.premium_stale import Staleness
from storage.premium_sums import PremiumSum
from storage.premiums import EntryFilter, EntryKey, StoredEntry
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class AddedEntry:
    """An entry that computing would add. `cancels` is the entry that it offsets, if any."""

    entry: PremiumEntry
    version: int
    cancels: UUID | None


@dataclass(frozen=True, slots=True)
class Preview:
    """The premiums that are owed, and the entries that computing would add to the ledger."""

    group_id: UUID
    key: GroupKey
    revision: int
    entries: Sequence[PremiumEntry]
    added: Sequence[AddedEntry]
    stale_from: Month | None


async def preview(core: Core, call: Call, group: UUID | GroupKey, months: PremiumMonths) -> Preview:
    """Computes premiums without storing them, as if any waiting recompute had run.

    Raises GroupUnknown, LegacyCannotHold, CannotBePriced.
    """
    try:
        return await _preview(core, call, group, months)
    except GroupUnknown:
        if isinstance(group, GroupKey) or not await found_by_searching(core):
            raise
    return await _preview(core, call, group, months)


async def _preview(core: Core, call: Call, group: UUID | GroupKey, months: PremiumMonths) -> Preview:
    async with core.database.snapshot() as connection:
        head, is_legacy = await _head(core, connection, group)
        insured = await _insured(core, call, connection, head, months, as_if_aligned=is_legacy)
        ledger = await premiums.ledger_rows(connection, core.prices, [head.group_key], months.first, months.last)
        closed = await closed_months(connection, {head.group_key: insured}, months.first)
        stale = await premium_stale.staleness(connection, group_key=head.group_key, contract_id=None)
    ranges = open_ranges(insured, months, closed.get(head.group_key))
    fresh = [(part, fresh_stretches(core, insured, part)) for part in ranges]
    entries = [entry for _, owed in fresh for stretch in owed for entry in stretch.entries()]
    entries.sort(key=lambda entry: (entry.enrollment_id, entry.month, entry.days.start))
    rows = ledger.get(head.group_key, {})
    added = [row for part, owed in fresh for row in reconciled_rows(rows, owed, part.first, part.last)]
    additions = [entry for row in added for entry in _added(row)]
    additions.sort(key=lambda new: (new.entry.enrollment_id, new.entry.month, new.version))
    return Preview(head.group_id, head.key, head.revision, entries, additions, stale.first)


async def _head(core: Core, connection: Connection, group: UUID | GroupKey) -> tuple[GroupHead, bool]:
    """Returns a group, and whether legacy tables answer for it, in which case the core may not have it yet.

    Raises GroupUnknown.
    """
    legacy = (await answered_groups(core, connection, [group])).get(group)
    try:
        return await group_head(connection, group), legacy is not None
    except GroupUnknown:
        if legacy is None:
            raise
        return GroupHead(NEW_GROUP, legacy.group_id, legacy.key, 0), True


async def _insured(
    core: Core, call: Call, connection: Connection, head: GroupHead, months: PremiumMonths, *, as_if_aligned: bool
) -> InsuredPolicy:
    waits = await recomputes.waiting_recomputes(connection, [head.group_key])
    if not waits and not as_if_aligned:
        return (await insured_policies(core, connection, [head], months.parameters))[head.group_key]
    seen = await look_into(core, call, connection, head.key)
    basis, state = seen.basis, await state_of(core, call, seen)
    policy = Policy(basis.contract, head.group_id, head.key.primary_id, basis.facts)
    return InsuredPolicy(policy, state, basis.membership_types(), months.parameters)


def _added(row: LedgerRow) -> list[AddedEntry]:
    return [
        AddedEntry(entry, row.version, EntryKey(row.cancels, entry.month).entry_id if row.cancels is not None else None)
        for entry in row.entries()
    ]


async def compute(core: Core, call: Call, key: WriteKey, group: UUID | GroupKey, months: PremiumMonths) -> Computed:
    """Updates the ledger to what is owed. A retry returns the same result.

    Raises GroupUnknown, MemberMerged, CannotBePriced, RequestIdReused. After an error, nothing is stored.
    """

    async def work(tx: Connection) -> Computed:
        answer = await find_answer(tx, key)
        if not answer and isinstance(group, GroupKey):
            await merges.reject_merged(tx, [group.primary_id])
        if not answer:
            await _reject_closed(core, tx, group)
        head = await group_head(tx, group)
        call.trail.resolved_group(head.group_id, head.key)
        call.trail.resolved(member_id=await members_of(tx, head.group_id))
        if answer:
            return Computed(answer["offsets"], answer["entries"])
        await hold_stages(core, tx, [head.key.contract_id])
        locked = await enrollment.lock_group(tx, head.group_id, head.key)
        outcome = (await compute_groups(core, call, tx, [locked], months))[locked.group_key]
        if isinstance(outcome, DomainError):
            raise outcome
        await store_answer(tx, key, {"offsets": outcome.offsets, "entries": outcome.entries})
        return outcome

    computed = await core.write(call, work)
    core.sequencing.wanted.set()  # a waiting recompute may have run
    return computed


async def _reject_closed(core: Core, tx: Connection, group: UUID | GroupKey) -> None:
    """Raises MigrationStageForbids while legacy tables answer for a group, which the core may not have yet."""
    placed = (await placed_groups(tx, [group]))[group] if core.legacy else None
    if placed and placed.country and placed.stage and not placed.stage.opens_premiums:
        raise premiums_not_open(placed.country, placed.stage)


async def list_entries(
    core: Core,
    owner: UUID | GroupKey | EntryFilter,
    months: tuple[Month, Month] | None,
    live_only: bool,
    page: Page[EntryKey],
) -> tuple[list[StoredEntry], Staleness]:
    """Returns the entries of a policy, or of a filter, in the order in which they were added.

    Also returns the staleness of the policy or contract. Raises GroupUnknown.
    """
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner, months)
        found = await premiums.list_entries(
            connection, core.prices, which, live_only=live_only, after=page.after, limit=page.size
        )
        stale = await premium_stale.staleness(connection, group_key=which.group_key, contract_id=which.contract_id)
        return found, stale


async def _filter(
    connection: Connection, owner: UUID | GroupKey | EntryFilter, months: tuple[Month, Month] | None
) -> EntryFilter:
    if isinstance(owner, EntryFilter):
        return replace(owner, months=months)
    return EntryFilter(group_key=(await group_head(connection, owner)).group_key, months=months)


async def list_uninvoiced(
    core: Core, owner: UUID | GroupKey | EntryFilter, debtor: Debtor, up_to: date, page: Page[EntryKey]
) -> list[StoredEntry]:
    """Returns entries that have not been fully invoiced to a debtor, in the order in which they were added.

    Raises GroupUnknown.
    """
    month = month_of(up_to)
    last = month if days_of_month(month).end == to_day(up_to) + 1 else month - 1
    async with core.database.snapshot() as connection:
        which = await _filter(connection, owner, (0, last))
        return await premiums.list_uninvoiced(connection, core.prices, which, debtor, page.after, page.size)


@dataclass(frozen=True, slots=True)
class Marked:
    """How many components were marked, and their total."""

    components: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceMark:
    """The invoice to a debtor that bills some entries."""

    entry_ids: Sequence[UUID]
    debtor: Debtor
    invoice_id: str


async def mark_invoiced(core: Core, call: Call, key: WriteKey, mark: InvoiceMark) -> Marked:
    """Marks all entries as invoiced, or none. Raises PremiumEntryUnknown, AlreadyInvoiced, RequestIdReused."""

    async def work(tx: Connection) -> Marked:
        if answer := await find_answer(tx, key):
            return Marked(answer["components"], answer["amount_minor"])
        found = await premiums.lock_entries(tx, core.prices, mark.entry_ids)
        for each in found:
            call.trail.resolved_group(each.group_id, each.key)
            call.trail.resolved(member_id=each.ledger_entry.entry.member_id)
        stages = await migration_stages.hold_of_contracts(tx, {each.key.contract_id for each in found})
        for country, stage in stages.values():
            if not stage.opens_premiums:
                raise premiums_not_open(country, stage)
        existing = {each.ledger_entry.entry_id for each in found}
        for entry_id in mark.entry_ids:
            if entry_id not in existing:
                raise PremiumEntryUnknown(entry_id)
        changed, components, amount = marked([each.ledger_entry for each in found], mark.debtor, mark.invoice_id)
        changed_ids = [each.entry_id for each in changed]
        await premiums.mark_entries(tx, changed_ids, mark.debtor, mark.invoice_id, call.actor)
        await store_answer(tx, key, {"components": components, "amount_minor": amount})
        return Marked(components, amount)

    return await core.write(call, work)


async def aggregate(
    core: Core,
    by: Sequence[str],
    months: tuple[Month, Month],
    contract_ids: Sequence[UUID],
    group_ids: Sequence[UUID],
    page: Page[tuple[str, ...]],
) -> list[PremiumSum]:
    """Sums the amounts of all entries of some months, by the dimensions named. Returns a page of the sums."""
    async with core.database.snapshot() as tx:
        return await premium_sums.aggregate(tx, by, months, contract_ids, group_ids, page.after, page.size)
