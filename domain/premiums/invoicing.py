"""Invoicing: who is billed for a charge, what isn't invoiced yet, and what an invoice marks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.catalog.prices import CollectionMethod
from domain.days import to_day
from domain.errors import AlreadyInvoiced
from domain.premiums.entries import PremiumEntry
from domain.premiums.months import days_of_month
from domain.pricing.costs import BilledEntity, Charge


class Debtor(StrEnum):
    """Who receives the invoice."""

    COMPANY = "COMPANY"
    PRIMARY = "PRIMARY"
    PARTNER = "PARTNER"


def debtor_of(charge: Charge) -> Debtor:
    """Returns who is invoiced: the billed entity, or the company if the amount is withheld from pay."""
    if charge.billed_entity == BilledEntity.COMPANY or charge.collection_method == CollectionMethod.PAYROLL:
        return Debtor.COMPANY
    return Debtor(charge.billed_entity.value)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger. `cancels` and `cancelled_by` are ids of other entries.

    `invoices` has the invoice of each charge, in order; None if it isn't invoiced.
    """

    entry_id: UUID
    entry: PremiumEntry
    version: int
    cancels: UUID | None
    cancelled_by: UUID | None
    invoices: tuple[str | None, ...]

    @property
    def is_live(self) -> bool:
        return self.cancels is None and self.cancelled_by is None

    def charges_of(self, debtor: Debtor) -> list[int]:
        """Returns the indexes of the charges that a debtor is invoiced for."""
        return [i for i, charge in enumerate(self.entry.charges) if debtor_of(charge) == debtor]

    def is_invoiced_to(self, debtor: Debtor) -> bool:
        """Returns whether any of its charges has been invoiced to a debtor."""
        return any(self.invoices[i] is not None for i in self.charges_of(debtor))


def uninvoiced(ledger: Iterable[LedgerEntry], debtor: Debtor, up_to: date) -> list[LedgerEntry]:
    """Returns the entries of months that end on or before a day and have charges not yet invoiced to a debtor.

    An entry and the offset that cancels it are left out if nothing of either has been invoiced: together they are 0.
    """
    entries = {each.entry_id: each for each in ledger}
    found = []
    for each in entries.values():
        if days_of_month(each.entry.month).end > to_day(up_to) + 1:
            continue
        if any(each.invoices[i] is None for i in each.charges_of(debtor)) and not _settled(each, entries, debtor):
            found.append(each)
    return found


def _settled(each: LedgerEntry, entries: Mapping[UUID, LedgerEntry], debtor: Debtor) -> bool:
    counterpart = each.cancels if each.cancels is not None else each.cancelled_by
    if counterpart is None:
        return False
    return not (each.is_invoiced_to(debtor) or entries[counterpart].is_invoiced_to(debtor))


def marked(entries: Sequence[LedgerEntry], debtor: Debtor, invoice_id: str) -> tuple[list[LedgerEntry], int, int]:
    """Puts an invoice on all charges of a debtor.

    Returns the entries that change, the number of charges that were marked, and their sum. Marking with the same
    invoice again changes nothing. Raises AlreadyInvoiced.
    """
    changed, count, total = [], 0, 0
    for each in entries:
        charges = each.charges_of(debtor)
        for i in charges:
            if (known := each.invoices[i]) not in (None, invoice_id):
                raise AlreadyInvoiced(each.entry_id, str(known))
        unmarked = [i for i in charges if each.invoices[i] is None]
        if unmarked:
            invoices = tuple(invoice_id if i in unmarked else known for i, known in enumerate(each.invoices))
            changed.append(replace(each, invoices=invoices))
            count += len(unmarked)
            total += sum(each.entry.owed_minor[i] for i in unmarked)
    return changed, count, total
