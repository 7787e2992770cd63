"""Maps change requests, their verdicts, and recomputes."""

from uuid import UUID

from affilia.enrollment.v1 import change_request_pb2 as pb
from affilia.enrollment.v1 import change_request_service_pb2 as service_pb
from domain.days import to_date
from domain.enrollment.choices import Choice
from domain.enrollment.decisions import (
    Change,
    ChangeProposal,
    CorrectMembershipType,
    Enroll,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    Revert,
    ScopedChange,
)
from domain.enrollment.history import ChangeRequest, Recompute, RecomputeTrigger
from domain.enrollment.unmet import UnmetEnroll
from domain.enrollment.verdicts import (
    Cause,
    Consequence,
    MissingFact,
    Notice,
    Verdict,
    Violation,
    ViolationCode,
)
from domain.errors import FieldViolation, RequestMalformed
from domain.members import FactKind
from domain.pricing.changes import CostOutcome
from domain.pricing.simulating import Simulated
from operations.recomputes import DryRun
from server.mapping.actors import actor_to_proto
from server.mapping.dates import (
    date_to_proto,
    days_to_proto,
    span_from_proto,
    span_to_proto,
    timestamp_to_proto,
)
from server.mapping.enrollment_group import difference_to_proto, key_from_proto, key_to_proto, period_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.insurance_cost import cost_change_to_proto, cost_missing_reason
from server.mapping.listing import instants_from_proto
from storage.listing import ListFilter

REQUESTER_ROLES = EnumMapping(pb.RequesterRole.DESCRIPTOR, RequesterRole)
VERDICTS = EnumMapping(pb.Verdict.DESCRIPTOR, Verdict)
VIOLATION_CODES = EnumMapping(pb.ViolationCode.DESCRIPTOR, ViolationCode)
FACT_KINDS = EnumMapping(pb.FactKind.DESCRIPTOR, FactKind)
RECOMPUTE_TRIGGERS = EnumMapping(pb.RecomputeTrigger.DESCRIPTOR, RecomputeTrigger)


def proposal_from_proto(
    request: service_pb.SubmitChangeRequestRequest | service_pb.SimulateChangeRequestRequest,
) -> ChangeProposal:
    expected = None
    if isinstance(request, service_pb.SubmitChangeRequestRequest) and request.HasField("expected_revision"):
        expected = request.expected_revision
    return ChangeProposal(
        key=key_from_proto(request.group),
        requester=Requester(
            REQUESTER_ROLES.from_proto(request.requester.role),
            request.requester.requester_id,
            request.requester.reason,
        ),
        changes=tuple(scoped_change_from_proto(change) for change in request.changes),
        overridden_rules=tuple(request.overridden_rules),
        accept_consequences=request.accept_consequences,
        expected_revision=expected,
        accepted_leaves=tuple(
            Leave(UUID(each.member_id), UUID(each.module_id), span_from_proto(each.days))
            for each in request.accepted_consequences
        ),
    )


def scoped_change_from_proto(scoped: pb.ScopedChange) -> ScopedChange:
    return ScopedChange(change_from_proto(scoped), scoped.reason_code, scoped.note)


def change_from_proto(scoped: pb.ScopedChange) -> Change:
    match scoped.WhichOneof("change"):
        case "enroll":
            enroll = scoped.enroll
            return Enroll(
                UUID(enroll.member_id),
                MEMBERSHIP_TYPES.from_proto(enroll.membership_type),
                UUID(enroll.module_id),
                span_from_proto(enroll.days),
            )
        case "revert":
            return Revert(UUID(scoped.revert.change_request_id))
        case "correct_membership_type":
            correction = scoped.correct_membership_type
            membership_type = MEMBERSHIP_TYPES.from_proto(correction.membership_type)
            return CorrectMembershipType(UUID(correction.member_id), membership_type)
        case _:
            leave = scoped.leave
            module_id = UUID(leave.module_id) if leave.module_id else None
            return Leave(UUID(leave.member_id), module_id, span_from_proto(leave.days))


def scoped_change_to_proto(scoped: ScopedChange) -> pb.ScopedChange:
    proto = pb.ScopedChange(reason_code=scoped.reason_code, note=scoped.note)
    match scoped.change:
        case Enroll(member_id, membership_type, module_id, days):
            proto.enroll.CopyFrom(
                pb.Enroll(
                    member_id=str(member_id),
                    membership_type=MEMBERSHIP_TYPES.to_proto(membership_type),
                    module_id=str(module_id),
                    days=span_to_proto(days),
                )
            )
        case Leave(member_id, module_id, days):
            proto.leave.CopyFrom(
                pb.Leave(member_id=str(member_id), module_id=str(module_id or ""), days=span_to_proto(days))
            )
        case Revert(change_request_id):
            proto.revert.CopyFrom(pb.Revert(change_request_id=str(change_request_id)))
        case CorrectMembershipType(member_id, membership_type):
            corrected = MEMBERSHIP_TYPES.to_proto(membership_type)
            proto.correct_membership_type.CopyFrom(
                pb.CorrectMembershipType(member_id=str(member_id), membership_type=corrected)
            )
    return proto


def change_request_to_proto(request: ChangeRequest) -> pb.ChangeRequest:
    return pb.ChangeRequest(
        change_request_id=str(request.change_request_id),
        request_id=str(request.request_id),
        group_id=str(request.group_id),
        key=key_to_proto(GroupKey(*request.key)),
        requester=pb.Requester(
            role=REQUESTER_ROLES.to_proto(request.requester.role),
            requester_id=request.requester.requester_id,
            reason=request.requester.reason,
        ),
        changes=[scoped_change_to_proto(change) for change in request.changes],
        overridden_rules=request.overridden_rules,
        accept_consequences=request.accept_consequences,
        verdict=VERDICTS.to_proto(request.verdict),
        violations=[violation_to_proto(violation) for violation in request.violations],
        notices=[notice_to_proto(notice) for notice in request.notices],
        consequences=[consequence_to_proto(consequence) for consequence in request.consequences],
        revision=request.revision,
        made_revision=request.made_revision,
        recorded_at=timestamp_to_proto(request.recorded_at),
        actor=actor_to_proto(request.actor),
        unknown_rules=request.unknown_rules,
        violations_omitted=request.violations_omitted,
        overridden_before=date_to_proto(request.overridden_before) if request.overridden_before else None,
    )


def violation_to_proto(violation: Violation) -> pb.Violation:
    return pb.Violation(
        code=VIOLATION_CODES.to_proto(violation.code),
        rule_code=violation.rule_code,
        member_id=str(violation.member_id or ""),
        module_id=str(violation.module_id or ""),
        on=None if violation.on is None else date_to_proto(to_date(violation.on)),
        message=violation.message,
        missing_facts=[missing_fact_to_proto(missing) for missing in violation.missing_facts],
        earliest_last_on=date_to_proto(violation.earliest_last_on) if violation.earliest_last_on else None,
        days=days_to_proto(violation.days),
        chain=[cause_to_proto(cause) for cause in violation.chain],
        is_shortened=violation.is_shortened,
    )


def missing_fact_to_proto(missing: MissingFact) -> pb.MissingFact:
    return pb.MissingFact(
        member_id=str(missing.member_id),
        kind=FACT_KINDS.to_proto(missing.kind),
        attribute_name=missing.attribute_name,
    )


def notice_to_proto(notice: Notice) -> pb.Notice:
    return pb.Notice(
        member_id=str(notice.member_id),
        module_id=str(notice.module_id),
        days=days_to_proto(notice.days),
        reasons=[violation_to_proto(reason) for reason in notice.reasons],
        reasons_omitted=notice.reasons_omitted,
    )


def consequence_to_proto(consequence: Consequence) -> pb.Consequence:
    return pb.Consequence(
        member_id=str(consequence.member_id),
        module_id=str(consequence.module_id),
        days=span_to_proto(consequence.days),
    )


def cause_to_proto(cause: Cause) -> pb.Cause:
    return pb.Cause(
        code=VIOLATION_CODES.to_proto(cause.code),
        rule_code=cause.rule_code,
        member_id=str(cause.member_id),
        module_id=str(cause.module_id),
        on=date_to_proto(to_date(cause.on)),
        message=cause.message,
        missing_facts=[missing_fact_to_proto(missing) for missing in cause.missing_facts],
    )


def unmet_to_proto(unmet: UnmetEnroll) -> pb.UnmetEnroll:
    return pb.UnmetEnroll(
        change_request_id=str(unmet.change_request_id or ""),
        change_index=unmet.change_index,
        member_id=str(unmet.member_id),
        module_id=str(unmet.module_id),
        days=days_to_proto(unmet.days),
        newly_unmet=days_to_proto(unmet.newly),
        reasons=[violation_to_proto(reason) for reason in unmet.reasons],
        reasons_omitted=unmet.reasons_omitted,
    )


def choice_to_proto(choice: Choice, cost: CostOutcome) -> pb.Choice:
    later, until = choice.first_allowed_later, choice.committed_until
    return pb.Choice(
        module_id=str(choice.module_id),
        enrolled=choice.enrolled,
        allowed=choice.allowed,
        reasons=[violation_to_proto(reason) for reason in choice.reasons],
        reasons_omitted=choice.reasons_omitted,
        first_allowed_later=date_to_proto(later) if later else None,
        committed_until=date_to_proto(until) if until else None,
        cost=cost_change_to_proto(cost),
        cost_missing_reason=cost_missing_reason(cost),
    )


def recompute_to_proto(recompute: Recompute) -> pb.Recompute:
    pausing = recompute.failed_at is None and recompute.done_at is None and recompute.next_attempt_at
    return pb.Recompute(
        recompute_id=str(recompute.recompute_id),
        group_id=str(recompute.group_id),
        key=key_to_proto(recompute.key),
        trigger=RECOMPUTE_TRIGGERS.to_proto(recompute.trigger),
        state=_recompute_state(recompute),
        revision=recompute.revision,
        requested_at=timestamp_to_proto(recompute.requested_at),
        done_at=timestamp_to_proto(recompute.done_at) if recompute.done_at else None,
        failed_attempts=recompute.failed_attempts,
        next_attempt_at=timestamp_to_proto(pausing) if pausing else None,
        unmet_enrolls=[unmet_to_proto(unmet) for unmet in recompute.unmet.enrolls],
        unmet_enrolls_omitted=recompute.unmet.omitted,
        actor=actor_to_proto(recompute.actor),
    )


def change_request_filter_from_proto(request: service_pb.ListChangeRequestsRequest) -> ListFilter:
    """Returns the filter for a list of change requests. Raises RequestMalformed."""
    if request.group_id and request.contract_id:
        raise RequestMalformed([FieldViolation("contract_id", "is only allowed without group_id")])
    since, before = instants_from_proto(request, "recorded")
    contract_id = UUID(request.contract_id) if request.contract_id else None
    return ListFilter(contract_id=contract_id, state=VERDICTS.given(request.verdict), since=since, before=before)


def recompute_filter_from_proto(request: service_pb.ListRecomputesRequest) -> ListFilter:
    """Returns the filter for a list of recomputes. Raises RequestMalformed."""
    since, before = instants_from_proto(request, "requested")
    contract_id = UUID(request.contract_id) if request.contract_id else None
    state = pb.RecomputeState.Name(request.state).removeprefix("RECOMPUTE_STATE_") if request.state else None
    return ListFilter(contract_id=contract_id, state=state, since=since, before=before)


def _recompute_state(recompute: Recompute) -> pb.RecomputeState.ValueType:
    if recompute.done_at:
        return pb.RECOMPUTE_STATE_DONE
    return pb.RECOMPUTE_STATE_FAILED if recompute.failed_at else pb.RECOMPUTE_STATE_WAITING


def simulated_to_proto(group_id: UUID, simulated: Simulated) -> service_pb.SimulateChangeRequestResponse:
    judgement = simulated.judgement
    return service_pb.SimulateChangeRequestResponse(
        verdict=VERDICTS.to_proto(judgement.verdict),
        violations=[violation_to_proto(violation) for violation in judgement.violations],
        violations_omitted=judgement.violations_omitted,
        notices=[notice_to_proto(notice) for notice in judgement.notices],
        consequences=[consequence_to_proto(consequence) for consequence in judgement.consequences],
        periods_before=[period_to_proto(group_id, period) for period in simulated.before],
        periods_after=[period_to_proto(group_id, period) for period in simulated.after],
        cost=cost_change_to_proto(simulated.cost),
        cost_missing_reason=cost_missing_reason(simulated.cost),
        unknown_rules=judgement.unknown_rules,
    )


def dry_run_to_proto(tried: DryRun) -> service_pb.RequestRecomputeResponse:
    types = tried.membership_types
    return service_pb.RequestRecomputeResponse(
        differences=[difference_to_proto(tried.group_id, difference, types) for difference in tried.differences],
        unmet_enrolls=[unmet_to_proto(unmet) for unmet in tried.unmet.enrolls],
        unmet_enrolls_omitted=tried.unmet.omitted,
    )
