"""Erasing a member: their facts are gone, and what the histories of others depend on stays."""

import os
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_group_pb2, enrollment_query_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from affilia.type.v1 import membership_type_pb2
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import ADULT_RULE, Failure, Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.searching import tables_with

NAME = "Melusine Unverwechselbar"
NOTE = "moved to her aunt Hildegard"
BORN = "2015-06-01"


def erase(family: Family, member_id: str, **more: Any) -> member_service_pb2.EraseMemberResponse:
    return family.members.EraseMember(
        member_service_pb2.EraseMemberRequest(request_id=more.get("request_id", new_id()), member_id=member_id)
    )


def failed(family: Family, member_id: str) -> Failure:
    request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=member_id)
    return failure_of(family.members.EraseMember, request)


@pytest.fixture
def parted(family: Family) -> Family:
    """A family whose child was covered in the spring of 2026, with a name and a note; the primary is still covered."""
    member = member_pb2.Member(member_id=family.child, kind=member_pb2.MEMBER_KIND_PERSON, display_name=NAME)
    family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
    spring = family.enroll(family.base, "2026-03-01", "2026-05-31", child=True)
    spring.note = NOTE
    family.submit(family.enroll(family.base, "2026-01-01"), spring)
    return family


def test_a_member_who_is_covered_today_or_later_is_not_erased(parted: Family) -> None:
    assert failed(parted, parted.primary).reason == "MEMBER_STILL_COVERED"
    assert failed(parted, new_id()).reason == "MEMBER_UNKNOWN"
    parted.submit(parted.enroll(parted.base, "2027-01-01", child=True))
    assert failed(parted, parted.child).reason == "MEMBER_STILL_COVERED"
    shown = parted.members.GetMember(member_service_pb2.GetMemberRequest(member_id=parted.child))
    assert shown.member.display_name == NAME


def test_facts_of_an_erased_member_are_gone_as_of_any_instant_and_periods_stay(parted: Family) -> None:
    before = parted.members.GetMember(member_service_pb2.GetMemberRequest(member_id=parted.child)).member.recorded_at
    group, request_id = parted.group(), new_id()
    answer = erase(parted, parted.child, request_id=request_id)
    assert answer.groups_closed == 1
    assert erase(parted, parted.child, request_id=request_id).erased_on == answer.erased_on
    assert erase(parted, parted.child).erased_on == answer.erased_on
    for as_of in (None, before):
        shown = parted.members.GetMember(member_service_pb2.GetMemberRequest(member_id=parted.child, as_of=as_of))
        assert shown.member.display_name == ""
        assert shown.member.erased_on == answer.erased_on
        assert shown.facts == member_pb2.MemberFacts()
    assert parted.group() == group
    asked = change_request_service_pb2.ListChangeRequestsRequest(group_id=group.group_id)
    assert NOTE not in str(parted.requests.ListChangeRequests(asked))


def test_the_past_of_the_group_is_closed_and_its_future_open(parted: Family) -> None:
    erase(parted, parted.child)
    group = parted.group()
    contract = parted.contract()
    rule = contract.versions[0].modules[0].rules.add()
    rule.CopyFrom(ADULT_RULE)
    rule.code = "ADULTS_ONLY"
    parted.amend(contract)
    asked = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=group.group_id)
    parted.requests.RequestRecompute(asked)
    later = parted.submit(parted.enroll(parted.plus, "2027-01-01"))
    assert [p for p in later.group.periods if p.member_id == parted.child] == [
        p for p in group.periods if p.member_id == parted.child
    ]
    assert {p.module_id for p in later.group.periods if p.member_id == parted.primary} == {parted.base, parted.plus}
    refused = failure_of(
        parted.requests.SubmitChangeRequest, parted.request(parted.enroll(parted.plus, "2026-02-01", "2026-02-28"))
    )
    assert (refused.reason, refused.facts["member_id"]) == ("MEMBER_ERASED", parted.child)


def test_no_change_fact_or_price_is_accepted_for_an_erased_member(parted: Family) -> None:
    erase(parted, parted.child)
    member = member_pb2.Member(member_id=parted.child, kind=member_pb2.MEMBER_KIND_PERSON, display_name="again")
    upsert = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
    facts = member_service_pb2.RecordFactsRequest(
        request_id=new_id(), member_id=parted.child, birth=member_pb2.Birth(born_on=date(BORN))
    )
    again = parted.request(parted.enroll(parted.base, "2027-01-01", child=True))
    simulated = change_request_service_pb2.SimulateChangeRequestRequest(
        requester=again.requester, group=again.group, changes=again.changes
    )
    costs: Any = CostProviderServiceStub(parted.channel)
    policy = insurance_cost_pb2.Policy(key=parted.key)
    spring = cost_provider_service_pb2.GetInsuranceCostRequest(
        inquiry=insurance_cost_pb2.CostInquiry(on=date("2026-04-01"), policy=policy)
    )
    for call, request in (
        (parted.members.UpsertMember, upsert),
        (parted.members.RecordFacts, facts),
        (parted.requests.SubmitChangeRequest, again),
        (parted.requests.SimulateChangeRequest, simulated),
        (costs.GetInsuranceCost, spring),
    ):
        refused = failure_of(call, request)
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MEMBER_ERASED")


def test_an_erasure_makes_no_revision_and_no_event(parted: Family) -> None:
    listed = enrollment_query_service_pb2.ListRevisionsRequest(group_id=parted.group().group_id)
    before = parted.queries.ListRevisions(listed)
    erase(parted, parted.child)
    assert parted.queries.ListRevisions(listed) == before


@pytest.mark.skipif("AFFILIA_TEST_DATABASE_URL" in os.environ, reason="looks into an embedded database of its own")
def test_no_table_holds_an_erased_name_note_or_birthday(tmp_path: Any) -> None:
    server = ServerProcess(tmp_path)
    embedded = EmbeddedPostgres.start(tmp_path)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        member = member_pb2.Member(member_id=family.child, kind=member_pb2.MEMBER_KIND_PERSON, display_name=NAME)
        family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        spring = family.enroll(family.base, "2026-03-01", "2026-05-31", child=True)
        spring.note = NOTE
        family.submit(family.enroll(family.base, "2026-01-01"), spring)
        assert set(tables_with(embedded.url, NAME, NOTE, BORN)) == {NAME, NOTE, BORN}
        erase(family, family.child)
        assert tables_with(embedded.url, NAME, NOTE, BORN) == {}
    server.stop()
    embedded.stop()


# ------------------------------------------------------------------------------------- what a second reader broke


def recomputed(family: Family) -> None:
    group = family.group()
    asked = change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), group_id=group.group_id)
    family.requests.RequestRecompute(asked)


def of_child(family: Family, group: enrollment_group_pb2.EnrollmentGroup) -> list[Any]:
    return [period for period in group.periods if period.member_id == family.child]


def test_erasing_a_birthday_does_not_restore_coverage_that_an_age_rule_ended(family: Family) -> None:
    contract = family.contract()
    rule = contract.versions[0].rules.add(code="NOT_GROWN")
    rule.applies_to.append(membership_type_pb2.MEMBERSHIP_TYPE_CHILD)
    rule.condition.age.CopyFrom(condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=11))
    family.amend(contract)
    family.submit(
        family.enroll(family.base, "2026-01-01"),
        family.enroll(family.base, "2026-01-01", child=True),
        requester=admin(),
    )
    before = of_child(family, family.group())
    erase(family, family.child)
    for wider in (contract, family.contract()):
        family.amend(wider)
        recomputed(family)
        after = family.submit(family.enroll(family.option, "2027-01-01"), requester=admin()).group
        assert of_child(family, after) == before


def test_nobody_can_be_enrolled_under_an_erased_primary(family: Family) -> None:
    contract = family.contract()
    family.submit(
        family.enroll(family.base, "2026-01-01", "2026-05-31"),
        family.enroll(family.option, "2026-01-01", "2026-05-31"),
        requester=admin(),
    )
    before = family.group().periods
    erase(family, family.primary)
    family.amend(contract)
    refused = failure_of(
        family.requests.SubmitChangeRequest,
        family.request(family.enroll(family.base, "2027-01-01", child=True), requester=admin()),
    )
    assert refused.reason == "MEMBER_ERASED"
    assert family.group().periods == before


def test_rejected_requests_lose_their_notes(family: Family) -> None:
    change = family.enroll(family.option, "2026-03-01", child=True)
    change.note = NOTE
    family.submit(family.enroll(family.base, "2026-01-01", "2026-05-31"))
    asked = family.submit(change, requester=admin("because of her aunt Hildegard")).change_request
    assert asked.violations
    erase(family, family.child)
    got = change_request_service_pb2.GetChangeRequestRequest(change_request_id=asked.change_request_id)
    stored = family.requests.GetChangeRequest(got).change_request
    assert (stored.changes[0].note, stored.requester.reason) == ("", "")


def test_reasons_of_requests_for_the_group_of_an_erased_primary_are_gone(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01", "2026-05-31"), requester=admin("hers alone"))
    only_child = family.submit(
        family.enroll(family.base, "2026-02-01", "2026-05-31", child=True), requester=admin("hers alone, too")
    ).change_request
    erase(family, family.primary)
    got = change_request_service_pb2.GetChangeRequestRequest(change_request_id=only_child.change_request_id)
    assert family.requests.GetChangeRequest(got).change_request.requester.reason == ""


def test_there_are_no_choices_for_an_erased_member(parted: Family) -> None:
    erase(parted, parted.child)
    asked = change_request_service_pb2.ListAvailableChoicesRequest(
        key=parted.key, member_id=parted.child, on=date("2027-01-01")
    )
    assert failure_of(parted.requests.ListAvailableChoices, asked).reason == "MEMBER_ERASED"
