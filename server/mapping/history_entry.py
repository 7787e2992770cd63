"""Maps history entries."""

from typing import Any
from uuid import UUID

from affilia.history.v1 import history_entry_pb2 as pb
from affilia.history.v1 import history_service_pb2 as service_pb
from domain.catalog.contract_changes import ChangeKind, FieldChange, VersionChange
from domain.catalog.contract_parts import ContractPart
from domain.enrollment.history import ChangeRequest
from domain.history.entries import (
    DoneRecompute,
    EntryData,
    HistoryEntry,
    HistoryKind,
    MemberRecord,
    RecordedContract,
    RecordedFacts,
    RecordedPremiums,
    RecordedStage,
    RecordedUse,
    RecordKind,
    RevisionMade,
)
from domain.history.summaries import summary
from operations.history_entries import HistoryQuery, HistorySubject
from server.mapping.actors import actor_to_proto
from server.mapping.change_request import change_request_to_proto, recompute_to_proto
from server.mapping.dates import span_to_proto, timestamp_to_proto
from server.mapping.enrollment_group import difference_to_proto
from server.mapping.enums import EnumMapping
from server.mapping.fact_change import fact_change_to_proto
from server.mapping.insurance_cost import cost_change_to_proto
from server.mapping.listing import instants_from_proto
from server.mapping.migration import STAGES
from server.mapping.premium_entry import DEBTORS, month_to_proto

HISTORY_KINDS = EnumMapping(pb.HistoryKind.DESCRIPTOR, HistoryKind)
RECORD_KINDS = EnumMapping(pb.RecordKind.DESCRIPTOR, RecordKind)
CHANGE_KINDS = EnumMapping(pb.ChangeKind.DESCRIPTOR, ChangeKind)
CONTRACT_PARTS = EnumMapping(pb.ContractPart.DESCRIPTOR, ContractPart)


def query_from_proto(request: service_pb.ListHistoryRequest) -> HistoryQuery:
    """Returns the query for the entries to list. Raises RequestMalformed."""
    return HistoryQuery(
        HistorySubject(
            UUID(request.group_id) if request.group_id else None,
            UUID(request.member_id) if request.member_id else None,
            UUID(request.contract_id) if request.contract_id else None,
        ),
        frozenset(HISTORY_KINDS.from_proto(kind) for kind in request.kinds),
        *instants_from_proto(request, "recorded"),
    )


def entry_to_proto(entry: HistoryEntry) -> pb.HistoryEntry:
    proto = pb.HistoryEntry(
        recorded_at=timestamp_to_proto(entry.recorded_at),
        actor=actor_to_proto(entry.actor),
        kind=HISTORY_KINDS.to_proto(entry.kind),
        entry_id=entry.entry_id,
        group_id=str(entry.group_id or ""),
        member_id=str(entry.member_id or ""),
        contract_id=str(entry.contract_id or ""),
        summary=summary(entry),
    )
    if entry.made and entry.group_id:
        _add_revision(proto, entry.group_id, entry.made)
    field, message = _data(entry.data)
    if isinstance(entry.data, ChangeRequest):
        message.actor.CopyFrom(proto.actor)
    elif isinstance(entry.data, DoneRecompute):
        message.recompute.actor.CopyFrom(proto.actor)
    getattr(proto, field).CopyFrom(message)
    return proto


def _add_revision(proto: pb.HistoryEntry, group_id: UUID, made: RevisionMade) -> None:
    proto.revision = made.revision
    proto.differences.extend(
        difference_to_proto(group_id, difference, made.membership_types) for difference in made.differences
    )
    proto.differences_omitted = made.differences_omitted
    if (cost := cost_change_to_proto(made.monthly_cost)) is not None:
        proto.monthly_cost.CopyFrom(cost)


def _data(data: EntryData) -> tuple[str, Any]:
    """Returns the name of the field for the data of an entry, and its message."""
    match data:
        case ChangeRequest():
            return "change_request", change_request_to_proto(data)
        case RecordedFacts():
            return "fact", _facts(data)
        case RecordedContract():
            return "contract", _contract(data)
        case DoneRecompute():
            return "recompute", pb.RecomputeEntry(
                recompute=recompute_to_proto(data.recompute),
                trigger_entry_ids=[trigger.entry_id for trigger in data.triggers],
                triggers_omitted=data.are_triggers_omitted,
            )
        case RecordedPremiums():
            return "premium", _premiums(data)
        case RecordedUse():
            return "accumulator", _use(data)
        case MemberRecord():
            return "record", pb.RecordEntry(
                kind=RECORD_KINDS.to_proto(data.kind),
                member_id=str(data.member_id),
                name_before=data.name_before,
                name_after=data.name_after,
                merged_into=str(data.merged_into or ""),
                reason=data.reason,
            )
        case RecordedStage():
            return "record", _stage(data)


def _facts(facts: RecordedFacts) -> pb.FactEntry:
    return pb.FactEntry(
        member_id=str(facts.member_id),
        changes=[fact_change_to_proto(facts.member_id, change) for change in facts.changes],
        changes_omitted=facts.changes_omitted,
    )


def _stage(moved: RecordedStage) -> pb.RecordEntry:
    entry = pb.RecordEntry(
        kind=pb.RECORD_KIND_MIGRATION_STAGE_CHANGED,
        country_code=moved.country,
        to_stage=STAGES.to_proto(moved.to_stage),
        forced=moved.forced,
        reason=moved.reason,
    )
    if moved.from_stage is not None:
        entry.from_stage = STAGES.to_proto(moved.from_stage)
    return entry


def _contract(contract: RecordedContract) -> pb.ContractEntry:
    return pb.ContractEntry(
        contract_id=str(contract.contract_id),
        revision=contract.revision,
        versions=[_version(version) for version in contract.changes.versions],
        fields=[_field(field) for field in contract.changes.fields],
        fields_omitted=contract.changes.fields_omitted,
    )


def _version(version: VersionChange) -> pb.VersionChange:
    return pb.VersionChange(
        days=span_to_proto(version.days),
        kind=CHANGE_KINDS.to_proto(version.kind),
        fields=[_field(field) for field in version.fields],
    )


def _field(field: FieldChange) -> pb.FieldChange:
    return pb.FieldChange(
        part=CONTRACT_PARTS.to_proto(field.part),
        module_id=str(field.module_id or ""),
        name=field.name,
        kind=CHANGE_KINDS.to_proto(field.kind),
        before=field.before,
        after=field.after,
    )


def _premiums(premiums: RecordedPremiums) -> pb.PremiumHistoryEntry:
    return pb.PremiumHistoryEntry(
        invoice_id=premiums.invoice_id,
        months=[
            pb.MonthChange(
                month=month_to_proto(change.month),
                debtor=DEBTORS.to_proto(change.debtor),
                before_minor=change.before_minor,
                after_minor=change.after_minor,
            )
            for change in premiums.months
        ],
        currency_code=premiums.currency_code,
        entry_ids=[str(entry_id) for entry_id in premiums.entry_ids],
        entry_ids_omitted=premiums.entry_ids_omitted,
    )


def _use(use: RecordedUse) -> pb.AccumulatorEntry:
    return pb.AccumulatorEntry(
        application_id=str(use.application_id),
        member_id=str(use.member_id),
        is_reversal=use.is_reversal,
        uses=[pb.AccumulatorUse(code=each.code, asked=each.asked, applied=each.applied) for each in use.uses],
    )
