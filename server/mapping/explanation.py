"""Maps explanations of differences, without what the reader isn't allowed to see."""

from uuid import UUID

from affilia.history.v1 import explanation_pb2 as pb
from affilia.history.v1 import history_entry_pb2, history_service_pb2
from affilia.type.v1 import actor_pb2
from domain.actors import Actor
from domain.enrollment.changed_inputs import ChangedFact, ChangedInput, NewDecision, NewMerge
from domain.enrollment.explained import ExplainedRun
from domain.enrollment.explained_in_words import (
    Origin,
    Reader,
    VersionState,
    rule_in_words,
    run_in_words,
    version_state,
)
from domain.enrollment.failed_rules import FailedRule, SeenFact
from domain.enrollment.versions import ChangedContract, ChangedVersion
from domain.identity import enrollment_id
from domain.members import FactKind
from operations.explanations import ExplainedDifference
from operations.group_inputs import Origins
from server.mapping.actors import ACTOR_KINDS, actor_to_proto
from server.mapping.change_request import FACT_KINDS
from server.mapping.dates import days_to_proto, span_to_proto, timestamp_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.fact_change import fact_change_to_proto, fact_value_to_proto

CHANGE_KINDS = EnumMapping(history_entry_pb2.ChangeKind.DESCRIPTOR, VersionState)
MAX_CHANGES, MAX_TOTAL_CHANGES = 20, 4000
"""The maximum number of changes of one fact, and of all facts in a response. With more inputs, each gets fewer."""


def difference_explained_to_proto(
    found: ExplainedDifference, reader: Reader
) -> history_service_pb2.ExplainDifferenceResponse:
    return history_service_pb2.ExplainDifferenceResponse(
        runs=[explained_run_to_proto(run, found, reader) for run in found.explanation.runs],
        runs_omitted=found.explanation.omitted,
    )


def explained_run_to_proto(explained: ExplainedRun, found: ExplainedDifference, reader: Reader) -> pb.ExplainedRun:
    key = explained.run.key
    origins = [found.origins.get(each) for each in explained.decisive.inputs]
    return pb.ExplainedRun(
        enrollment_id=str(enrollment_id(found.group_id, key.member_id, key.module_id)),
        member_id=str(key.member_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(found.membership_types[key.member_id]),
        module_id=str(key.module_id),
        days=span_to_proto(explained.run.days),
        gained=explained.run.gained,
        decisive_inputs=[
            _input_to_proto(each, origin, found, reader)
            for each, origin in zip(explained.decisive.inputs, origins, strict=True)
        ],
        failed_rules=[
            failed_rule_to_proto(rule, key.member_id, found.origins, reader) for rule in explained.failed_rules
        ],
        is_incomplete=explained.decisive.is_incomplete,
        is_reducible=explained.decisive.is_reducible,
        inputs_omitted=explained.inputs_omitted,
        rules_omitted=explained.rules_omitted,
        summary=run_in_words(explained, found.change, origins, reader),
    )


def _input_to_proto(
    changed: ChangedInput, origin: Origin | None, found: ExplainedDifference, reader: Reader
) -> pb.DecisiveInput:
    proto = pb.DecisiveInput(
        recorded_at=timestamp_to_proto(origin.recorded_at) if origin else None,
        actor=_actor_to_proto(origin.actor, reader) if origin else None,
    )
    match changed:
        case NewDecision(_, change_request_id):
            proto.change_request_id = str(change_request_id)
        case NewMerge(from_member_id, into_member_id):
            proto.merge.CopyFrom(pb.MergeInput(member_id=str(from_member_id), merged_into=str(into_member_id)))
        case ChangedFact():
            proto.fact.CopyFrom(_fact_to_proto(changed, found, reader))
        case ChangedVersion(days):
            state = CHANGE_KINDS.to_proto(version_state(found.change, changed))
            contract_id = str(found.key.contract_id)
            proto.contract.CopyFrom(pb.ContractInput(contract_id=contract_id, days=span_to_proto(days), kind=state))
        case ChangedContract():
            kind = CHANGE_KINDS.to_proto(VersionState.CHANGED)
            proto.contract.CopyFrom(pb.ContractInput(contract_id=str(found.key.contract_id), kind=kind))
    return proto


def _fact_to_proto(changed: ChangedFact, found: ExplainedDifference, reader: Reader) -> pb.FactInput:
    changes = found.change.changes_of(changed) if reader.reads_facts_of(changed.member_id) else []
    inputs = sum(len(run.decisive.inputs) for run in found.explanation.runs)
    shown = max(2, min(MAX_CHANGES, MAX_TOTAL_CHANGES // inputs))
    return pb.FactInput(
        member_id=str(changed.member_id),
        kind=FACT_KINDS.to_proto(changed.fact.kind),
        attribute_name=changed.fact.name,
        changes=[fact_change_to_proto(changed.member_id, each) for each in changes[:shown]],
        changes_omitted=max(0, len(changes) - shown),
    )


def failed_rule_to_proto(rule: FailedRule, member_id: UUID, origins: Origins, reader: Reader) -> pb.FailedRule:
    """Maps a failed rule for an enrollment of a member."""
    of_facts = [origins.get(fact) for fact in rule.facts]
    return pb.FailedRule(
        rule_code=rule.code,
        days=days_to_proto(rule.days),
        facts=[_seen_to_proto(fact, origin, reader) for fact, origin in zip(rule.facts, of_facts, strict=True)],
        facts_omitted=rule.facts_omitted,
        summary=rule_in_words(rule, of_facts, member_id, reader),
    )


def _seen_to_proto(seen: SeenFact, origin: Origin | None, reader: Reader) -> pb.SeenFact:
    proto = pb.SeenFact(member_id=str(seen.member_id), kind=FACT_KINDS.to_proto(seen.fact.kind))
    if seen.fact.kind is FactKind.ATTRIBUTE:
        proto.name = seen.fact.name
    if not reader.reads_facts_of(seen.member_id):
        return proto
    proto.name = seen.fact.name
    for field, value in ((proto.value, seen.value), (proto.value_before, seen.value_before)):
        if (shown := fact_value_to_proto(seen.fact, value)) is not None:
            field.CopyFrom(shown)
    if origin is not None:
        proto.recorded_at.CopyFrom(timestamp_to_proto(origin.recorded_at))
        proto.actor.CopyFrom(_actor_to_proto(origin.actor, reader))
    return proto


def _actor_to_proto(actor: Actor, reader: Reader) -> actor_pb2.Actor:
    return actor_to_proto(actor) if reader.reads_subjects else actor_pb2.Actor(kind=ACTOR_KINDS.to_proto(actor.kind))
