"""Change requests over the wire: submitted, repeated, concurrent, and read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, failure_of, new_id, without_token

APPROVED, REJECTED = change_request_pb2.VERDICT_APPROVED, change_request_pb2.VERDICT_REJECTED


def test_the_answer_holds_the_request_the_verdict_and_the_group_after_it(family: Family) -> None:
    answer = family.submit(family.enroll(family.base, "2026-01-01"))
    request = answer.change_request
    assert request.verdict == APPROVED
    assert (request.revision, request.made_revision) == (1, True)
    assert request.group_id == answer.group.group_id
    assert answer.group.cause.change_request_id == request.change_request_id
    (period,) = answer.group.periods
    assert (period.member_id, period.module_id, period.days) == (family.primary, family.base, span("2026-01-01", None))
    assert family.group() == answer.group
    again = family.requests.GetChangeRequest(
        change_request_service_pb2.GetChangeRequestRequest(
            change_request_id=request.change_request_id, consistency_token=answer.consistency_token
        )
    )
    assert again.change_request == request


def test_repeating_a_request_returns_the_first_answer_despite_later_changes(family: Family) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    first = family.requests.SubmitChangeRequest(request)
    family.submit(family.leave("2027-01-01"))
    assert without_token(family.requests.SubmitChangeRequest(request)) == without_token(first)
    assert family.group().revision == 2


def test_a_request_id_with_other_content_already_exists(family: Family) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    family.requests.SubmitChangeRequest(request)
    request.changes.append(family.leave("2027-01-01"))
    failure = failure_of(family.requests.SubmitChangeRequest, request)
    assert (failure.code, failure.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert failure.facts == {"request_id": request.request_id}


def test_validation_precedes_the_request_id_check_which_precedes_the_state_check(family: Family) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"), expected_revision=0)
    family.requests.SubmitChangeRequest(request)
    assert family.requests.SubmitChangeRequest(request).change_request.revision == 1
    request.changes[0].enroll.module_id = "no module"
    assert failure_of(family.requests.SubmitChangeRequest, request).code == grpc.StatusCode.INVALID_ARGUMENT


def test_the_same_request_sent_concurrently_is_applied_once(family: Family) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: family.requests.SubmitChangeRequest(request), range(16)))
    assert all(without_token(answer) == without_token(answers[0]) for answer in answers)
    assert len(stored_requests(family)) == 1


def test_concurrent_requests_of_one_group_are_serialized(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))

    def switch(n: int) -> change_request_service_pb2.SubmitChangeRequestResponse:
        module = family.plus if n % 2 else family.base
        return family.submit(family.enroll(module, f"2026-{n % 12 + 1:02}-01"), requester=admin())

    with ThreadPoolExecutor(24) as threads:
        answers = list(threads.map(switch, range(48)))
    assert all(answer.change_request.verdict == APPROVED for answer in answers)
    requests = stored_requests(family)
    assert len(requests) == 49
    made = [request.revision for request in requests if request.made_revision]
    assert made == list(range(1, family.group().revision + 1))
    replayed = Family(family.channel, base=new_id(), plus=new_id(), option=new_id()).set_up()
    names = {family.base: replayed.base, family.plus: replayed.plus}
    for request in requests:
        for change in request.changes:
            first_on = change.enroll.days.first_on
            day = f"{first_on.year}-{first_on.month:02}-{first_on.day:02}"
            replayed.submit(replayed.enroll(names[change.enroll.module_id], day), requester=admin())
    serial = [(names[p.module_id], p.days) for p in family.group().periods]
    assert sorted(serial, key=str) == sorted(((p.module_id, p.days) for p in replayed.group().periods), key=str)


def stored_requests(family: Family) -> list[change_request_pb2.ChangeRequest]:
    """Returns all requests of the family, page by page."""
    found: list[change_request_pb2.ChangeRequest] = []
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=family.group().group_id, page_size=7)
    while True:
        page = family.requests.ListChangeRequests(request)
        found += page.change_requests
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def test_only_one_of_many_requests_that_expect_the_same_revision_is_applied(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))

    def try_it(n: int) -> str:
        request = family.request(family.leave(f"2027-{n + 1:02}-01"), expected_revision=1)
        try:
            family.requests.SubmitChangeRequest(request)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ABORTED
            return "lost"
        return "won"

    with ThreadPoolExecutor(12) as threads:
        outcomes = list(threads.map(try_it, range(12)))
    assert outcomes.count("won") == 1
    assert family.group().revision == 2


def test_a_revision_mismatch_reports_the_current_revision(family: Family) -> None:
    group = family.submit(family.enroll(family.base, "2026-01-01")).group
    request = family.request(family.leave("2027-01-01"), expected_revision=0)
    failure = failure_of(family.requests.SubmitChangeRequest, request)
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED, "REVISION_MISMATCH")
    assert failure.facts == {"group_id": group.group_id, "expected_revision": "0", "current_revision": "1"}


def test_a_rejection_is_stored_with_all_its_reasons(family: Family) -> None:
    adult_only = family.enroll(family.option, "2026-01-01", child=True)
    too_early = family.enroll(family.base, "2024-01-01")
    answer = family.submit(adult_only, too_early)
    assert answer.change_request.verdict == REJECTED
    assert answer.group.revision == 0
    reported = [(v.code, v.rule_code, v.member_id) for v in answer.change_request.violations]
    assert reported == [
        (change_request_pb2.VIOLATION_CODE_RULE_NOT_SATISFIED, "ADULT", family.child),
        (change_request_pb2.VIOLATION_CODE_OUTSIDE_CONTRACT, "", family.primary),
    ]
    assert stored_requests(family) == [answer.change_request]


def test_a_missing_fact_is_reported_by_name(family: Family) -> None:
    family.born(family.primary, None)
    violation = family.submit(family.enroll(family.option, "2026-01-01")).change_request.violations[0]
    assert violation.rule_code == "ADULT"
    (missing,) = violation.missing_facts
    assert (missing.member_id, missing.kind) == (family.primary, change_request_pb2.FACT_KIND_DATE_OF_BIRTH)


def test_days_that_an_open_ended_enroll_cannot_cover_are_reported_as_a_notice(family: Family) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"))
    until_2030 = family.contract()
    until_2030.versions[0].days.last_on.CopyFrom(date("2030-12-31"))
    family.amend(until_2030)
    (notice,) = family.submit(family.enroll(family.option, "2026-01-01")).change_request.notices
    assert (notice.member_id, notice.module_id) == (family.primary, family.option)
    assert list(notice.days) == [span("2031-01-01", None)]
    assert [reason.code for reason in notice.reasons] == [change_request_pb2.VIOLATION_CODE_NOT_OFFERED]


def test_reasons_and_notes_are_kept(family: Family) -> None:
    change = family.enroll(family.base, "2026-01-01")
    change.reason_code, change.note = "NEW_HIRE", "began on the second"
    answer = family.submit(change, requester=admin("called us"))
    assert answer.change_request.changes[0] == change
    assert answer.change_request.requester.reason == "called us"


def test_new_facts_recompute_the_group_and_apply_immediately_to_a_submit(family: Family) -> None:
    family.submit(family.enroll(family.option, "2026-01-01"))
    family.born(family.primary, None)
    answer = family.submit(family.enroll(family.base, "2026-01-01"))
    assert answer.change_request.revision == 3
    assert [p.module_id for p in answer.group.periods] == [family.base]
    assert family.group(revision=2).periods == []
    assert family.group(revision=2).cause.recompute_id


def test_every_answer_names_overridden_codes_that_the_contract_does_not_have(family: Family) -> None:
    enroll = family.enroll(family.option, "2026-01-01", child=True)
    how: Any = {"requester": admin(), "overridden_rules": ["ADLUT", "COMMITMENT_NOT_ELAPSED"]}
    request = family.request(enroll, **how)
    simulated = family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(group=family.key, changes=[enroll], **how)
    )
    answer = family.requests.SubmitChangeRequest(request)
    assert list(simulated.unknown_rules) == list(answer.change_request.unknown_rules) == ["ADLUT"]
    assert [violation.rule_code for violation in answer.change_request.violations] == ["ADULT"]
    assert without_token(family.requests.SubmitChangeRequest(request)) == without_token(answer)
    assert stored_requests(family) == [answer.change_request]
    known = family.submit(enroll, requester=admin(), overridden_rules=["ADULT"])
    assert (known.change_request.verdict, list(known.change_request.unknown_rules)) == (APPROVED, [])


def test_an_override_of_a_leave_waives_nothing_for_a_later_enroll(family: Family) -> None:
    enroll = family.enroll(family.option, "2026-01-01", child=True)
    leave = change_request_pb2.ScopedChange(
        leave=change_request_pb2.Leave(member_id=family.child, days=span("2026-01-01", None))
    )
    family.submit(leave, requester=admin(), overridden_rules=["ADULT"])
    assert [violation.rule_code for violation in family.submit(enroll).change_request.violations] == ["ADULT"]


def test_a_violation_holds_the_days_of_every_enroll_of_the_member_on_the_module(family: Family) -> None:
    spans = [("2026-03-01", "2026-03-10"), ("2026-05-01", "2026-05-10")]
    answer = family.submit(*(family.enroll(family.option, *days, child=True) for days in spans))
    (violation,) = answer.change_request.violations
    assert (violation.on, list(violation.days)) == (date("2026-03-01"), [span(*days) for days in spans])


def test_page_tokens_belong_to_their_request(family: Family) -> None:
    for year in range(2026, 2031):
        family.submit(family.leave(f"{year}-01-01"))
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=family.group().group_id, page_size=2)
    request.page_token = family.requests.ListChangeRequests(request).next_page_token
    revisions = enrollment_query_service_pb2.ListRevisionsRequest(
        group_id=request.group_id, page_token=request.page_token
    )
    assert failure_of(family.queries.ListRevisions, revisions).reason == "TOKEN_INVALID"
