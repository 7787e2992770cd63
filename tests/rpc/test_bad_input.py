"""Bad input: one clear error with all violations, and nothing stored."""

from typing import Any

import grpc
import pytest
from google.protobuf import timestamp_pb2
from google.type import date_pb2

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, decoded, failure_of, new_id

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


def nothing_is_stored(family: Family) -> bool:
    request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key)
    return failure_of(family.queries.GetEnrollmentGroup, request).reason == "GROUP_UNKNOWN"


def test_all_violations_of_a_request_are_reported_together(family: Family) -> None:
    request = family.request(family.enroll("not-a-uuid", "2026-01-01"), family.enroll(family.base, "2026-01-01"))
    request.changes[0].enroll.days.last_on.CopyFrom(date_pb2.Date(year=2025, month=12, day=31))
    request.changes[1].enroll.membership_type = 99  # type: ignore[assignment]  # that is the fault
    request.changes[1].enroll.days.first_on.CopyFrom(date_pb2.Date(year=2026, month=2, day=30))
    request.changes.add()
    request.request_id = ""
    failure = failure_of(family.requests.SubmitChangeRequest, request)
    assert (failure.code, failure.reason) == (INVALID, "REQUEST_MALFORMED")
    assert set(failure.violations) == {
        "request_id",
        "changes[0].enroll.module_id",
        "changes[0].enroll.days.last_on",
        "changes[1].enroll.membership_type",
        "changes[1].enroll.days.first_on",
        "changes[2].change",
    }
    assert failure.violations["changes[1].enroll.days.first_on"] == "must be a valid date, got 2026-02-30"
    assert nothing_is_stored(family)


def test_ten_thousand_changes_are_too_many(family: Family) -> None:
    request = family.request(*[family.leave("2026-01-01")] * 10_000)
    failure = failure_of(family.requests.SubmitChangeRequest, request)
    assert failure.violations == {"changes": "must have at most 100 items, got 10000"}
    assert nothing_is_stored(family)


def test_a_request_without_content_names_what_is_required(family: Family) -> None:
    failure = failure_of(family.requests.SubmitChangeRequest, change_request_service_pb2.SubmitChangeRequestRequest())
    assert set(failure.violations) == {"request_id", "requester", "group", "changes"}


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\xff\xff\xff\xff", INVALID),
        (b"\x0a\x04\xff\xfe\xfd\xfc", INVALID),  # request_id that is not UTF-8
        (b"\x22" * 3, INVALID),
        (b"", INVALID),
    ],
)
def test_bytes_that_cannot_be_parsed_are_an_invalid_argument(
    server_channel: grpc.Channel, garbage: bytes, status: grpc.StatusCode
) -> None:
    call: Any = server_channel.unary_unary("/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest")
    with pytest.raises(grpc.RpcError) as raised:
        call(garbage)
    assert decoded(raised.value).code == status


def test_deep_nesting_is_rejected(family: Family) -> None:
    condition = condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, min_years=1))
    for _ in range(40):
        condition = condition_pb2.Condition(negation=condition)
    contract = family.contract()
    contract.contract_id = new_id()
    contract.versions[0].rules.add(code="DEEP", condition=condition)
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    failure = failure_of(family.catalog.PublishContract, request)
    assert failure.code == INVALID
    assert any("must not nest deeper than 16 levels" in text for text in failure.violations.values())


def test_control_characters_are_rejected(family: Family) -> None:
    change = family.leave("2026-01-01")
    change.note = "no\0thing"
    failure = failure_of(family.requests.SubmitChangeRequest, family.request(change))
    assert failure.violations == {"changes[0].note": "must not contain control characters"}


def test_a_message_above_the_limit_is_rejected_before_it_is_parsed(family: Family) -> None:
    change = family.leave("2026-01-01")
    change.note = "x" * 2_000_000
    assert failure_of(family.requests.SubmitChangeRequest, family.request(change)).code == (
        grpc.StatusCode.RESOURCE_EXHAUSTED
    )


def test_an_unknown_contract_or_member_is_not_found(family: Family) -> None:
    elsewhere = enrollment_group_pb2.GroupKey(contract_id=new_id(), primary_id=family.primary)
    unknown_contract = family.request(family.leave("2026-01-01"), group=elsewhere)
    failure = failure_of(family.requests.SubmitChangeRequest, unknown_contract)
    assert (failure.code, failure.reason) == (NOT_FOUND, "CONTRACT_UNKNOWN")
    assert failure.facts == {"contract_id": elsewhere.contract_id}

    enroll = family.enroll(family.base, "2026-01-01", child=True)
    enroll.enroll.member_id = new_id()
    failure = failure_of(family.requests.SubmitChangeRequest, family.request(enroll))
    assert (failure.code, failure.reason) == (NOT_FOUND, "MEMBER_UNKNOWN")
    assert nothing_is_stored(family)


def test_a_module_of_another_contract_is_not_offered(family: Family, server_channel: grpc.Channel) -> None:
    other = Family(server_channel).set_up()
    answer = family.submit(family.enroll(other.base, "2026-01-01"))
    assert [v.code for v in answer.change_request.violations] == [change_request_pb2.VIOLATION_CODE_NOT_OFFERED]


def test_only_an_admin_with_a_reason_can_override_and_only_rules(family: Family) -> None:
    by_member = family.request(family.leave("2026-01-01"), overridden_rules=["ADULT"])
    assert set(failure_of(family.requests.SubmitChangeRequest, by_member).violations) == {"overridden_rules"}
    by_admin = family.request(family.leave("2026-01-01"), requester=admin(reason=" "), overridden_rules=["NOT_OFFERED"])
    assert set(failure_of(family.requests.SubmitChangeRequest, by_admin).violations) == {
        "requester.reason",
        "overridden_rules[0]",
    }


def test_a_request_of_a_member_must_come_from_the_primary(family: Family) -> None:
    request = family.request(family.leave("2026-01-01"))
    request.requester.requester_id = family.child
    assert set(failure_of(family.requests.SubmitChangeRequest, request).violations) == {"requester.requester_id"}


def test_every_fault_of_a_contradictory_contract_is_reported(family: Family) -> None:
    contract = family.contract()
    contract.contract_id = new_id()
    contract.time_zone = "Mars/Olympus"
    contract.country_code = "XX"
    version = contract.versions[0]
    enrolled = condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_SELF, module_ids=[new_id()])
    negated = condition_pb2.Condition(negation=condition_pb2.Condition(enrolled_on=enrolled))
    version.rules.add(code="NOT_OFFERED", condition=negated)
    version.modules.append(version.modules[0])
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    failure = failure_of(family.catalog.PublishContract, request)
    assert failure.code == INVALID
    assert set(failure.violations) == {
        "contract.time_zone",
        "contract.country_code",
        "contract.versions[0].modules[3].module_id",
        "contract.versions[0].rules[0].code",
        "contract.versions[0].rules[0].condition.negation.enrolled_on",
        "contract.versions[0].rules[0].condition.negation.enrolled_on.module_ids[0]",
    }
    unknown = catalog_service_pb2.GetContractRequest(contract_id=contract.contract_id)
    assert failure_of(family.catalog.GetContract, unknown).reason == "CONTRACT_UNKNOWN"


def test_facts_with_overlapping_days_are_rejected(family: Family) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary)
    for first in ("2025-01-01", "2026-01-01"):
        request.addresses.items.add(days=span(first, None), country_code="FR", postal_code="67000")
    request.addresses.items.add(days=span(None, "2020-01-01"), country_code="XX")
    failure = failure_of(family.members.RecordFacts, request)
    assert set(failure.violations) == {"addresses.items[1].days", "addresses.items[2].country_code"}


def test_the_first_and_last_days_of_the_calendar_are_accepted(family: Family) -> None:
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary)
    request.addresses.items.add(days=span("0001-01-01", "9999-12-31"), country_code="FR")
    family.members.RecordFacts(request)
    found = family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=family.primary))
    assert found.facts.addresses[0].days == span("0001-01-01", "9999-12-31")
    family.submit(family.enroll(family.base, "2026-01-01", "9999-12-31"))
    assert family.group().periods[0].days == span("2026-01-01", "9999-12-31")
    family.submit(family.enroll(family.base, "2026-01-01"))
    switched = family.submit(family.enroll(family.plus, "2027-01-01", "9999-12-31")).group
    assert [period.days for period in switched.periods if period.module_id == family.base] == [
        span("2026-01-01", "2026-12-31")
    ]


@pytest.mark.parametrize("token", ["garbage", "AAAA", "a" * 900, "é", "\U0001f600"])
def test_a_forged_token_is_an_invalid_argument(family: Family, token: str) -> None:
    request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=family.contract_id, page_token=token)
    failure = failure_of(family.queries.ListEnrollmentGroups, request)
    assert (failure.code, failure.reason) == (INVALID, "TOKEN_INVALID")
    read = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key, consistency_token=token)
    assert failure_of(family.queries.GetEnrollmentGroup, read).reason == "TOKEN_INVALID"


def test_an_instant_in_the_future_is_rejected(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    future = timestamp_pb2.Timestamp(seconds=4_000_000_000)
    request: Any = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key, instant=future)
    assert set(failure_of(family.queries.GetEnrollmentGroup, request).violations) == {"instant"}


def test_a_malformed_today_is_rejected(family: Family) -> None:
    request = family.request(family.leave("2026-01-01"))
    failure = failure_of(family.requests.SubmitChangeRequest, request, metadata=(("x-affilia-today", "yesterday"),))
    assert set(failure.violations) == {"x-affilia-today"}


def test_unknown_enum_numbers_are_rejected_in_every_field(family: Family) -> None:
    member = member_pb2.Member(member_id=new_id(), kind=77)  # type: ignore[arg-type]  # that is the fault
    request = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
    assert failure_of(family.members.UpsertMember, request).violations == {
        "member.kind": "must be a value of MemberKind, got 77"
    }
