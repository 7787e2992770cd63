"""The built-in catalog: publishes, amends and reads contracts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion, Module
from domain.days import UNBOUNDED_END, Span, to_day
from domain.enrollment.history import RecomputeTrigger
from domain.errors import (
    ContractExists,
    ContractUnknown,
    EtagMismatch,
    FieldViolation,
    ModuleUnknown,
    RequestMalformed,
    VersionOverlaps,
)
from domain.premiums.repricing import repriced
from domain.publishing.contracts import contract_violations
from domain.publishing.warnings import PublicationWarning, contract_warnings
from operations.call import MAX_RESOLVED_IDS, Call
from operations.core import Core
from operations.enrollment import reject_future
from operations.paging import Page
from operations.recomputes import cause_of
from storage import premium_stale, recomputes
from storage.contracts import RecordedContract, record_contract
from storage.postgres.database import Connection
from storage.postgres.instants import settled_until
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class ExpectedContract:
    """The contract that a caller wants to change, and the etag of the state that they have seen; empty for any."""

    contract_id: UUID
    etag: str

    def matching(self, current: RecordedContract | None) -> Contract:
        """Returns the current state if it is the expected one. Raises ContractUnknown, EtagMismatch."""
        if current is None:
            raise ContractUnknown(self.contract_id)
        if self.etag and self.etag != current.etag:
            raise EtagMismatch(current.etag, contract_id=self.contract_id)
        return current.contract


@dataclass(frozen=True, slots=True)
class PublishedContract:
    """A contract as recorded by a call, with warnings about it."""

    recorded: RecordedContract
    warnings: Sequence[PublicationWarning]


async def publish_contract(core: Core, call: Call, key: WriteKey, contract: Contract) -> PublishedContract:
    """Stores a new contract. Raises RequestMalformed, ContractExists, ModuleTaken, RequestIdReused."""

    async def new(current: RecordedContract | None) -> Contract:
        if current:
            raise ContractExists(contract.contract_id)
        return contract

    return await _record(core, call, key, contract.contract_id, new, in_request=lambda path, _: f"contract.{path}")


async def add_contract_version(
    core: Core, call: Call, key: WriteKey, expected: ExpectedContract, version: ContractVersion
) -> PublishedContract:
    """Adds a version after the last one. If that has no last day, it ends the day before the new one.

    Raises RequestMalformed, ContractUnknown, EtagMismatch, VersionOverlaps, ModuleTaken, SlotChanged, RequestIdReused.
    """

    async def longer(current: RecordedContract | None) -> Contract:
        contract = expected.matching(current)
        *earlier, last = contract.versions
        start = version.days.start
        if start <= last.days.start or (last.days.end != UNBOUNDED_END and start < last.days.end):
            raise VersionOverlaps(contract.contract_id, version.days.first_on)
        if last.days.end == UNBOUNDED_END:
            last = replace(last, days=Span(last.days.start, start))
        return replace(contract, versions=(*earlier, last, version))

    return await _record(core, call, key, expected.contract_id, longer, _in_the_added_version)


def _in_the_added_version(path: str, contract: Contract) -> str:
    """Returns a path in the request: it contains only the added version, the last one of the contract."""
    last = f"versions[{len(contract.versions) - 1}]."
    return path.replace(last, "version.", 1) if path.startswith(last) else path


async def amend_contract(
    core: Core, call: Call, key: WriteKey, expected: ExpectedContract, versions: Sequence[ContractVersion]
) -> PublishedContract:
    """Replaces all versions of a contract.

    Raises RequestMalformed, ContractUnknown, EtagMismatch, ModuleTaken, SlotChanged, RequestIdReused.
    """

    async def amended(current: RecordedContract | None) -> Contract:
        return replace(expected.matching(current), versions=tuple(versions))

    return await _record(core, call, key, expected.contract_id, amended)


async def _record(
    core: Core,
    call: Call,
    key: WriteKey,
    contract_id: UUID,
    change: Callable[[RecordedContract | None], Awaitable[Contract]],
    in_request: Callable[[str, Contract], str] = lambda path, _: path,
) -> PublishedContract:
    """Records what `change` returns for the current state, and enqueues a recompute of every group of the contract.

    Raises RequestMalformed with everything that must not be published. `in_request` converts a path in the contract to
    one in the request.
    """

    async def work(tx: Connection) -> RecordedContract:
        if answer := await find_answer(tx, key):
            return await core.contracts.state(tx, contract_id, answer["revision"])
        await lock(tx, Lock.CONTRACT, contract_id)
        try:
            current = await core.contracts.recorded(tx, contract_id)
        except ContractUnknown:
            current = None
        contract = await change(current)
        if violations := contract_violations(contract):
            raise RequestMalformed([FieldViolation(in_request(v.field, contract), v.description) for v in violations])
        await record_contract(tx, contract, current, call.actor)
        if current:
            cause = cause_of(call, RecomputeTrigger.CONTRACT)
            groups = await recomputes.enqueue_for_contract(tx, contract_id, cause, MAX_RESOLVED_IDS)
            call.trail.resolved_groups(groups.first_ids, groups.count)
            repricing = repriced(current.contract, contract)
            await premium_stale.mark_repriced(tx, contract_id, repricing, call.actor.subject)
        revision = current.revision + 1 if current else 1
        await store_answer(tx, key, {"revision": revision})
        return await core.contracts.state(tx, contract_id, revision)

    recorded = await core.write(call, work)
    core.recompute_wanted.set()
    core.premiums_stale.set()
    return PublishedContract(recorded, contract_warnings(recorded.contract))


async def get_contract(core: Core, call: Call, contract_id: UUID, as_of: datetime | None) -> RecordedContract:
    """Returns a contract in its newest state, or as recorded at an instant. Raises ContractUnknown."""
    reject_future(call, as_of, "as_of")
    await settled_until(core.database, as_of)
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
        contracts = {
            contract_id: await core.contract_source.current(connection, contract_id, hold=False)
            for contract_id in sorted(set(contract_ids.values()))
        }
    return [_resolved(module_id, contracts[contract_ids[module_id]], call, on) for module_id in module_ids]


def _resolved(module_id: UUID, contract: Contract, call: Call, on: date | None) -> ResolvedModule:
    version = contract.version_on(to_day(on or call.today(contract.time_zone)))
    module = version.module(module_id) if version else None
    return ResolvedModule(module_id, contract.contract_id, contract.slots[module_id], module)
