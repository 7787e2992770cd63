"""The built-in catalog: contracts published, amended and read."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion, Module
from domain.catalog.publishing import contract_violations
from domain.days import UNBOUNDED_END, Span, to_day
from domain.errors import (
    ContractExists,
    ContractUnknown,
    EtagMismatch,
    FieldViolation,
    ModuleUnknown,
    RequestMalformed,
    VersionOverlaps,
)
from server.operations.call import Call
from server.operations.core import Core
from server.operations.enrollment import not_in_the_future
from storage import recomputes
from storage.contracts import RecordedContract, record_contract
from storage.database import Connection
from storage.requests import WriteKey, answered, lock, remember


async def publish_contract(core: Core, call: Call, key: WriteKey, contract: Contract) -> RecordedContract:
    """Stores a new contract. Raises RequestMalformed, ContractExists, ModuleTaken, RequestIdReused."""

    async def new(current: RecordedContract | None) -> Contract:
        if current:
            raise ContractExists(contract.contract_id)
        return contract

    return await _record(core, call, key, contract.contract_id, new, in_request=lambda path, _: f"contract.{path}")


async def add_contract_version(
    core: Core, call: Call, key: WriteKey, contract_id: UUID, version: ContractVersion, etag: str
) -> RecordedContract:
    """Adds a version after the last one; an open one ends the day before.

    Raises RequestMalformed, ContractUnknown, EtagMismatch, VersionOverlaps, ModuleTaken, SlotChanged, RequestIdReused.
    """

    async def longer(current: RecordedContract | None) -> Contract:
        contract = _known(contract_id, current, etag)
        *earlier, last = contract.versions
        start = version.days.start
        if start <= last.days.start or (last.days.end != UNBOUNDED_END and start < last.days.end):
            raise VersionOverlaps(contract_id, version.days.first_on)
        if last.days.end == UNBOUNDED_END:
            last = replace(last, days=Span(last.days.start, start))
        return replace(contract, versions=(*earlier, last, version))

    return await _record(core, call, key, contract_id, longer, _in_the_added_version)


def _in_the_added_version(path: str, contract: Contract) -> str:
    """The added version is the last of the contract, and the only one of the request."""
    last = f"versions[{len(contract.versions) - 1}]."
    return path.replace(last, "version.", 1) if path.startswith(last) else path


async def amend_contract(
    core: Core, call: Call, key: WriteKey, contract_id: UUID, versions: Sequence[ContractVersion], etag: str
) -> RecordedContract:
    """Replaces all versions of a contract.

    Raises RequestMalformed, ContractUnknown, EtagMismatch, ModuleTaken, SlotChanged, RequestIdReused.
    """

    async def amended(current: RecordedContract | None) -> Contract:
        return replace(_known(contract_id, current, etag), versions=tuple(versions))

    return await _record(core, call, key, contract_id, amended)


def _known(contract_id: UUID, current: RecordedContract | None, etag: str) -> Contract:
    if current is None:
        raise ContractUnknown(contract_id)
    if etag and etag != current.etag:
        raise EtagMismatch(contract_id, current.etag)
    return current.contract


async def _record(
    core: Core,
    call: Call,
    key: WriteKey,
    contract_id: UUID,
    change: Callable[[RecordedContract | None], Awaitable[Contract]],
    in_request: Callable[[str, Contract], str] = lambda path, _: path,
) -> RecordedContract:
    """Records what `change` makes of the current state, and enqueues the recompute of every group concerned.

    Raises RequestMalformed with everything that may not be published; `in_request` turns a path in the contract into
    one in the request.
    """

    async def work(tx: Connection) -> RecordedContract:
        if answer := await answered(tx, key):
            return await core.contracts.state(tx, contract_id, answer["revision"])
        await lock(tx, "contract", contract_id)
        try:
            current = await core.contracts.recorded(tx, contract_id)
        except ContractUnknown:
            current = None
        contract = await change(current)
        if violations := contract_violations(contract):
            raise RequestMalformed([FieldViolation(in_request(v.field, contract), v.description) for v in violations])
        await record_contract(tx, contract, current)
        if current:
            await recomputes.enqueue_for_contract(tx, contract_id, call.today_override)
        revision = current.revision + 1 if current else 1
        await remember(tx, key, {"revision": revision})
        return await core.contracts.state(tx, contract_id, revision)

    recorded = await core.write(call, work)
    core.recompute_wanted.set()
    return recorded


async def get_contract(core: Core, call: Call, contract_id: UUID, as_of: datetime | None) -> RecordedContract:
    """A contract as it is, or as it was recorded at an instant. Raises ContractUnknown."""
    not_in_the_future(call, as_of, "as_of")
    async with core.database.reading() as connection:
        return await core.contracts.recorded(connection, contract_id, as_of)


async def list_contracts(core: Core, call: Call, after: UUID | None, limit: int) -> Sequence[RecordedContract]:
    """Contracts in order of id, beginning after one."""
    async with core.database.reading() as connection:
        return await core.contracts.listed(connection, after, limit)


@dataclass(frozen=True, slots=True)
class ResolvedModule:
    """A module as a version has it; None where none is in force that day, or it does not list the module."""

    module_id: UUID
    contract_id: UUID
    slot: str | None
    module: Module | None


async def get_modules(core: Core, call: Call, module_ids: Sequence[UUID], on: date | None) -> Sequence[ResolvedModule]:
    """What modules are on a day (None: today in each contract's time zone), in the order asked for.

    Raises ModuleUnknown.
    """
    async with core.database.reading() as connection:
        contract_ids = await core.contracts.contracts_of_modules(connection, module_ids)
        for module_id in module_ids:
            if module_id not in contract_ids:
                raise ModuleUnknown(module_id)
        contracts = {
            contract_id: (await core.contracts.recorded(connection, contract_id)).contract
            for contract_id in sorted(set(contract_ids.values()))
        }
    return [_resolved(module_id, contracts[contract_ids[module_id]], call, on) for module_id in module_ids]


def _resolved(module_id: UUID, contract: Contract, call: Call, on: date | None) -> ResolvedModule:
    version = contract.version_on(to_day(on or call.today(contract.time_zone)))
    module = version.module(module_id) if version else None
    return ResolvedModule(module_id, contract.contract_id, contract.slots[module_id], module)
