"""Invoicing: who is billed for an amount, what is not invoiced yet, and what an invoice marks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.days import to_day
from domain.errors import AlreadyInvoiced
from domain.premiums.entries import PremiumEntry
from domain.premiums.months import days_of_month
from domain.pricing.costs import BilledEntity, MonthlyAmount
from domain.pricing.prices import CollectionMethod


class Debtor(StrEnum):
    """Who is actually billed."""

    COMPANY = "COMPANY"
    PRIMARY = "PRIMARY"
    PARTNER = "PARTNER"


def debtor_of(amount: MonthlyAmount) -> Debtor:
    """The company also for what is withheld from pay; else whoever it is billed to."""
    if amount.billed_entity == BilledEntity.COMPANY or amount.collection_method == CollectionMethod.PAYROLL:
        return Debtor.COMPANY
    return Debtor(amount.billed_entity.value)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger. `entry_id` names it; `cancels` and `cancelled_by` name others; `invoices` go with its
    amounts, in order, None where not invoiced."""

    entry_id: UUID
    entry: PremiumEntry
    version: int
    cancels: UUID | None
    cancelled_by: UUID | None
    invoices: tuple[str | None, ...]

    @property
    def is_live(self) -> bool:
        return self.cancels is None and self.cancelled_by is None

    def places_of(self, debtor: Debtor) -> list[int]:
        """Which of its amounts a debtor is billed for."""
        return [i for i, amount in enumerate(self.entry.amounts) if debtor_of(amount) == debtor]

    def touched(self, debtor: Debtor) -> bool:
        """Whether anything of it has been invoiced to a debtor."""
        return any(self.invoices[i] is not None for i in self.places_of(debtor))


def uninvoiced(ledger: Iterable[LedgerEntry], debtor: Debtor, up_to: date) -> list[LedgerEntry]:
    """Entries of months that end on or before a day, with something not yet invoiced to a debtor.

    An entry and the offset that cancels it settle between themselves where nothing of either has been invoiced.
    """
    entries = {each.entry_id: each for each in ledger}
    found = []
    for each in entries.values():
        if days_of_month(each.entry.month).end > to_day(up_to) + 1:
            continue
        if any(each.invoices[i] is None for i in each.places_of(debtor)) and not _settled(each, entries, debtor):
            found.append(each)
    return found


def _settled(each: LedgerEntry, entries: Mapping[UUID, LedgerEntry], debtor: Debtor) -> bool:
    other_key = each.cancels if each.cancels is not None else each.cancelled_by
    if other_key is None:
        return False
    return not (each.touched(debtor) or entries[other_key].touched(debtor))


def marked(entries: Sequence[LedgerEntry], debtor: Debtor, invoice_id: str) -> tuple[list[LedgerEntry], int, int]:
    """Entries with an invoice on the amounts of a debtor; how many amounts were marked, and what they add up to.

    Only those that change are answered; the same invoice again changes nothing. Raises AlreadyInvoiced.
    """
    changed, count, total = [], 0, 0
    for each in entries:
        places = each.places_of(debtor)
        for i in places:
            if (carried := each.invoices[i]) not in (None, invoice_id):
                raise AlreadyInvoiced(each.entry_id, str(carried))
        fresh = [i for i in places if each.invoices[i] is None]
        if fresh:
            invoices = tuple(invoice_id if i in fresh else was for i, was in enumerate(each.invoices))
            changed.append(replace(each, invoices=invoices))
            count += len(fresh)
            total += sum(each.entry.owed_minor[i] for i in fresh)
    return changed, count, total
