"""Errors about contracts, versions and modules."""

from uuid import UUID

from domain.errors.base import DomainError, Reason


class ContractUnknown(DomainError):
    reason = Reason.CONTRACT_UNKNOWN

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(f"There is no contract {contract_id}.", contract_id=contract_id)


class ModuleUnknown(DomainError):
    reason = Reason.MODULE_UNKNOWN

    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"There is no module {module_id}.", module_id=module_id)


class ContractExists(DomainError):
    reason = Reason.CONTRACT_EXISTS

    def __init__(self, contract_id: UUID) -> None:
        super().__init__(f"Contract {contract_id} is already published.", contract_id=contract_id)


class VersionOverlaps(DomainError):
    reason = Reason.VERSION_OVERLAPS

    def __init__(self, contract_id: UUID, first_on: object) -> None:
        super().__init__(
            f"The version from {first_on} overlaps another version of contract {contract_id}.",
            contract_id=contract_id,
            first_on=first_on,
        )


class ModuleTaken(DomainError):
    reason = Reason.MODULE_TAKEN

    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"Module {module_id} belongs to another contract.", module_id=module_id)


class SlotChanged(DomainError):
    reason = Reason.SLOT_CHANGED

    def __init__(self, module_id: UUID, slot: str | None) -> None:
        where = f"in slot {slot}" if slot else "in no slot"
        super().__init__(
            f"Module {module_id} is {where}, which can't change. Offer a new module instead.",
            module_id=module_id,
            slot=slot or "",
        )
