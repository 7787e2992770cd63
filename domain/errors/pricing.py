"""Errors for requests that can't be priced."""

from datetime import date
from uuid import UUID

from domain.errors.base import CannotBePriced, Reason


class NoContractVersion(CannotBePriced):
    reason = Reason.NO_CONTRACT_VERSION

    def __init__(self, contract_id: UUID, on: date) -> None:
        super().__init__(
            f"No version of contract {contract_id} is in force on {on}.", contract_id=contract_id, date=on, matches=0
        )


class ModuleNotInVersion(CannotBePriced):
    reason = Reason.MODULE_NOT_IN_VERSION

    def __init__(self, module_id: UUID, on: date) -> None:
        super().__init__(
            f"The contract version in force on {on} does not list module {module_id}.", module_id=module_id, date=on
        )


class NobodyCovered(CannotBePriced):
    reason = Reason.NOBODY_COVERED

    def __init__(self, group_id: UUID, on: date) -> None:
        super().__init__(f"Nobody in group {group_id} is enrolled on {on}.", group_id=group_id, date=on)


class NoModules(CannotBePriced):
    reason = Reason.NO_MODULES

    def __init__(self, index: int, beneficiary_type: str, on: date) -> None:
        super().__init__(
            f"Beneficiary {index} has no modules, and the policy's primary is not enrolled on {on}.",
            beneficiary_index=index,
            beneficiary_type=beneficiary_type,
            date=on,
        )


class PriceMissing(CannotBePriced):
    reason = Reason.PRICE_MISSING

    def __init__(self, what: str, beneficiary_type: str, module_id: UUID, age: int, on: date) -> None:
        super().__init__(
            f"Module {module_id} has {what} for a {beneficiary_type} of age {age} on {on}.",
            beneficiary_type=beneficiary_type,
            module_id=module_id,
            age=age,
            date=on,
        )


class EngineParameterMissing(CannotBePriced):
    reason = Reason.ENGINE_PARAMETER_MISSING

    def __init__(self, parameter: str, country_code: str, on: date) -> None:
        super().__init__(
            f"{parameter} is not set by the contract version in force on {on} and has no default for {country_code}.",
            parameter=parameter,
            country_code=country_code,
            date=on,
        )


class AmountTooLarge(CannotBePriced):
    """An amount exceeds the maximum for one person's monthly cost, or for a response field."""

    reason = Reason.AMOUNT_TOO_LARGE

    def __init__(self, what: str, max_minor: int, advice: str = "", **facts: object) -> None:
        message = f"{what} exceeds the maximum of {max_minor} minor units."
        super().__init__(f"{message} {advice}" if advice else message, max_minor=max_minor, **facts)
