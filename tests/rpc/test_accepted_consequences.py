"""Consequences of a request that are accepted one by one."""

import pytest

from affilia.catalog.v1 import condition_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, VERDICT_REJECTED, ChangeRequest, Consequence
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_CHILD
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin, failure_of, new_id

CHANGED_ON = "2026-06-01"


@pytest.fixture
def dependent(family: Family) -> Family:
    """A family in which both modules of the child require that the primary is enrolled."""
    contract = family.contract()
    rule = contract.versions[0].rules.add(code="NEEDS_PRIMARY", description="Children need the primary.")
    rule.applies_to.append(MEMBERSHIP_TYPE_CHILD)
    rule.condition.enrolled_on.CopyFrom(condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_PRIMARY))
    del contract.versions[0].modules[2].rules[:]
    family.amend(contract)
    joins = [family.enroll(family.base, "2026-01-01")]
    joins += [family.enroll(module, "2026-01-01", child=True) for module in (family.base, family.option)]
    assert family.submit(*joins, requester=admin("joins")).change_request.verdict == VERDICT_APPROVED
    return family


def simulated(family: Family, *accepted: Consequence) -> change_request_service_pb2.SimulateChangeRequestResponse:
    submitted = family.request(family.leave(CHANGED_ON), requester=admin("leaves"))
    return family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=submitted.requester,
            group=submitted.group,
            changes=submitted.changes,
            accepted_consequences=accepted,
        )
    )


def left(family: Family, *accepted: Consequence) -> ChangeRequest:
    return family.submit(
        family.leave(CHANGED_ON), requester=admin("leaves"), accepted_consequences=accepted
    ).change_request


def codes(request: ChangeRequest | change_request_service_pb2.SimulateChangeRequestResponse) -> list[str]:
    names = [change_request_pb2.ViolationCode.Name(each.code) for each in request.violations]
    return [name.removeprefix("VIOLATION_CODE_") for name in names]


def test_a_request_is_approved_if_every_consequence_is_accepted(dependent: Family) -> None:
    consequences = simulated(dependent).consequences
    assert {each.module_id for each in consequences} == {dependent.base, dependent.option}
    assert simulated(dependent, *consequences).verdict == VERDICT_APPROVED
    request = left(dependent, *consequences)
    assert (request.verdict, list(request.consequences)) == (VERDICT_APPROVED, list(consequences))
    assert not request.accept_consequences
    assert {period.days.last_on.month for period in dependent.group().periods} == {5}


def test_a_request_is_rejected_if_one_consequence_is_not_accepted(dependent: Family) -> None:
    one, _ = simulated(dependent).consequences
    assert codes(simulated(dependent, one)) == ["CONSEQUENCES_NOT_ACCEPTED"]
    request = left(dependent, one)
    assert (request.verdict, codes(request)) == (VERDICT_REJECTED, ["CONSEQUENCES_NOT_ACCEPTED"])
    assert request.violations[0].message.startswith("1 other enrollment(s) would lose days.")
    assert dependent.group().revision == 1


def test_a_request_is_rejected_if_more_days_would_be_lost_than_accepted(dependent: Family) -> None:
    first, second = simulated(dependent).consequences
    until_july = Consequence(member_id=first.member_id, module_id=first.module_id, days=span(CHANGED_ON, "2026-07-31"))
    assert codes(left(dependent, until_july, second)) == ["CONSEQUENCES_NOT_ACCEPTED"]
    from_august = Consequence(member_id=first.member_id, module_id=first.module_id, days=span("2026-08-01", None))
    request = left(dependent, until_july, from_august, second)
    assert (request.verdict, list(request.consequences)) == (VERDICT_APPROVED, [first, second])


def test_reverting_undoes_accepted_consequences(dependent: Family) -> None:
    before = dependent.group().periods
    request = left(dependent, *simulated(dependent).consequences)
    assert dependent.group().periods != before
    revert = change_request_pb2.Revert(change_request_id=request.change_request_id)
    dependent.submit(change_request_pb2.ScopedChange(revert=revert), requester=admin("signed by mistake"))
    assert dependent.group().periods == before


def test_malformed_consequences_are_listed_by_path(dependent: Family) -> None:
    request = dependent.request(dependent.leave(CHANGED_ON), requester=admin("leaves"))
    request.accepted_consequences.add(member_id="child", module_id=new_id(), days=span("2026-02-01", "2026-01-01"))
    failure = failure_of(dependent.requests.SubmitChangeRequest, request)
    assert failure.reason == "REQUEST_MALFORMED"
    assert failure.violations.keys() == {
        "accepted_consequences[0].member_id",
        "accepted_consequences[0].days.last_on",
    }
