"""Merges while servers run: who notices them when, in which streams, and what members can see with which token."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.eligibility.v1 import eligibility_check_service_pb2 as checks_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.history.v1 import history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import failure_of, new_id
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, NOW, SNAPSHOT, Filter, next_events, watching
from tests.support.guarded import application_url
from tests.support.identities import FLAGS, VARIABLES, as_, channel_of
from tests.support.merging import BOSS, Story, doubled_family, merged_family, store_merge
from tests.support.waiting import wait_until

NOT_ALLOWED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")


@pytest.fixture
def doubled(tmp_path: Any) -> Iterator[Story]:
    with doubled_family(tmp_path) as story:
        yield story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with merged_family(tmp_path_factory.mktemp("merged")) as merged:
        yield merged


def covered(checks: Any, member_id: str, token: str = "") -> tuple[bool, str]:
    check = checks_pb.EligibilityCheck(member_id=member_id, date=date("2026-08-01"))
    answer = checks.CheckEligibility(checks_pb.CheckEligibilityRequest(check=check, consistency_token=token))
    return answer.covered, answer.merged_into


def test_every_server_resolves_a_merged_id_at_the_latest_with_the_token_of_the_merge(
    doubled: Story, tmp_path: Any
) -> None:
    url = application_url(doubled.owner_url)
    other = ServerProcess(
        tmp_path / "other", *FLAGS, "--database-url", url, "--migration-url", doubled.owner_url, environment=VARIABLES
    )
    try:
        with connected_to(other.address) as channel:
            checks, child = EligibilityCheckServiceStub(channel_of(channel, BOSS)), doubled.insured.family.child
            assert covered(checks, doubled.old_child, doubled.token) == (True, "")
            assert covered(checks, child, doubled.token) == (False, "")
            doubled.merge()
            assert covered(checks, doubled.old_child, doubled.token) == (True, child)
            assert covered(doubled.insured.checks, doubled.old_child, doubled.token) == (True, child)
            store_merge(doubled.owner_url, child, doubled.insured.family.primary)
            primary = doubled.insured.family.primary
            wait_until(lambda: covered(checks, doubled.old_child)[1] == primary, "the merge was noticed")
    finally:
        other.stop()


def test_an_open_subscription_with_the_merged_id_receives_the_events_of_the_other_member(doubled: Story) -> None:
    family = doubled.insured.family
    alone = new_id()
    family.store(alone)
    mine = Filter(contract_ids=[family.contract_id], member_ids=[alone])
    with watching(family.channel, NOW, mine) as call, watching(family.channel, NOW, mine) as unused:
        first = next(call)
        next(unused)
        store_merge(doubled.owner_url, alone, family.child)
        family.submit(family.enroll(family.base, "2026-01-01", "2026-07-31", child=True))
        message = next(each for each in call if each.events)
    assert not first.merged_members
    assert [(each.member_id, each.merged_into) for each in message.merged_members] == [(alone, family.child)]
    assert family.child in {each.member_id for each in message.events[0].policy_revision.differences}
    family.submit(family.enroll(family.base, "2026-01-01", "2026-08-31", child=True))
    for start in (message.resume_token, first.resume_token):
        with watching(family.channel, start, mine) as call:
            event = next_events(call, 1)[-1]
            assert family.child in {each.member_id for each in event.policy_revision.differences}


def test_a_subscription_with_the_merged_id_also_returns_the_events_that_name_it(story: Story) -> None:
    family = story.insured.family
    mine = Filter(contract_ids=[family.contract_id], member_ids=[story.old_child])
    with watching(family.channel, BEGINNING, mine) as call:
        events = next_events(call, 3)
    named = [{each.member_id for each in event.policy_revision.differences} for event in events]
    assert story.old_child in named[1]
    assert {story.old_child, family.child} <= named[2]
    with watching(family.channel, SNAPSHOT, mine) as call:
        first = next(call)
        groups = list(first.groups)
    assert [group.group_id for group in groups] == [story.insured.group_id]


# -------------------------------------------------------------------------------------------- tokens of members


def test_the_token_of_a_merged_member_is_one_of_the_other_member(story: Story) -> None:
    family = story.insured.family
    mine = channel_of(story.public, as_("member", story.old_primary))
    request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(group_id=story.insured.group_id)
    assert EnrollmentQueryServiceStub(mine).GetEnrollmentGroup(request).group.key.primary_id == family.primary
    for member_id in (story.old_primary, family.primary):
        asked = member_service_pb2.GetMemberRequest(member_id=member_id)
        for token in (story.old_primary, family.primary):
            members = MemberServiceStub(channel_of(story.public, as_("member", token)))
            assert members.GetMember(asked).member.member_id == family.primary
    for requester_id in ("", story.old_primary, family.primary):
        requester = change_request_pb2.Requester(
            role=change_request_pb2.REQUESTER_ROLE_MEMBER, requester_id=requester_id
        )
        submitted = ChangeRequestServiceStub(mine).SubmitChangeRequest(
            family.request(family.enroll(family.plus, "2027-01-01"), requester=requester)
        )
        assert submitted.change_request.requester.requester_id == family.primary
        assert submitted.change_request.actor.subject == story.old_primary


def test_the_token_of_a_merged_member_names_the_id_to_write_with(story: Story) -> None:
    family = story.insured.family
    mine = ChangeRequestServiceStub(channel_of(story.public, as_("member", story.old_primary)))
    requester = change_request_pb2.Requester(role=change_request_pb2.REQUESTER_ROLE_MEMBER)
    request = family.request(family.enroll(family.plus, "2027-01-01"), requester=requester)
    request.group.primary_id = story.old_primary
    failure = failure_of(mine.SubmitChangeRequest, request)
    assert (failure.reason, failure.facts["merged_into"]) == ("MEMBER_MERGED", family.primary)


@pytest.mark.parametrize("whose", ["child", "old_child", "stranger", "unknown"])
def test_members_can_see_no_one_else_by_any_id(story: Story, whose: str) -> None:
    family = story.insured.family
    stranger = new_id()
    family.store(stranger)
    other = {"child": family.child, "old_child": story.old_child, "stranger": stranger, "unknown": new_id()}[whose]
    for token in (story.old_primary, family.primary):
        members = MemberServiceStub(channel_of(story.public, as_("member", token)))
        found = failure_of(members.GetMember, member_service_pb2.GetMemberRequest(member_id=other))
        assert (found.code, found.reason) == NOT_ALLOWED
    for token in (stranger, family.child, story.old_child):
        for member_id in (story.old_primary, family.primary, new_id()):
            members = MemberServiceStub(channel_of(story.public, as_("member", token)))
            found = failure_of(members.GetMember, member_service_pb2.GetMemberRequest(member_id=member_id))
            assert (found.code, found.reason) == NOT_ALLOWED
            key = enrollment_group_pb2.GroupKey(contract_id=family.contract_id, primary_id=member_id)
            asked = change_request_service_pb2.ListAvailableChoicesRequest(
                key=key, member_id=token, on=date("2026-03-01")
            )
            choices = ChangeRequestServiceStub(channel_of(story.public, as_("member", token))).ListAvailableChoices
            assert failure_of(choices, asked).reason == "NOT_ALLOWED"


# ---------------------------------------------------------------------------------------- searches, lists, history


def test_merged_members_are_found_by_id_and_identifier_only_and_omitted_from_lists(doubled: Story) -> None:
    family, word = doubled.insured.family, "w" + new_id().replace("-", "")
    members: Any = family.members

    def put(member_id: str, name: str, *values: str) -> str:
        member = member_pb2.Member(
            member_id=member_id,
            kind=member_pb2.MEMBER_KIND_PERSON,
            display_name=name,
            identifiers=[member_pb2.Identifier(system="EMPLOYEE", value=value) for value in values],
        )
        request = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
        return str(members.UpsertMember(request).consistency_token)

    put(family.child, f"Anna {word}")
    put(doubled.old_child, f"Ann {word}", f"E{word}")

    def found(query: str) -> list[str]:
        request = member_service_pb2.SearchMembersRequest(query=query, consistency_token=token)
        return [hit.member.member_id for hit in members.SearchMembers(request).hits]

    token = put(doubled.old_child, f"Ann {word}")  # merging moves the identifier
    token = put(family.child, f"Anna {word}", f"E{word}")
    assert set(found(word)) == {family.child, doubled.old_child}
    doubled.merge()
    token = doubled.token
    assert found(word) == [family.child]
    assert found(f"ann {word}") == [family.child]
    assert found(f"E{word}") == [family.child]
    assert found(doubled.old_child) == found(doubled.old_child.upper()) == [family.child]
    assert set(found(doubled.insured.group_id)) == {family.primary, family.child}
    request = member_service_pb2.SearchMembersRequest(query=doubled.old_child, consistency_token=token)
    reported = members.SearchMembers(request).merged_members
    assert [(each.member_id, each.merged_into) for each in reported] == [(doubled.old_child, family.child)]
    by_contract = member_service_pb2.SearchMembersRequest(query=word, contract_id=family.contract_id)
    assert [hit.member.member_id for hit in members.SearchMembers(by_contract).hits] == [family.child]
    listed = {each.member_id for each in members.ListMembers(member_service_pb2.ListMembersRequest()).members}
    assert listed.isdisjoint(doubled.old.values())
    assert listed >= set(doubled.old)


def test_the_history_of_a_member_includes_that_of_merged_records(story: Story) -> None:
    family = story.insured.family
    history = HistoryServiceStub(family.channel)

    def entries(member_id: str) -> list[Any]:
        return list(history.ListHistory(history_service_pb2.ListHistoryRequest(member_id=member_id)).entries)

    assert entries(story.old_child) == entries(family.child)
    assert {story.old_child, family.child} <= {each.member_id for each in entries(family.child)}


def test_pages_continue_across_a_merge(doubled: Story) -> None:
    family = doubled.insured.family
    history = HistoryServiceStub(family.channel)
    request = history_service_pb2.ListHistoryRequest(member_id=doubled.old_child, page_size=1)
    first = history.ListHistory(request)
    doubled.merge()
    request.page_token = first.next_page_token
    assert history.ListHistory(request).merged_into == family.child
