"""Maps contracts, versions, modules and limits."""

from uuid import UUID

from affilia.catalog.v1 import catalog_service_pb2 as service_pb
from affilia.catalog.v1 import contract_pb2 as pb
from domain.catalog.contract import (
    Contract,
    ContractVersion,
    Limit,
    LimitKind,
    LimitUnit,
    Module,
    ServiceType,
    TermStart,
)
from domain.publishing.warnings import PublicationWarning, WarningCode
from operations.catalog import ResolvedModule
from server.mapping.actors import actor_to_proto
from server.mapping.condition import rule_from_proto, rule_to_proto
from server.mapping.dates import span_from_proto, span_to_proto, timestamp_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.optional_fields import optional
from server.mapping.pricing import (
    engine_parameters_from_proto,
    engine_parameters_to_proto,
    module_pricing_from_proto,
    module_pricing_to_proto,
    version_pricing_from_proto,
    version_pricing_to_proto,
)
from storage.contracts import RecordedContract

SERVICE_TYPES = EnumMapping(pb.ServiceType.DESCRIPTOR, ServiceType)
LIMIT_KINDS = EnumMapping(pb.LimitKind.DESCRIPTOR, LimitKind)
LIMIT_UNITS = EnumMapping(pb.LimitUnit.DESCRIPTOR, LimitUnit)
WARNING_CODES = EnumMapping(service_pb.PublicationWarningCode.DESCRIPTOR, WarningCode)


def contract_from_proto(contract: pb.Contract) -> Contract:
    term = contract.term_start
    return Contract(
        contract_id=UUID(contract.contract_id),
        display_name=contract.display_name,
        country_code=contract.country_code,
        currency_code=contract.currency_code,
        time_zone=contract.time_zone,
        sponsor_id=contract.sponsor_id,
        term_start=TermStart(term.month, term.day) if contract.HasField("term_start") else TermStart(),
        versions=tuple(version_from_proto(version) for version in contract.versions),
    )


def recorded_contract_to_proto(recorded: RecordedContract) -> pb.Contract:
    contract = contract_to_proto(recorded.contract)
    contract.etag = recorded.etag
    contract.recorded_at.CopyFrom(timestamp_to_proto(recorded.recorded_at))
    contract.actor.CopyFrom(actor_to_proto(recorded.actor))
    return contract


def publication_warning_to_proto(warning: PublicationWarning) -> service_pb.PublicationWarning:
    return service_pb.PublicationWarning(
        code=WARNING_CODES.to_proto(warning.code), field=warning.field, message=warning.message
    )


def contract_to_proto(contract: Contract) -> pb.Contract:
    return pb.Contract(
        contract_id=str(contract.contract_id),
        display_name=contract.display_name,
        country_code=contract.country_code,
        currency_code=contract.currency_code,
        time_zone=contract.time_zone,
        sponsor_id=contract.sponsor_id,
        term_start=pb.TermStart(month=contract.term_start.month, day=contract.term_start.day),
        versions=[version_to_proto(version) for version in contract.versions],
    )


def version_from_proto(version: pb.ContractVersion) -> ContractVersion:
    parameters = version.engine_parameters
    return ContractVersion(
        days=span_from_proto(version.days),
        max_backdating_days=version.max_backdating_days,
        rules=tuple(rule_from_proto(rule) for rule in version.rules),
        modules=tuple(module_from_proto(module) for module in version.modules),
        pricing=version_pricing_from_proto(version.pricing) if version.HasField("pricing") else None,
        engine_parameters=(engine_parameters_from_proto(parameters) if version.HasField("engine_parameters") else None),
    )


def version_to_proto(version: ContractVersion) -> pb.ContractVersion:
    parameters = version.engine_parameters
    return pb.ContractVersion(
        days=span_to_proto(version.days),
        max_backdating_days=version.max_backdating_days,
        rules=[rule_to_proto(rule) for rule in version.rules],
        modules=[module_to_proto(module) for module in version.modules],
        pricing=version_pricing_to_proto(version.pricing) if version.pricing else None,
        engine_parameters=engine_parameters_to_proto(parameters) if parameters else None,
    )


def module_from_proto(module: pb.Module) -> Module:
    return Module(
        module_id=UUID(module.module_id),
        display_name=module.display_name,
        slot=module.slot or None,
        service_type=SERVICE_TYPES.from_proto(module.service_type),
        membership_types=tuple(MEMBERSHIP_TYPES.from_proto(number) for number in module.membership_types),
        commitment_months=optional(module, "commitment_months"),
        rules=tuple(rule_from_proto(rule) for rule in module.rules),
        capabilities=tuple(module.capabilities),
        limits=tuple(limit_from_proto(limit) for limit in module.limits),
        network_tier=module.network_tier,
        pricing=module_pricing_from_proto(module.pricing) if module.HasField("pricing") else None,
    )


def module_to_proto(module: Module) -> pb.Module:
    return pb.Module(
        module_id=str(module.module_id),
        display_name=module.display_name,
        slot=module.slot or "",
        service_type=SERVICE_TYPES.to_proto(module.service_type),
        membership_types=[MEMBERSHIP_TYPES.to_proto(kind) for kind in module.membership_types],
        commitment_months=module.commitment_months,
        rules=[rule_to_proto(rule) for rule in module.rules],
        capabilities=module.capabilities,
        limits=[limit_to_proto(limit) for limit in module.limits],
        network_tier=module.network_tier,
        pricing=module_pricing_to_proto(module.pricing) if module.pricing else None,
    )


def limit_from_proto(limit: pb.Limit) -> Limit:
    return Limit(
        LIMIT_KINDS.from_proto(limit.kind),
        limit.benefit,
        LIMIT_UNITS.from_proto(limit.unit),
        optional(limit, "individual_amount"),
        optional(limit, "family_amount"),
    )


def limit_to_proto(limit: Limit) -> pb.Limit:
    return pb.Limit(
        kind=LIMIT_KINDS.to_proto(limit.kind),
        benefit=limit.benefit,
        unit=LIMIT_UNITS.to_proto(limit.unit),
        individual_amount=limit.individual_amount,
        family_amount=limit.family_amount,
    )


def resolved_module_to_proto(resolved: ResolvedModule) -> service_pb.ModuleOfContract:
    return service_pb.ModuleOfContract(
        module_id=str(resolved.module_id),
        contract_id=str(resolved.contract_id),
        slot=resolved.slot or "",
        module=module_to_proto(resolved.module) if resolved.module else None,
    )
