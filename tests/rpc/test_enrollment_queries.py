"""Reading enrollments: as of now, a revision or an instant; differences; page by page."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.protobuf import timestamp_pb2

from affilia.catalog.v1.catalog_service_pb2 import GetContractRequest
from affilia.catalog.v1.member_service_pb2 import GetMemberRequest
from affilia.enrollment.v1 import enrollment_group_pb2, enrollment_query_service_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.shifted_clock import make_shiftable, present, set_ahead


def test_a_group_is_the_same_by_id_and_by_contract_and_primary(family: Family) -> None:
    group = family.submit(family.enroll(family.base, "2026-01-01")).group
    by_id = enrollment_query_service_pb2.GetEnrollmentGroupRequest(group_id=group.group_id.upper())
    assert family.queries.GetEnrollmentGroup(by_id).group == group == family.group()


def test_answers_as_of_a_revision_or_instant_never_change(family: Family) -> None:
    first = family.submit(family.enroll(family.base, "2026-01-01")).group
    second = family.submit(family.enroll(family.plus, "2026-07-01")).group
    before_all = timestamp_pb2.Timestamp(seconds=first.recorded_at.seconds - 3600)
    for _ in range(2):
        assert family.group(revision=1) == first
        assert family.group(instant=first.recorded_at) == first
        assert family.group(revision=2) == family.group(instant=second.recorded_at) == second
        assert family.group(revision=0).periods == family.group(instant=before_all).periods == []
        family.submit(family.leave("2026-03-01"))


def test_an_instant_that_has_only_just_passed_is_final(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    for month in range(2, 8):
        instant = timestamp_pb2.Timestamp()
        instant.FromNanoseconds(time.time_ns() - 2_000_000)
        seen = family.group(instant=instant)
        family.submit(family.enroll(family.plus if month % 2 else family.base, f"2026-{month:02}-01"))
        assert family.group(instant=instant) == seen


def test_a_clock_that_is_set_back_changes_no_answer_as_of_an_instant(own_database_url: str, tmp_path: Path) -> None:
    """Reads a group, a list of groups, a contract and a member as of an instant that the clock has shown before."""
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        make_shiftable(connection)
        server = ServerProcess(tmp_path, "--database-url", own_database_url)
        with connected_to(server.address) as channel:
            family = Family(channel).set_up()
            another = Family(channel, family.contract_id, family.base, family.plus, family.option)
            family.submit(family.enroll(family.base, "2026-01-01"))
            instant = timestamp_pb2.Timestamp()
            instant.FromDatetime(present(connection) - timedelta(milliseconds=1))

            def seen() -> list[Any]:
                listed = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(
                    contract_id=family.contract_id, instant=instant
                )
                return [
                    family.group(instant=instant),
                    family.queries.ListEnrollmentGroups(listed),
                    family.catalog.GetContract(GetContractRequest(contract_id=family.contract_id, as_of=instant)),
                    family.members.GetMember(GetMemberRequest(member_id=family.primary, as_of=instant)),
                ]

            before = seen()
            set_ahead(connection, timedelta(minutes=-10))
            family.submit(family.enroll(family.plus, "2027-01-01"))
            family.born(family.primary, "1981-06-01")
            family.amend(family.contract())
            another.store(another.primary)
            another.born(another.primary, "1980-06-01")
            another.submit(another.enroll(another.base, "2026-01-01"), requester=admin())
            assert seen() == before
            assert another.group().recorded_at.ToNanoseconds() > instant.ToNanoseconds()
            assert another.group(instant=another.group().recorded_at) == another.group()
        server.stop()


def test_an_unknown_group_or_revision_is_not_found(family: Family) -> None:
    unknown = enrollment_query_service_pb2.GetEnrollmentGroupRequest(group_id=new_id())
    failure = failure_of(family.queries.GetEnrollmentGroup, unknown)
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "GROUP_UNKNOWN")
    family.submit(family.enroll(family.base, "2026-01-01"))
    later = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key, revision=2)
    failure = failure_of(family.queries.GetEnrollmentGroup, later)
    assert (failure.reason, failure.facts["revision"]) == ("REVISION_UNKNOWN", "2")


def test_only_periods_that_overlap_a_span_are_returned_uncut(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"), family.enroll(family.plus, "2026-07-01"))
    group = family.group(touching=span("2026-06-30", "2026-06-30"))
    assert [(p.module_id, p.days) for p in group.periods] == [(family.base, span("2026-01-01", "2026-06-30"))]
    assert len(family.group(touching=span("2026-06-30", None)).periods) == 2
    assert len(family.group(touching=span(None, "2025-12-31")).periods) == 0


def test_revisions_are_listed_with_causes_and_what_they_mean(family: Family) -> None:
    first = family.submit(family.enroll(family.base, "2026-01-01"))
    last = family.submit(family.leave("2026-01-01"))
    request = enrollment_query_service_pb2.ListRevisionsRequest(group_id=first.group.group_id, page_size=1)
    page = family.queries.ListRevisions(request)
    (revision,) = page.revisions
    assert revision.cause.change_request_id == first.change_request.change_request_id
    assert revision.event == enrollment_group_pb2.POLICY_EVENT_ACTIVATED
    request.page_token = page.next_page_token
    (revision,) = family.queries.ListRevisions(request).revisions
    assert revision.revision == 2
    assert revision.cause.change_request_id == last.change_request.change_request_id
    assert revision.event == enrollment_group_pb2.POLICY_EVENT_TERMINATED


def test_differences_report_what_changed_for_each_enrollment(family: Family) -> None:
    group_id = family.submit(family.enroll(family.base, "2026-01-01")).group.group_id
    family.submit(family.enroll(family.plus, "2026-07-01"))
    family.submit(family.enroll(family.base, "2026-07-01"))

    def kinds_between(first: int, last: int) -> dict[str, list[str]]:
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group_id, from_revision=first, to_revision=last
        )
        return {
            d.module_id: [enrollment_group_pb2.DifferenceKind.Name(k)[len("DIFFERENCE_KIND_") :] for k in d.kinds]
            for d in family.queries.DiffRevisions(request).differences
        }

    assert kinds_between(0, 1) == {family.base: ["STARTED"]}
    assert kinds_between(1, 2) == {family.base: ["TERMINATED"], family.plus: ["STARTED"]}
    assert kinds_between(2, 3) == {family.base: ["EXTENDED", "REINSTATED"], family.plus: ["CANCELLED"]}
    assert kinds_between(1, 3) == {}
    backwards = enrollment_query_service_pb2.DiffRevisionsRequest(group_id=group_id, from_revision=2, to_revision=1)
    assert set(failure_of(family.queries.DiffRevisions, backwards).violations) == {"from_revision"}


by = enrollment_query_service_pb2.ListEnrollmentGroupsRequest


def test_groups_are_found_by_contract_primary_and_member_page_by_page(family: Family) -> None:
    group = family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True)
    ).group
    others = []
    for _ in range(4):
        other = Family(family.channel, contract_id=family.contract_id, base=family.base)
        for member in (other.primary, other.child):
            other.store(member)
        others.append(other.submit(other.enroll(family.base, "2026-01-01")).group.group_id)

    def found(request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest) -> list[str]:
        request.page_size = 2
        ids: list[str] = []
        while True:
            page = family.queries.ListEnrollmentGroups(request)
            ids += [g.group_id for g in page.groups]
            if not page.next_page_token:
                return ids
            request.page_token = page.next_page_token

    assert found(by(contract_id=family.contract_id)) == sorted([group.group_id, *others])
    assert found(by(primary_id=family.primary)) == [group.group_id]
    assert found(by(member_id=family.child)) == [group.group_id]
    assert found(by(member_id=new_id())) == []
    as_of = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(
        member_id=family.child, instant=timestamp_pb2.Timestamp(seconds=group.recorded_at.seconds - 60)
    )
    assert not family.queries.ListEnrollmentGroups(as_of).groups
