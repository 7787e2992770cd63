"""Maps legacy contracts to contracts, and their products to modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.catalog.contract import Contract
from domain.errors import (
    FieldViolation,
    LegacyContractMapped,
    LegacyContractUnknown,
    MigrationStageForbids,
    RequestMalformed,
)
from domain.migration.stages import Stage
from operations.call import Call
from operations.core import Core
from operations.legacy.sides import source_of
from operations.sources import known_contract
from storage import enrollment_reads, migration_stages
from storage.legacy import identifiers
from storage.legacy.identifiers import MappedContract
from storage.migration_stages import StageChange, change_stage
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.requests import WriteKey, find_answer, store_answer


@dataclass(frozen=True, slots=True)
class NewMapping:
    """The contract to which a legacy contract is mapped, and the module of each of its products."""

    country: str
    legacy_contract_id: str
    contract_id: UUID
    modules: Mapping[str, UUID]


async def map_contract(core: Core, call: Call, key: WriteKey, new: NewMapping) -> tuple[MappedContract, Stage]:
    """Stores a mapping, and replaces the products that were mapped before. Returns the country's stage, too.

    The first mapping puts the country into the stage TRANSLATE. Raises NoLegacySource, RequestMalformed,
    LegacyContractUnknown, ContractUnknown, LegacyContractMapped, MigrationStageForbids, RequestIdReused.
    """
    source = source_of(core, new.country)

    async def work(tx: Connection) -> tuple[MappedContract, Stage]:
        stage = await migration_stages.lock_stage(tx, new.country)
        call.trail.resolved(contract_id=new.contract_id)
        if answer := await find_answer(tx, key):
            return MappedContract(answer["legacy_contract_id"], new.contract_id, new.modules), Stage(answer["stage"])
        legacy_id = int(new.legacy_contract_id) if _is_number(new.legacy_contract_id) else None
        if legacy_id is None or await source.contract(tx, legacy_id) is None:
            raise LegacyContractUnknown(new.country, new.legacy_contract_id)
        await lock(tx, Lock.CONTRACT, new.contract_id, shared=True)
        contract = await known_contract(core.contract_source, tx, new.contract_id, hold=True)
        _reject_foreign(contract, new)
        await _reject_dropped(tx, new, legacy_id, stage)
        mapped = MappedContract(legacy_id, new.contract_id, dict(new.modules))
        await _map(tx, new, mapped)
        if stage is None:
            stage = Stage.TRANSLATE
            await change_stage(tx, StageChange(new.country, None, stage, forced=False, reason="", actor=call.actor))
        await store_answer(tx, key, {"legacy_contract_id": legacy_id, "stage": stage.value})
        return mapped, stage

    return await core.write(call, work)


async def _map(tx: Connection, new: NewMapping, mapped: MappedContract) -> None:
    """Stores the mapping. Raises LegacyContractMapped, with the pair that is mapped."""
    if await identifiers.map_contract(tx, new.country, mapped):
        return
    of_legacy = await identifiers.mapped_contract(tx, new.country, mapped.legacy_contract_id)
    pair = of_legacy or await identifiers.mapped_contract(tx, new.country, new.contract_id) or mapped
    raise LegacyContractMapped(new.country, str(pair.legacy_contract_id), pair.contract_id)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _reject_foreign(contract: Contract, new: NewMapping) -> None:
    """Raises RequestMalformed if the contract or a module belongs elsewhere."""
    violations: list[FieldViolation] = []
    if contract.country_code != new.country:
        violations.append(FieldViolation("contract_id", f"is a contract of {contract.country_code}, not {new.country}"))
    for i, (code, module_id) in enumerate(new.modules.items()):
        if module_id not in contract.slots:
            path = f"products[{i}].module_id"
            violations.append(FieldViolation(path, f"is not a module of the contract: {module_id} ({code})"))
    if violations:
        raise RequestMalformed(violations)


async def _reject_dropped(tx: Connection, new: NewMapping, legacy_id: int, stage: Stage | None) -> None:
    """Raises MigrationStageForbids if a module that has enrollments in the core would no longer be mapped."""
    before = await identifiers.mapped_contract(tx, new.country, legacy_id)
    dropped = set(before.modules.values() if before else ()) - set(new.modules.values())
    used = await enrollment_reads.modules_with_periods(tx, new.contract_id, dropped) if dropped else set()
    if used:
        module = min(used)
        raise MigrationStageForbids(
            new.country, stage or Stage.TRANSLATE, f"module {module} must stay mapped, because it has enrollments"
        )
