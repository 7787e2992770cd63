"""Stored views have the version of the mapping that made them."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia.enrollment.v1 import enrollment_group_pb2, enrollment_query_service_pb2
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import Period
from domain.enrollment.history import GroupState, RevisionCause
from domain.membership import MembershipType
from server.mapping.enrollment_group import group_to_proto
from server.mapping.stored_view import VERSION, response_of_view, view_of_group
from tests.support.strategies import spans

FIELDS = {
    "EnrollmentGroup": {"cause", "group_id", "key", "periods", "recorded_at", "revision", "source"},
    "GroupKey": {"contract_id", "primary_id"},
    "RevisionCause": {"change_request_id", "recompute_id"},
    "EnrollmentPeriod": {"days", "enrollment_id", "member_id", "membership_type", "module_id"},
    "DateSpan": {"first_on", "last_on"},
}


def fields_of(message: Descriptor) -> dict[str, set[str]]:
    found = {message.name: {field.name for field in message.fields}}
    for field in message.fields:
        if field.message_type and field.message_type.full_name.startswith("affilia."):
            found |= fields_of(field.message_type)
    return found


def test_a_message_with_other_fields_needs_a_new_version_of_views() -> None:
    assert (VERSION, fields_of(enrollment_group_pb2.EnrollmentGroup.DESCRIPTOR)) == (1, FIELDS)


periods = st.builds(Period, st.uuids(), st.sampled_from(MembershipType), st.uuids(), spans())
states = st.builds(
    GroupState,
    st.uuids(),
    st.builds(GroupKey, st.uuids(), st.uuids()),
    st.integers(1, 2**31 - 1),
    st.builds(RevisionCause, st.uuids()) | st.builds(RevisionCause, st.none(), st.uuids()),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (made aware)
    st.lists(periods, max_size=40).map(tuple),
)


@settings(deadline=None, max_examples=50)
@given(states)
def test_the_response_of_a_view_is_that_of_its_state(state: GroupState) -> None:
    response = enrollment_query_service_pb2.GetEnrollmentGroupResponse(group=group_to_proto(state))
    assert response_of_view(view_of_group(state)) == response.SerializeToString()


def test_a_view_of_another_version_has_no_response() -> None:
    state = GroupState(UUID(int=1), GroupKey(UUID(int=2), UUID(int=3)), 0, None, None, ())
    assert response_of_view(bytes((VERSION + 1,)) + view_of_group(state)[1:]) is None
