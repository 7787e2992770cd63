"""ResolveIdentifiers: to which member each of many identifiers belongs, as of the call."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_pb2
from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from tests.support.calls import failure_of, new_id

Number = tuple[str, str]


@pytest.fixture
def members(server_channel: grpc.Channel) -> Any:
    return MemberServiceStub(server_channel)


def identifiers(*numbers: Number) -> list[member_pb2.Identifier]:
    return [member_pb2.Identifier(system=system, value=value) for system, value in numbers]


def stored(members: Any, *numbers: Number, member_id: str = "") -> str:
    """Stores a member with identifiers, which replace earlier ones."""
    member = member_pb2.Member(
        member_id=member_id or new_id(), kind=member_pb2.MEMBER_KIND_PERSON, identifiers=identifiers(*numbers)
    )
    members.UpsertMember(pb.UpsertMemberRequest(request_id=new_id(), member=member))
    return member.member_id


def resolve(members: Any, *numbers: Number, **more: Any) -> pb.ResolveIdentifiersResponse:
    request = pb.ResolveIdentifiersRequest(identifiers=identifiers(*numbers), **more)
    response: pb.ResolveIdentifiersResponse = members.ResolveIdentifiers(request)
    return response


def owners(members: Any, *numbers: Number) -> list[str]:
    """Returns the owners of the identifiers that have one, in order."""
    return [each.member_id for each in resolve(members, *numbers).resolved_identifiers]


def a_number(system: str = "payroll") -> Number:
    return system, new_id()


def test_each_identifier_is_reported_once_in_the_order_of_the_request(members: Any) -> None:
    first, second, badge, unknown = a_number(), a_number(), a_number("badge"), a_number()
    anna, ben = stored(members, first, badge), stored(members, second)
    response = resolve(members, badge, second, unknown, first, badge, unknown)
    assert [
        ((each.identifier.system, each.identifier.value), each.member_id) for each in response.resolved_identifiers
    ] == [(badge, anna), (second, ben), (first, anna)]
    assert [(each.system, each.value) for each in response.unknown_identifiers] == [unknown]


def test_systems_and_values_are_compared_exactly(members: Any) -> None:
    value = f"{new_id()}a"
    member_id = stored(members, ("payroll", value))
    others = [("payroll", value.upper()), ("Payroll", value), ("badge", value), ("payroll", f"{value} ")]
    assert owners(members, ("payroll", value)) == [member_id]
    assert owners(members, *others) == []


def test_the_current_owner_is_returned_immediately_after_a_write(members: Any) -> None:
    number = a_number()
    for _ in range(5):
        owner = stored(members, number)
        assert owners(members, number) == [owner]
        stored(members, member_id=owner)
        assert owners(members, number) == []


def test_after_a_merge_the_identifiers_of_both_records_belong_to_the_remaining_member(members: Any) -> None:
    number, other = a_number(), a_number()
    from_, into = stored(members, number), stored(members, other)
    request = pb.MergeMembersRequest(request_id=new_id(), from_member_id=from_, into_member_id=into, reason="twice")
    token = members.MergeMembers(request).consistency_token
    response = resolve(members, number, other, consistency_token=token)
    assert [each.member_id for each in response.resolved_identifiers] == [into, into]


def test_an_erased_member_has_no_identifiers(members: Any) -> None:
    number = a_number()
    member_id = stored(members, number)
    members.EraseMember(pb.EraseMemberRequest(request_id=new_id(), member_id=member_id))
    assert owners(members, number) == []


def test_one_to_a_thousand_complete_identifiers_are_accepted(members: Any) -> None:
    for numbers, field in (
        ([], "identifiers"),
        ([a_number() for _ in range(1001)], "identifiers"),
        ([a_number(), ("", "7")], "identifiers[1].system"),
        ([("payroll", "")], "identifiers[0].value"),
        ([("x" * 61, "7")], "identifiers[0].system"),
        ([("payroll", "7" * 101)], "identifiers[0].value"),
        ([("payroll", "7\0")], "identifiers[0].value"),
    ):
        request = pb.ResolveIdentifiersRequest(identifiers=identifiers(*numbers))
        failure = failure_of(members.ResolveIdentifiers, request)
        assert (failure.code, list(failure.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    numbers = [a_number() for _ in range(1000)]
    member_id = stored(members, *numbers[980:])
    response = resolve(members, *numbers)
    assert {each.member_id for each in response.resolved_identifiers} == {member_id}
    assert [(each.system, each.value) for each in response.unknown_identifiers] == numbers[:980]
