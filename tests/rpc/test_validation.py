"""Validation of requests, and the errors that callers get."""

from typing import Any
from uuid import UUID, uuid1

import grpc
import pytest
from google.protobuf import descriptor_pool, duration_pb2, message_factory, timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.type import date_pb2

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2
from affilia.type.v1 import limits_pb2
from server.checking import message_check, violations
from server.mapping.paging import begin_page, current_page, is_paged
from server.services import INTERNAL, PUBLIC
from server.tokens import Tokens
from tests.rpc.conftest import DOWN, UNARY, UP, Shell
from tests.support.calls import decoded, new_id

Request = enrollment_query_service_pb2.GetEnrollmentGroupRequest
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def submit(**enroll: Any) -> change_request_service_pb2.SubmitChangeRequestRequest:
    """Returns a valid request, except for what a test puts into its change."""
    request = change_request_service_pb2.SubmitChangeRequestRequest(request_id=new_id())
    request.group.contract_id, request.group.primary_id = new_id(), new_id()
    request.requester.role, request.requester.requester_id = 1, new_id()  # type: ignore[assignment]  # any role
    change = request.changes.add().enroll
    change.member_id, change.module_id = new_id(), new_id()
    change.membership_type = 1  # type: ignore[assignment]  # any type
    change.days.first_on.CopyFrom(date_pb2.Date(year=2026, month=1, day=1))
    for name, value in enroll.items():
        setattr(change, name, value)
    return request


def wrong_fields(message: Any) -> list[str]:
    return [violation.field for violation in violations(message)]


def test_a_valid_request_has_no_violations() -> None:
    assert violations(submit()) == []


@pytest.mark.parametrize("text", [new_id().upper(), str(UUID(int=0)), str(UUID(int=2**128 - 1)), str(uuid1())])
def test_a_uuid_may_be_of_any_version_and_case(text: str) -> None:
    assert violations(submit(member_id=text)) == []


@pytest.mark.parametrize("text", [new_id().replace("-", ""), f"{{{new_id()}}}", f"{new_id()}\n", f" {new_id()}", "x"])
def test_other_spellings_of_a_uuid_are_rejected(text: str) -> None:
    assert wrong_fields(submit(member_id=text)) == ["changes[0].enroll.member_id"]


def test_an_empty_id_in_a_oneof_is_rejected() -> None:
    assert wrong_fields(Request(group_id="")) == ["group_id"]
    assert wrong_fields(enrollment_query_service_pb2.ListEnrollmentGroupsRequest(member_id="")) == ["member_id"]


def test_an_empty_text_in_a_oneof_is_rejected() -> None:
    request = premium_computation_service_pb2.ListPremiumEntriesRequest(invoice_id="")
    assert [(v.field, v.description) for v in violations(request)] == [("invoice_id", "must not be empty")]


def test_an_empty_id_in_a_list_is_rejected() -> None:
    enrolled = condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_SELF, module_ids=[new_id(), ""])
    assert wrong_fields(enrolled) == ["module_ids[1]"]


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2026, 2, 30), (2026, 0, 1), (0, 1, 1), (2026, 1, 0), (10000, 1, 1), (2**31 - 1, 1, 1), (-1, -1, -1)],
)
def test_a_date_that_is_not_in_the_calendar_is_rejected(year: int, month: int, day: int) -> None:
    request = submit()
    request.changes[0].enroll.days.first_on.CopyFrom(date_pb2.Date(year=year, month=month, day=day))
    assert wrong_fields(request) == ["changes[0].enroll.days.first_on"]


@pytest.mark.parametrize(("year", "month", "day"), [(1, 1, 1), (9999, 12, 31), (2028, 2, 29)])
def test_every_day_of_the_calendar_is_a_date(year: int, month: int, day: int) -> None:
    assert violations(date_pb2.Date(year=year, month=month, day=day)) == []


def test_a_span_that_ends_before_it_begins_is_rejected_with_the_field_of_its_end() -> None:
    request = submit()
    request.changes[0].enroll.days.last_on.CopyFrom(date_pb2.Date(year=2025, month=12, day=31))
    assert wrong_fields(request) == ["changes[0].enroll.days.last_on"]


@pytest.mark.parametrize(
    ("seconds", "nanos", "right"),
    [
        (-62_135_596_800, 0, True), (253_402_300_799, 999_999_999, True), (0, -1, False), (0, 10**9, False),
        (-62_135_596_801, 0, False), (253_402_300_800, 0, False), (2**63 - 1, 0, False),
    ],
)  # fmt: skip
def test_instants_of_the_years_1_to_9999_are_accepted(seconds: int, nanos: int, right: bool) -> None:
    request = Request(group_id=new_id(), instant=timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos))
    assert wrong_fields(request) == ([] if right else ["instant"])


@pytest.mark.parametrize(
    ("seconds", "nanos", "right"),
    [(1, 1, True), (-1, -1, True), (0, -1, True), (1, -1, False), (-1, 1, False), (0, 10**9, False), (2**62, 0, False)],
)
def test_a_duration_has_one_sign_and_is_bounded(seconds: int, nanos: int, right: bool) -> None:
    check = message_check(duration_pb2.Duration.DESCRIPTOR)
    assert (list(check(duration_pb2.Duration(seconds=seconds, nanos=nanos), "pause")) == []) is right


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85"])
def test_control_characters_are_rejected(character: str) -> None:
    request = submit()
    request.changes[0].note = f"a{character}b"
    assert wrong_fields(request) == ["changes[0].note"]


def test_unknown_and_unspecified_enum_values_are_rejected_in_every_field() -> None:
    assert wrong_fields(submit(membership_type=99)) == ["changes[0].enroll.membership_type"]
    request = submit()
    request.requester.role = 0  # type: ignore[assignment]  # that is the fault
    assert wrong_fields(request) == ["requester.role"]


def test_a_list_that_is_too_long_is_one_violation_and_its_items_are_not_checked() -> None:
    request = submit()
    request.changes.extend([type(request.changes[0])()] * 10_000)
    assert [(v.field, v.description) for v in violations(request)] == [
        ("changes", "must have at most 100 items, got 10001")
    ]


def test_the_first_hundred_violations_are_reported_with_a_note_about_the_rest() -> None:
    request = submit()
    request.changes.extend([type(request.changes[0])()] * 99)
    assert len(violations(request)) == 99
    request.changes[0].ClearField("enroll")
    request.request_id = ""
    found = violations(request)
    assert len(found) == 101
    assert "more" in found[-1].description


def test_output_only_fields_are_ignored() -> None:
    request = catalog_service_pb2.PublishContractRequest()
    request.contract.etag = "x" * 5000
    request.contract.recorded_at.seconds = 2**62
    assert not {"contract.etag", "contract.recorded_at"} & set(wrong_fields(request))
    assert not request.contract.etag
    assert not request.contract.HasField("recorded_at")


def test_exactly_one_fact_is_required() -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=new_id())
    assert wrong_fields(request) == ["facts"]


PAGED = [
    method.input_type
    for service in (*PUBLIC, *INTERNAL)
    for method in descriptor_pool.Default().FindServiceByName(service.name).methods
    if "page_size" in method.input_type.fields_by_name
]


@pytest.mark.parametrize("kind", PAGED, ids=lambda kind: kind.name)
def test_a_page_size_above_the_maximum_is_taken_as_the_maximum_by_every_list(kind: Descriptor) -> None:
    request_type: Any = message_factory.GetMessageClass(kind)
    assert is_paged(request_type)
    maximum = kind.fields_by_name["page_size"].GetOptions().Extensions[limits_pb2.limits].max
    most, default = (10_000, 10_000) if kind.name == "AggregatePremiumsRequest" else (1000, 50)
    assert 1 <= maximum <= most
    sizes = []
    for asked in (0, 1, maximum, maximum + 1, 2**31 - 1):
        request = request_type(page_size=asked)
        assert "page_size" not in wrong_fields(request)
        begin_page(request, Tokens(b"key"))
        sizes.append(current_page().size)
    assert sizes == [default, 1, maximum, maximum, maximum]


@pytest.mark.parametrize("kind", PAGED, ids=lambda kind: kind.name)
def test_a_negative_page_size_is_rejected_by_every_list(kind: Descriptor) -> None:
    request_type: Any = message_factory.GetMessageClass(kind)
    for asked in (-1, -(2**31)):
        found = {v.field: v.description for v in violations(request_type(page_size=asked))}
        assert found["page_size"] == f"must be at least 0, got {asked}"


def test_the_checker_supports_every_kind_of_field_that_requests_have() -> None:
    kinds = (FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
    seen: set[str] = set()

    def walk(message: Descriptor) -> None:
        if message.full_name in seen:
            return
        seen.add(message.full_name)
        for field in message.fields:
            assert field.type not in kinds, f"{field.full_name}: teach server/checking.py first"
            if field.message_type is not None:
                assert not field.message_type.GetOptions().map_entry, f"{field.full_name}: teach server/checking.py"
                walk(field.message_type)

    for service in (*PUBLIC, *INTERNAL):
        for method in descriptor_pool.Default().FindServiceByName(service.name).methods:
            walk(method.input_type)
    assert len(seen) > 10


def one_by_one(channel: Any, method: str, data: bytes) -> Any:
    """Sends bytes to a method of any kind, and returns its last response."""
    if method == UP:
        return channel.stream_unary(method)(iter([Request(group_id=new_id()).SerializeToString(), data]))
    if method == DOWN:
        return list(channel.unary_stream(method)(data))[-1]
    return channel.unary_unary(method)(data)


def deeply_nested() -> bytes:
    data = b""
    for _ in range(5000):
        data = b"\x12" + varint(len(data)) + data
    return data


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


MALFORMED = {
    "garbage": b"\xff\xff\xff\xff", "not UTF-8": b"\x0a\x04\xff\xfe\xfd\xfc", "cut off": b"\x0a\x24abc",
    "deep": deeply_nested(), "nothing": b"", "not a UUID": Request(group_id="x").SerializeToString(),
}  # fmt: skip


@pytest.mark.parametrize("method", [UNARY, DOWN, UP, "/grpc.health.v1.Health/Check"])
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bytes_are_an_invalid_argument_of_every_kind_of_method(
    shell: Shell, method: str, data: bytes
) -> None:
    theirs = method.startswith("/grpc.")
    if theirs and data in (MALFORMED["deep"], MALFORMED["nothing"], MALFORMED["not a UUID"]):
        pytest.skip("means something to health")
    with pytest.raises(grpc.RpcError) as raised:
        one_by_one(shell.channel, method, data)
    assert (decoded(raised.value).code, decoded(raised.value).reason) == (INVALID, "REQUEST_MALFORMED")


@pytest.mark.parametrize("method", [UNARY, DOWN, UP])
def test_unknown_fields_are_ignored(shell: Shell, method: str) -> None:
    known = Request(group_id=new_id()).SerializeToString()
    assert one_by_one(shell.channel, method, known + b"\xa2\x06\x03abc") == b""


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_size_limit_applies_after_decompression(shell: Shell, compression: grpc.Compression) -> None:
    bomb = Request(group_id="x" * 50_000_000).SerializeToString()
    with grpc.insecure_channel(shell.listener.address, compression=compression) as channel:
        call: Any = channel.unary_unary(UNARY)
        with pytest.raises(grpc.RpcError) as raised:
            call(bomb)
        assert decoded(raised.value).code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert call(Request(group_id=new_id()).SerializeToString()) == b""


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_a_response_that_cannot_be_serialized_is_a_defect(shell: Shell, method: str) -> None:
    async def answer(request: Request) -> object:
        return object()

    shell.probe.answer = answer
    with pytest.raises(grpc.RpcError) as raised:
        one_by_one(shell.channel, method, Request(group_id=new_id()).SerializeToString())
    assert (decoded(raised.value).code, decoded(raised.value).reason) == (grpc.StatusCode.INTERNAL, "DEFECT")
