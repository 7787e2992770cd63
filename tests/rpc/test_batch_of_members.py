"""BatchGetMembers: many members in one call, in responses that clients accept."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_pb2
from affilia.catalog.v1 import member_service_pb2 as pb
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from server.mapping.paging import MAX_PAGE_BYTES
from tests.scenarios.enrollment_messages import date
from tests.support.calls import days, failure_of, new_id

DEFAULT_LIMIT = 4 * 1024 * 1024


@pytest.fixture
def members(server_channel: grpc.Channel) -> Any:
    return MemberServiceStub(server_channel)


def stored(members: Any, **facts: Any) -> str:
    """Stores a member, with facts of one kind if any are given."""
    member = member_pb2.Member(member_id=new_id(), kind=member_pb2.MEMBER_KIND_PERSON)
    members.UpsertMember(pb.UpsertMemberRequest(request_id=new_id(), member=member))
    if facts:
        members.RecordFacts(pb.RecordFactsRequest(request_id=new_id(), member_id=member.member_id, **facts))
    return member.member_id


def batch(members: Any, *member_ids: str) -> pb.BatchGetMembersResponse:
    found: pb.BatchGetMembersResponse = members.BatchGetMembers(pb.BatchGetMembersRequest(member_ids=member_ids))
    return found


def ids_of(response: pb.BatchGetMembersResponse) -> list[str]:
    return [each.member.member_id for each in response.members]


def test_members_are_returned_as_single_reads_return_them_in_the_requested_order(members: Any) -> None:
    birth = member_pb2.Birth(born_on=date("1980-06-01"))
    ids = [stored(members, birth=birth), stored(members), stored(members, birth=birth)]
    response = batch(members, *reversed(ids))
    assert ids_of(response) == ids[::-1]
    for each in response.members:
        single = members.GetMember(pb.GetMemberRequest(member_id=each.member.member_id))
        assert (each.member, each.facts) == (single.member, single.facts)


def test_unknown_and_repeated_ids_are_reported_once(members: Any) -> None:
    known, unknown = stored(members), new_id()
    response = batch(members, unknown, known, unknown, known, known.upper())
    assert (ids_of(response), list(response.unknown_member_ids)) == ([known], [unknown])
    assert not response.omitted_member_ids


def test_an_erased_member_is_returned_without_data(members: Any) -> None:
    member_id = stored(members, birth=member_pb2.Birth(born_on=date("1980-06-01")))
    members.EraseMember(pb.EraseMemberRequest(request_id=new_id(), member_id=member_id))
    (found,) = batch(members, member_id).members
    assert found.member.HasField("erased_on")
    assert found.facts == member_pb2.MemberFacts()


def test_one_to_a_thousand_valid_ids_are_accepted(members: Any) -> None:
    for ids, field in (
        ([], "member_ids"),
        ([new_id() for _ in range(1001)], "member_ids"),
        ([new_id(), "x"], "member_ids[1]"),
        ([""], "member_ids[0]"),
    ):
        failure = failure_of(members.BatchGetMembers, pb.BatchGetMembersRequest(member_ids=ids))
        assert (failure.code, list(failure.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    unknown = [new_id() for _ in range(1000)]
    assert list(batch(members, *unknown).unknown_member_ids) == unknown


def test_members_that_do_not_fit_are_listed_and_can_be_requested_again(members: Any) -> None:
    items = [member_pb2.Attribute(days=days("2026-01-01"), name=f"N{n:03}", value="\u793e" * 200) for n in range(500)]
    large = [stored(members, attributes=member_pb2.Attributes(items=items)) for _ in range(14)]
    unknown, left, sizes = new_id(), list(large), []
    while left:
        response = batch(members, unknown, *left)
        assert response.ByteSize() < DEFAULT_LIMIT
        assert list(response.unknown_member_ids) == [unknown]
        assert ids_of(response)
        assert ids_of(response) + list(response.omitted_member_ids) == left
        left = list(response.omitted_member_ids)
        sizes.append(response.ByteSize())
    assert all(size > MAX_PAGE_BYTES // 2 for size in sizes[:-1])
    assert len(sizes) > 1
