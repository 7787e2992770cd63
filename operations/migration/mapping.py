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
from storage import enrollment_reads, migration_stages
from storage.legacy import identifiers
from storage.legacy.identifiers import MappedContract
from storage.migration_stages import StageChange, change_stage
from storage.postgres.database import Connection
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
        answer = await find_answer(tx, key)
        call.trail.resolved(contract_id=new.contract_id)
        legacy_id = int(new.legacy_contract_id) if _is_number(new.legacy_contract_id) else None
        if legacy_id is None or await source.contract(tx, legacy_id) is None:
            raise LegacyContractUnknown(new.country, new.legacy_contract_id)
        mapped = MappedContract(legacy_id, new.contract_id, dict(new.modules))
        if not answer:
            contract = await core.contract_source.current(tx, new.contract_id, hold=True)
            _reject_foreign(contract, new)
            await _reject_dropped(tx, new, legacy_id, stage)
            if not await identifiers.map_contract(tx, new.country, mapped):
                other = await identifiers.mapped_contract(tx, new.country, legacy_id)
                other = other or await identifiers.mapped_contract(tx, new.country, new.contract_id)
                to = other.contract_id if other else new.contract_id
                raise LegacyContractMapped(new.country, new.legacy_contract_id, to)
            if stage is None:
                stage = Stage.TRANSLATE
                await change_stage(tx, StageChange(new.country, None, stage, forced=False, reason="", actor=call.actor))
            await store_answer(tx, key, {})
        return mapped, stage or Stage.TRANSLATE

    return await core.write(call, work)


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
