"""Reverted requests and corrected membership types over the wire: bad input, and everything that follows from them.

The worked cases are in `tests/cases/corrections/`.
"""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import condition_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_group_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2 as query_pb
from affilia.history.v1 import history_service_pb2
from affilia.history.v1.history_service_pb2_grpc import HistoryServiceStub
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import ends
from tests.support.calls import Failure, Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.history_story import history_of
from tests.support.insured import Insured

APPROVED, REJECTED = change_request_pb2.VERDICT_APPROVED, change_request_pb2.VERDICT_REJECTED
PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
PARTNER, CHILD = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER, membership_type_pb2.MEMBERSHIP_TYPE_CHILD
Scoped = change_request_pb2.ScopedChange
Kind = enrollment_group_pb2.DifferenceKind


def revert(change_request_id: str) -> Scoped:
    return Scoped(revert=change_request_pb2.Revert(change_request_id=change_request_id))


def correct(member_id: str, membership_type: Any) -> Scoped:
    correction = change_request_pb2.CorrectMembershipType(member_id=member_id, membership_type=membership_type)
    return Scoped(correct_membership_type=correction)


class Corrected(Family):
    """A family whose requests are made by an admin."""

    def ask(self, *changes: Scoped, **more: Any) -> change_request_pb2.ChangeRequest:
        """Submits changes, and returns the stored request."""
        request: change_request_pb2.ChangeRequest = self.submit(*changes, requester=admin(), **more).change_request
        return request

    def joined(self) -> str:
        """Enrolls the primary and the child from 2026-01-01 on. Returns the request."""
        return self.ask(
            self.enroll(self.base, "2026-01-01"), self.enroll(self.base, "2026-01-01", child=True)
        ).change_request_id

    def failure(self, *changes: Scoped, **more: Any) -> Failure:
        """Submits and simulates changes that must fail in the same way without storing anything."""
        requests, group = self.requested(), self.group()
        submitted = failure_of(
            self.requests.SubmitChangeRequest, self.request(*changes, **{"requester": admin(), **more})
        )
        simulation = change_request_service_pb2.SimulateChangeRequestRequest(
            group=self.key, changes=changes, requester=more.get("requester", admin())
        )
        assert failure_of(self.requests.SimulateChangeRequest, simulation) == submitted
        assert (self.requested(), self.group()) == (requests, group)
        return submitted

    def requested(self) -> int:
        request = change_request_service_pb2.ListChangeRequestsRequest(group_id=self.group().group_id, page_size=100)
        return len(self.requests.ListChangeRequests(request).change_requests)

    def differences(self, revision: int) -> dict[str, list[str]]:
        """Returns the kinds of difference that a revision made, by member."""
        request = query_pb.DiffRevisionsRequest(
            group_id=self.group().group_id, from_revision=revision - 1, to_revision=revision
        )
        found = self.queries.DiffRevisions(request).differences
        return {
            each.member_id: [Kind.Name(kind).removeprefix("DIFFERENCE_KIND_") for kind in each.kinds] for each in found
        }


@pytest.fixture
def family(server_channel: grpc.Channel) -> Corrected:
    made = Corrected(server_channel)
    made.set_up()
    return made


@pytest.fixture(scope="module")
def channels(server: ServerProcess) -> Iterator[tuple[grpc.Channel, grpc.Channel]]:
    with connected_to(server.address) as public, connected_to(server.internal_address) as internal:
        yield public, internal


# ------------------------------------------------------------------------------------------------ bad input


def test_a_member_can_neither_revert_requests_nor_correct_types(family: Corrected) -> None:
    joined = family.joined()
    failure = family.failure(revert(joined), correct(family.child, PARTNER), requester=family.primary_as_requester())
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert failure.violations == {
        "changes[0].revert": "requires the role ADMIN",
        "changes[1].correct_membership_type": "requires the role ADMIN",
    }


def test_primary_is_neither_the_type_of_others_nor_can_the_primary_have_another(family: Corrected) -> None:
    family.joined()
    failure = family.failure(correct(family.child, PRIMARY), correct(family.primary, CHILD))
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(failure.violations) == {
        "changes[0].correct_membership_type.membership_type",
        "changes[1].correct_membership_type.member_id",
    }


def test_reverting_one_request_twice_in_a_request_is_malformed(family: Corrected) -> None:
    joined = family.joined()
    failure = family.failure(revert(joined), revert(joined))
    assert set(failure.violations) == {"changes[1].revert.change_request_id"}


def test_a_request_of_another_group_is_unknown(family: Corrected, server_channel: grpc.Channel) -> None:
    family.joined()
    other = Corrected(server_channel)
    other.set_up()
    for unknown in (other.joined(), new_id()):
        failure = family.failure(revert(unknown))
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "CHANGE_REQUEST_UNKNOWN")
        assert failure.facts == {"change_request_id": unknown}


def test_a_group_without_requests_has_nothing_to_revert(family: Corrected) -> None:
    request = family.request(revert(new_id()), requester=admin())
    assert failure_of(family.requests.SubmitChangeRequest, request).reason == "CHANGE_REQUEST_UNKNOWN"
    assert failure_of(family.queries.GetEnrollmentGroup, query_pb.GetEnrollmentGroupRequest(key=family.key)).reason == (
        "GROUP_UNKNOWN"
    )


def test_rejected_and_reverted_requests_are_not_revertible(family: Corrected) -> None:
    joined = family.joined()
    rejected = family.ask(family.enroll(new_id(), "2026-01-01"))
    assert rejected.verdict == REJECTED
    assert family.failure(revert(rejected.change_request_id)).reason == "NOT_REVERTIBLE"
    assert family.ask(revert(joined)).verdict == APPROVED
    failure = family.failure(revert(joined))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_REVERTIBLE")
    assert failure.facts == {"change_request_id": joined}


def test_changes_of_one_request_are_checked_in_order(family: Corrected) -> None:
    joined = family.joined()
    reverting = family.ask(revert(joined)).change_request_id
    assert family.failure(revert(joined), revert(reverting)).reason == "NOT_REVERTIBLE"
    both = family.ask(revert(reverting), revert(joined))
    assert (both.verdict, both.made_revision) == (APPROVED, False)


def test_only_members_of_the_group_have_a_type_to_correct(family: Corrected) -> None:
    family.ask(family.enroll(family.base, "2026-01-01"))
    failure = family.failure(correct(family.child, PARTNER))
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MEMBER_NOT_IN_GROUP")
    assert failure.facts == {"member_id": family.child, "group_id": family.group().group_id}


def test_an_unexpected_revision_is_reported_after_unknown_requests(family: Corrected) -> None:
    family.joined()
    request = family.request(revert(new_id()), requester=admin(), expected_revision=7)
    assert failure_of(family.requests.SubmitChangeRequest, request).reason == "CHANGE_REQUEST_UNKNOWN"


def test_days_that_an_erasure_closed_can_be_neither_reverted_nor_given_another_type(family: Corrected) -> None:
    partner = new_id()
    family.store(partner)
    joining = family.enroll(family.base, "2025-02-01", "2025-03-31")
    joining.enroll.member_id, joining.enroll.membership_type = partner, PARTNER
    past = family.ask(joining).change_request_id
    joined = family.joined()
    family.members.EraseMember(
        member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=partner), timeout=60
    )
    later = family.ask(family.leave("2040-01-01")).change_request_id
    for change in (revert(past), revert(joined), correct(family.child, PARTNER), correct(partner, CHILD)):
        assert family.failure(change).reason == "MEMBER_ERASED"
    assert family.ask(revert(later)).verdict == APPROVED


# ------------------------------------------------------------------------------------------------ what follows


def test_a_type_of_a_reverted_request_can_be_enrolled_differently(family: Corrected) -> None:
    wrong = family.enroll(family.base, "2026-01-01", child=True)
    wrong.enroll.membership_type = PARTNER
    mistake = family.ask(wrong).change_request_id
    assert family.ask(family.enroll(family.base, "2026-01-01", child=True)).verdict == REJECTED
    undone = family.ask(revert(mistake), family.enroll(family.base, "2026-01-01", child=True))
    assert undone.verdict == APPROVED
    (period,) = family.group().periods
    assert period.membership_type == CHILD
    again = family.ask(revert(undone.change_request_id), family.enroll(family.plus, "2026-01-01", child=True))
    assert [change_request_pb2.ViolationCode.Name(each.code) for each in again.violations] == [
        "VIOLATION_CODE_MEMBERSHIP_TYPE_CONFLICT"
    ]


def test_reverting_a_correction_conflicts_with_enrolls_that_rest_on_it(family: Corrected) -> None:
    family.joined()
    corrected = family.ask(correct(family.child, PARTNER))
    joining = family.enroll(family.plus, "2027-01-01", child=True)
    assert family.ask(joining).verdict == REJECTED
    joining.enroll.membership_type = PARTNER
    later = family.ask(joining)
    assert later.verdict == APPROVED
    conflict = family.ask(revert(corrected.change_request_id))
    assert (conflict.verdict, [each.member_id for each in conflict.violations]) == (REJECTED, [family.child])
    assert family.ask(revert(later.change_request_id), revert(corrected.change_request_id)).verdict == APPROVED
    assert {p.member_id: p.membership_type for p in family.group().periods}[family.child] == CHILD


def test_a_corrected_type_is_a_revision_of_its_own_and_earlier_revisions_keep_theirs(family: Corrected) -> None:
    family.joined()
    corrected = family.ask(correct(family.child, PARTNER))
    assert (corrected.made_revision, corrected.revision) == (True, 2)
    assert family.differences(2) == {family.child: ["TYPE_CORRECTED"]}
    types = [{p.member_id: p.membership_type for p in family.group(revision=n).periods} for n in (1, 2)]
    assert [each[family.child] for each in types] == [CHILD, PARTNER]
    assert family.ask(correct(family.child, PARTNER)).made_revision is False


def test_a_correction_and_a_revert_are_explained_in_the_history(
    channels: tuple[grpc.Channel, grpc.Channel], family: Corrected
) -> None:
    joined = family.joined()
    family.ask(correct(family.child, PARTNER))
    family.ask(revert(joined))
    group_id = family.group().group_id
    undone, corrected = history_of(channels[0], group_id=group_id)[:2]
    assert undone.summary == (f"Approved: revert request {joined}. Reason: a test.")
    assert corrected.summary == ("Approved: correct the membership type of 1 member. Reason: a test.")
    request = history_service_pb2.ExplainDifferenceRequest(group_id=group_id, revision=3)
    explained = HistoryServiceStub(channels[0]).ExplainDifference(request, timeout=60)
    inputs = [each for run in explained.runs for each in run.decisive_inputs]
    assert len(explained.runs) == 2
    assert {each.change_request_id for each in inputs} == {undone.change_request.change_request_id}


def test_a_correction_of_a_type_that_a_rule_excludes_explains_the_lost_days(
    channels: tuple[grpc.Channel, grpc.Channel], family: Corrected
) -> None:
    contract = family.contract()
    rule = contract.versions[0].rules.add(code="CHILD_AGE", applies_to=[CHILD])
    rule.condition.age.CopyFrom(condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=25))
    family.amend(contract)
    joining = family.enroll(family.base, "2026-01-01", child=True)
    joining.enroll.membership_type = PARTNER
    family.born(family.child, "2005-05-20")
    family.ask(family.enroll(family.base, "2026-01-01"), joining)
    assert family.ask(correct(family.child, CHILD)).verdict == REJECTED
    corrected = family.ask(correct(family.child, CHILD), accept_consequences=True)
    assert family.differences(2) == {family.child: ["TERMINATED", "TYPE_CORRECTED"]}
    request = history_service_pb2.ExplainDifferenceRequest(group_id=family.group().group_id, revision=2)
    (run,) = HistoryServiceStub(channels[0]).ExplainDifference(request, timeout=60).runs
    assert ends(run.days) == ["2030-05-20", None]
    assert [each.change_request_id for each in run.decisive_inputs] == [corrected.change_request_id]
    assert not run.failed_rules  # the lost days are recorded as accepted consequences, so nothing asks for them


def test_coverage_follows_corrections_and_reverts(channels: tuple[grpc.Channel, grpc.Channel]) -> None:
    insured = Insured(*channels).set_up()
    family = insured.family
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", child=True)
    application, _ = insured.apply("2026-06-10", family.child, deductible=50_00)
    before = insured.check("2026-06-10", family.child).records
    insured.submit(correct(family.child, PARTNER))
    (record,) = insured.records("2026-06-10", family.child)
    assert record.membership_type == PARTNER
    answer = family.submit(family.leave("2026-02-01"), requester=admin())
    ended = family.submit(family.enroll(family.base, "2026-02-01"), requester=admin())
    assert (answer.change_request.verdict, ended.change_request.verdict) == (APPROVED, APPROVED)
    left = Scoped(leave=change_request_pb2.Leave(member_id=family.child, days=family.leave("2026-03-01").leave.days))
    termination = family.submit(left, requester=admin())
    insured.token = termination.consistency_token
    assert [each.application_id for each in insured.ledger(orphaned_only=True)] == [application]
    insured.submit(revert(termination.change_request.change_request_id))
    assert insured.ledger(orphaned_only=True) == []
    assert [each.locator for each in insured.records("2026-06-10", family.child)] == [before[0].locator]
