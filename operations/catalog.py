"""The built-in catalog: reads contracts and their modules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from domain.catalog.contract import Contract, Module
from domain.days import to_day
from domain.errors import (
    ModuleUnknown,
)
from operations.call import Call
from operations.core import Core
from operations.enrollment import reject_future
from operations.paging import Page
from operations.sources import known_contracts
from storage.contracts import RecordedContract
from storage.postgres.instants import settled_until


async def get_contract(core: Core, call: Call, contract_id: UUID, as_of: datetime | None) -> RecordedContract:
    """Returns a contract in its newest state, or as recorded at an instant. Raises ContractUnknown."""
    reject_future(call, as_of, "as_of")
    await settled_until(core.database, as_of, lambda connection: core.contracts.recorded_at(connection, contract_id))
    async with core.database.reading() as connection:
        return await core.contracts.recorded(connection, contract_id, as_of)


async def list_contracts(core: Core, page: Page[UUID | None]) -> Sequence[RecordedContract]:
    """Returns contracts in order of id."""
    async with core.database.reading() as connection:
        return await core.contracts.listed(connection, page.after, page.size)


@dataclass(frozen=True, slots=True)
class ResolvedModule:
    """A module in the version in force on a day; `module` is None if no version is, or if it doesn't list it."""

    module_id: UUID
    contract_id: UUID
    slot: str | None
    module: Module | None


async def get_modules(core: Core, call: Call, module_ids: Sequence[UUID], on: date | None) -> Sequence[ResolvedModule]:
    """Returns modules as of a day (None: today in each contract's time zone), in the order given.

    Raises ModuleUnknown.
    """
    async with core.database.reading() as connection:
        contract_ids = await core.contract_source.contracts_of_modules(connection, module_ids)
        for module_id in module_ids:
            if module_id not in contract_ids:
                raise ModuleUnknown(module_id)
        wanted = set(contract_ids.values())
        contracts = await known_contracts(core.contract_source, connection, wanted, hold=False)
    return [_resolved(module_id, contracts[contract_ids[module_id]], call, on) for module_id in module_ids]


def _resolved(module_id: UUID, contract: Contract, call: Call, on: date | None) -> ResolvedModule:
    version = contract.version_on(to_day(on or call.today(contract.time_zone)))
    module = version.module(module_id) if version else None
    return ResolvedModule(module_id, contract.contract_id, contract.slots[module_id], module)
