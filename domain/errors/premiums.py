"""Errors about the premium ledger, invoices and premium runs."""

from uuid import UUID

from domain.errors.base import DomainError, Reason


class PremiumEntryUnknown(DomainError):
    reason = Reason.PREMIUM_ENTRY_UNKNOWN

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(f"There is no premium entry {entry_id}.", entry_id=entry_id)


class PremiumRunUnknown(DomainError):
    reason = Reason.PREMIUM_RUN_UNKNOWN

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"There is no premium run {run_id}.", run_id=run_id)


class PolicyNotComputed(DomainError):
    """Reported for a policy in a premium run, never as the error of a call."""

    reason = Reason.POLICY_NOT_COMPUTED

    def __init__(self, group_id: UUID) -> None:
        super().__init__(
            f"Policy {group_id} could not be computed because of a defect. See the server log.", group_id=group_id
        )


class AlreadyInvoiced(DomainError):
    reason = Reason.ALREADY_INVOICED

    def __init__(self, entry_id: UUID, invoice_id: str) -> None:
        super().__init__(
            f"A component of entry {entry_id} is already on invoice {invoice_id}. Nothing was marked.",
            entry_id=entry_id,
            invoice_id=invoice_id,
        )
