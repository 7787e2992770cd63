"""Requests that name merged members: reads answer for the member into whom they were merged, writes are rejected.

The requests are enumerated from the protos. A new method, or a new field with an id, fails these tests until it is
listed here.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.api import field_info_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from affilia.catalog.v1 import member_service_pb2
from server.services import INTERNAL, PUBLIC
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Failure, admin, decoded, new_id
from tests.support.merging import BOSS, Story, merged_family

SERVICES = (*PUBLIC, *INTERNAL)
METHODS: dict[str, MethodDescriptor] = {
    method.name: method
    for service in SERVICES
    for method in descriptor_pool.Default().FindServiceByName(service.name).methods
    if method.name in service.permissions
}
OTHER_IDS = {
    "application_id",
    "change_request_id",
    "contract_id",
    "contract_ids",
    "enrollment_id",
    "enrollment_ids",
    "entry_ids",
    "group_id",
    "group_ids",
    "locator",
    "module_id",
    "module_ids",
    "named_id",  # of an audit entry: an id is an id
    "recompute_id",
    "request_id",
    "run_id",
}
"""The fields of requests with ids of other things than members."""
MEMBER_IDS = {"member_id", "member_ids", "primary_id", "primary_ids", "from_member_id", "into_member_id"}

FieldPath = tuple[str, ...]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with merged_family(tmp_path_factory.mktemp("merged")) as merged:
        yield merged


def requests_of(story: Story) -> dict[str, list[dict[str, Any]]]:
    """Returns requests by method. Together, they set every field that names a member."""
    family = story.insured.family
    primary, child = family.primary, family.child
    key = {"contract_id": family.contract_id, "primary_id": primary}
    policy, group_id = {"key": key}, story.insured.group_id
    on, twice = date("2026-03-01"), {"request_id": new_id()}
    months = {"first": {"year": 2026, "month": 1}, "last": {"year": 2026, "month": 2}}
    specs = [{"beneficiary_type": "MEMBERSHIP_TYPE_CHILD", "age": 4, "module_ids": [family.base]}]
    about, check = {"member_id": child}, {"member_id": child, "date": date("2026-08-01")}
    type_ = {"membership_type": "MEMBERSHIP_TYPE_CHILD"}
    days = {"module_id": family.base, "days": span("2026-03-01", "2026-04-30")}
    proposal = {
        "group": key,
        "changes": [
            {"enroll": {**about, **type_, **days}},
            {"leave": {**about, **days}},
            {"correct_membership_type": {**about, **type_}},
        ],
        "requester": admin(name="ada"),
    }
    alone = [{**proposal, "changes": [change]} for change in proposal["changes"]]  # type: ignore[attr-defined]
    of_primary = {"leave": {"member_id": primary, **days}}
    alone.append({**proposal, "changes": [of_primary], "accepted_consequences": [{**about, **days}]})
    return {
        "UpsertMember": [{**twice, "member": {**about, "kind": "MEMBER_KIND_PERSON"}}],
        "RecordFacts": [{**twice, **about, "birth": {"born_on": date("2015-06-01")}}],
        "EraseMember": [{**twice, **about}],
        "MergeMembers": [{**twice, "from_member_id": child, "into_member_id": primary, "reason": "a test"}],
        "GetMember": [about],
        "BatchGetMembers": [{"member_ids": [child]}],
        "SubmitChangeRequest": [{**twice, **each} for each in alone],
        "SimulateChangeRequest": alone,
        "ListAvailableChoices": [{"key": key, **about, "membership_type": "MEMBERSHIP_TYPE_CHILD", "on": on}],
        "GetEnrollmentGroup": [{"key": key}],
        "ListEnrollmentGroups": [{"primary_id": primary}, about],
        "WatchEnrollments": [
            {"from": "FEED_START_SNAPSHOT", "filter": {"primary_ids": [primary]}},
            {"from": "FEED_START_SNAPSHOT", "filter": {"member_ids": [child]}},
        ],
        "ListHistory": [about],
        "ExplainDifference": [{"group_id": group_id, "revision": 1, **about}],
        "GetInsuranceCost": [
            {"inquiry": {"on": on, "policy": policy}},
            {"inquiry": {"on": on, "policy_quote": {"policy": policy, "beneficiaries": specs}}},
        ],
        "BatchGetInsuranceCost": [
            {"inquiries": [{"on": on, "policy": policy}]},
            {"inquiries": [{"on": on, "policy_quote": {"policy": policy, "beneficiaries": specs}}]},
        ],
        "PreviewPremiums": [{"policy": policy, "months": months}],
        "ComputePremiums": [{**twice, "policy": policy, "months": months}],
        "ListPremiumEntries": [{"policy": policy}],
        "ListUninvoicedPremiums": [{"policy": policy, "up_to": on}],
        "CheckEligibility": [{"check": check}],
        "BatchCheckEligibility": [{"checks": [check]}],
        "CheckCapability": [{**check, "capability": "DENTAL"}],
        "ListCapabilities": [check],
        "GetActiveCoverage": [check],
        "ListMemberCoverage": [{**about, "days": span("2026-01-01", "2026-12-31")}],
        "GetAccumulators": [check],
        "GetMemberCoverage": [check],
        "ApplyAccumulators": [
            {
                "application_id": new_id(),
                **about,
                "group_id": group_id,
                "service_date": on,
                "amounts": [{"code": "DEDUCTIBLE", "amount": 5}],
            }
        ],
        "ListAccumulatorApplications": [about],
    }


REJECTED = {
    "UpsertMember",
    "RecordFacts",
    "EraseMember",
    "MergeMembers",
    "SubmitChangeRequest",
    "SimulateChangeRequest",  # as the write that it simulates
    "ComputePremiums",
    "ApplyAccumulators",
}


def id_fields(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[FieldPath]:
    """Returns the paths of all fields with ids."""
    for field in message.fields:
        if field.GetOptions().Extensions[field_info_pb2.field_info].format == field_info_pb2.FieldInfo.UUID4:
            yield (field.name,)
        inner = field.message_type
        if inner is not None and inner.full_name not in seen:
            yield from ((field.name, *path) for path in id_fields(inner, seen | {inner.full_name}))


NAMING = [
    (name, ".".join(path))
    for name, method in METHODS.items()
    for path in id_fields(method.input_type)
    if path[-1] in MEMBER_IDS
]


def message_of(method: str, fields: dict[str, Any]) -> Any:
    return message_factory.GetMessageClass(METHODS[method].input_type)(**fields)


def values_at(message: Any, path: FieldPath) -> list[str]:
    """Returns the ids at a path, with the first item of each list on the way."""
    name, *rest = path
    is_list = message.DESCRIPTOR.fields_by_name[name].is_repeated
    value = getattr(message, name)
    if is_list and not value:
        return []
    if not rest:
        return list(value) if is_list else [value] if value else []
    if not is_list and not message.HasField(name):
        return []
    return values_at(value[0] if is_list else value, tuple(rest))


def put(message: Any, path: FieldPath, value: str) -> None:
    name, *rest = path
    field, inner = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
    if rest:
        put(inner[0] if field.is_repeated else inner, tuple(rest), value)
    elif field.is_repeated:
        inner[0] = value
    else:
        setattr(message, name, value)


def sent(story: Story, method: str, request: Any, metadata: Any = BOSS) -> Message | Failure:
    """Returns the response of a call, the first one of a stream, or the failure. Sends the story's token."""
    described = METHODS[method]
    is_internal = any(described.containing_service.full_name == service.name for service in INTERNAL)
    channel = story.internal if is_internal else story.insured.family.channel
    if "consistency_token" in request.DESCRIPTOR.fields_by_name:
        request.consistency_token = story.token
    if "request_id" in request.DESCRIPTOR.fields_by_name:
        request.request_id = new_id()
    send: Any = channel.unary_stream if described.server_streaming else channel.unary_unary
    read = message_factory.GetMessageClass(described.output_type).FromString
    name = f"/{described.containing_service.full_name}/{described.name}"
    try:
        answer = send(name, request_serializer=type(request).SerializeToString, response_deserializer=read)(
            request, timeout=60
        )
        if described.server_streaming:
            first: Message = next(answer)
            answer.cancel()
            return first
    except grpc.RpcError as error:
        return decoded(error)
    assert isinstance(answer, Message)
    return answer


def test_every_field_of_a_request_with_an_id_says_of_what() -> None:
    fields = {path[-1] for method in METHODS.values() for path in id_fields(method.input_type)}
    assert fields <= MEMBER_IDS | OTHER_IDS


@pytest.mark.parametrize(("method", "field"), NAMING)
def test_a_merged_id_is_an_id_of_the_other_member_to_read_with_and_none_to_write_with(
    story: Story, method: str, field: str
) -> None:
    path = tuple(field.split("."))
    current, request = next(
        (values[0], request)
        for request in (message_of(method, fields) for fields in requests_of(story)[method])
        if (values := values_at(request, path))
    )
    expected = None if method in REJECTED else sent(story, method, request)
    old = story.old[current]
    put(request, path, old)
    found = sent(story, method, request)
    if method in REJECTED:
        assert isinstance(found, Failure)
        assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MEMBER_MERGED")
        assert found.facts == {"member_id": old, "merged_into": current}
        return
    assert not isinstance(found, Failure), found
    assert not isinstance(expected, Failure), expected
    names = found.DESCRIPTOR.fields_by_name
    if "merged_into" in names:
        assert getattr(found, "merged_into") == current  # noqa: B009
        assert getattr(expected, "merged_into") == ""  # noqa: B009
    else:
        assert [(each.member_id, each.merged_into) for each in getattr(found, "merged_members")] == [(old, current)]  # noqa: B009
    for message in (found, expected):
        unify(message)
    assert found == expected


def unify(message: Any) -> None:
    """Clears what differs between two responses with equal content."""
    for name in ("merged_into", "merged_members", "feed_position", "resume_token", "outcomes"):
        if name in message.DESCRIPTOR.fields_by_name and name != "outcomes":
            message.ClearField(name)
    for outcome in getattr(message, "outcomes", ()):
        outcome.answer.ClearField("merged_into")


def test_the_tests_above_are_about_every_request_that_names_members(story: Story) -> None:
    assert {method for method, _ in NAMING} == set(requests_of(story)) & set(METHODS)


def test_each_answer_of_a_batch_says_for_whom_it_is(story: Story) -> None:
    family, on = story.insured.family, date("2026-08-01")
    members = [family.primary, story.old_child, family.child, story.old_child.upper(), "nobody"]
    request = message_of("BatchCheckEligibility", {"checks": [{"member_id": each, "date": on} for each in members]})
    found: Any = sent(story, "BatchCheckEligibility", request)
    assert [each.answer.merged_into for each in found.outcomes] == ["", family.child, "", family.child, ""]
    assert [each.answer.covered for each in found.outcomes] == [True, True, True, True, False]
    assert [each.merged_into for each in found.merged_members] == [family.child]


def test_a_member_as_of_an_instant_before_the_merge_is_the_one_recorded_then(story: Story) -> None:
    family = story.insured.family
    now = family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=story.old_child))
    assert (now.member.member_id, now.merged_into) == (family.child, family.child)
    then = member_service_pb2.GetMemberRequest(member_id=story.old_child)
    then.as_of.CopyFrom(family.group(revision=2).recorded_at)
    found = family.members.GetMember(then)
    assert (found.member.member_id, found.merged_into) == (story.old_child, "")
