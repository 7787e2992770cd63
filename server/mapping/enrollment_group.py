"""Maps groups, periods, revisions and differences."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from affilia.enrollment.v1 import enrollment_group_pb2 as pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as service_pb
from domain.days import Span
from domain.enrollment.decisions import GroupKey
from domain.enrollment.differences import Difference, DifferenceKind, PolicyEvent
from domain.enrollment.group import Period
from domain.enrollment.history import DifferenceCause, GroupSource, GroupState, Revision, RevisionCause
from domain.identity import enrollment_id, group_id_text
from domain.membership import MembershipType
from operations.legacy.answering import SourceOfTruth
from server.mapping.dates import days_to_proto, span_from_proto, span_to_proto, timestamp_from_proto, timestamp_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from storage.group_lookup import AsOf, GroupFilter

POLICY_EVENTS = EnumMapping(pb.PolicyEvent.DESCRIPTOR, PolicyEvent)
DIFFERENCE_KINDS = EnumMapping(pb.DifferenceKind.DESCRIPTOR, DifferenceKind)
GROUP_SOURCES = EnumMapping(pb.EnrollmentSource.DESCRIPTOR, GroupSource)
SOURCES_OF_TRUTH = EnumMapping(pb.SourceOfTruth.DESCRIPTOR, SourceOfTruth, unspecified=SourceOfTruth.FOLLOW_MIGRATION)


def key_to_proto(key: GroupKey) -> pb.GroupKey:
    return pb.GroupKey(contract_id=str(key.contract_id), primary_id=str(key.primary_id))


def key_from_proto(key: pb.GroupKey) -> GroupKey:
    return GroupKey(UUID(key.contract_id), UUID(key.primary_id))


def group_to_proto(state: GroupState) -> pb.EnrollmentGroup:
    group = pb.EnrollmentGroup(
        group_id=str(state.group_id),
        key=key_to_proto(state.key),
        revision=state.revision,
        periods=[period_to_proto(state.group_id, period) for period in state.periods],
        source=GROUP_SOURCES.to_proto(state.source),
    )
    if state.cause and state.recorded_at:
        group.cause.CopyFrom(cause_to_proto(state.cause))
        group.recorded_at.CopyFrom(timestamp_to_proto(state.recorded_at))
    return group


def period_to_proto(group_id: UUID, period: Period) -> pb.EnrollmentPeriod:
    return pb.EnrollmentPeriod(
        enrollment_id=str(enrollment_id(group_id, period.member_id, period.module_id)),
        member_id=str(period.member_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(period.membership_type),
        module_id=str(period.module_id),
        days=span_to_proto(period.days),
    )


def cause_to_proto(cause: RevisionCause) -> pb.RevisionCause:
    if cause.change_request_id:
        return pb.RevisionCause(change_request_id=str(cause.change_request_id))
    return pb.RevisionCause(recompute_id=str(cause.recompute_id))


def revision_to_proto(revision: Revision) -> pb.Revision:
    return pb.Revision(
        group_id=str(revision.group_id),
        revision=revision.revision,
        cause=cause_to_proto(revision.cause),
        recorded_at=timestamp_to_proto(revision.recorded_at),
        event=POLICY_EVENTS.to_proto(revision.policy_event),
    )


def difference_to_proto(
    group_id: UUID,
    difference: Difference,
    types: Mapping[UUID, MembershipType],
    causes: Sequence[DifferenceCause] = (),
) -> pb.EnrollmentDifference:
    return pb.EnrollmentDifference(
        enrollment_id=str(enrollment_id(group_id, difference.member_id, difference.module_id)),
        member_id=str(difference.member_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(types[difference.member_id]),
        module_id=str(difference.module_id),
        kinds=[DIFFERENCE_KINDS.to_proto(kind) for kind in difference.kinds],
        gained=days_to_proto(difference.gained),
        lost=days_to_proto(difference.lost),
        causes=[
            pb.DifferenceCause(
                revision=cause.revision,
                cause=cause_to_proto(cause.cause),
                reason_code=cause.reason_code,
                note=cause.note,
                requester_reason=cause.requester_reason,
            )
            for cause in causes
        ],
    )


# -------------------------------------------------------------------------------------------------- requests


def group_from_proto(request: service_pb.GetEnrollmentGroupRequest) -> UUID | GroupKey:
    return UUID(request.group_id) if request.WhichOneof("group") == "group_id" else key_from_proto(request.key)


def group_id_from_proto(request: service_pb.GetEnrollmentGroupRequest) -> str:
    """Returns the id of the group that a request names, as a text."""
    if request.WhichOneof("group") == "group_id":
        return request.group_id
    return group_id_text(request.key.contract_id, request.key.primary_id)


def as_of_from_proto(request: service_pb.GetEnrollmentGroupRequest | service_pb.ListEnrollmentGroupsRequest) -> AsOf:
    match request.WhichOneof("as_of"):
        case "revision":
            return AsOf(revision=request.revision)
        case "instant":
            return AsOf(instant=timestamp_from_proto(request.instant))
        case _:
            return AsOf()


def touching_from_proto(
    request: service_pb.GetEnrollmentGroupRequest | service_pb.ListEnrollmentGroupsRequest,
) -> Span | None:
    return span_from_proto(request.touching) if request.HasField("touching") else None


def group_filter_from_proto(request: service_pb.ListEnrollmentGroupsRequest) -> GroupFilter:
    match request.WhichOneof("filter"):
        case "contract_id":
            return GroupFilter(contract_id=UUID(request.contract_id))
        case "primary_id":
            return GroupFilter(primary_id=UUID(request.primary_id))
        case _:
            return GroupFilter(member_id=UUID(request.member_id))
