"""Answers stay small enough to be stored and sent."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_query_service_pb2,
)
from affilia.type.v1 import membership_type_pb2
from domain.enrollment.bounds import MAX_VIOLATIONS
from server.mapping.paging import MAX_PAGE_BYTES
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, new_id

RULES = 40
MODULES = 100
DEFAULT_LIMIT = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def strict(server_channel: grpc.Channel) -> tuple[Family, list[str]]:
    """A family under a contract with many modules and many rules, which nobody satisfies."""
    family = Family(server_channel)
    contract, modules = family.contract(), [new_id() for _ in range(MODULES)]
    version = contract.versions[0]
    for module_id in modules:
        version.modules.add(module_id=module_id, service_type=contract_pb2.SERVICE_TYPE_OPTION)
    for n in range(RULES):
        rule = version.rules.add(code=f"RULE_{n}")
        rule.condition.attribute.CopyFrom(
            condition_pb2.AttributeCondition(subject=condition_pb2.SUBJECT_SELF, name=f"a{n}", values=["yes"])
        )
    family.catalog.PublishContract(catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract))
    family.store(family.primary)
    return family, modules


def enrolls(family: Family, modules: list[str]) -> list[change_request_pb2.ScopedChange]:
    return [
        change_request_pb2.ScopedChange(
            enroll=change_request_pb2.Enroll(
                member_id=family.primary,
                membership_type=membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY,
                module_id=module_id,
                days=span("2026-01-01", None),
            )
        )
        for module_id in modules
    ]


def test_a_rejection_reports_a_bounded_number_of_violations_and_counts_the_rest(
    strict: tuple[Family, list[str]],
) -> None:
    family, modules = strict
    request = family.request(*enrolls(family, modules), requester=admin())
    answer = family.requests.SubmitChangeRequest(request)
    rejected = answer.change_request
    assert rejected.verdict == change_request_pb2.VERDICT_REJECTED
    assert len(rejected.violations) == MAX_VIOLATIONS
    assert rejected.violations_omitted == RULES * MODULES - MAX_VIOLATIONS
    assert {violation.module_id for violation in rejected.violations} == set(modules)
    assert {violation.rule_code for violation in rejected.violations} == {f"RULE_{n}" for n in range(RULES)}
    assert answer.ByteSize() < 200_000

    assert family.requests.SubmitChangeRequest(request).change_request == rejected
    stored = change_request_service_pb2.GetChangeRequestRequest(change_request_id=rejected.change_request_id)
    assert family.requests.GetChangeRequest(stored).change_request == rejected
    watch: Any = enrollment_query_service_pb2.WatchEnrollmentsRequest(
        filter=enrollment_event_pb2.EnrollmentFilter(member_ids=[family.primary])
    )
    setattr(watch, "from", enrollment_query_service_pb2.FEED_START_BEGINNING)
    feed = family.queries.WatchEnrollments(watch, timeout=60)
    event = next(event for message in feed for event in message.events)
    feed.cancel()
    assert event.change_request == rejected

    simulated = family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=request.requester, group=request.group, changes=request.changes
        )
    )
    assert list(simulated.violations) == list(rejected.violations)
    assert simulated.violations_omitted == rejected.violations_omitted


def test_choices_report_fewer_reasons_if_there_are_many_modules(strict: tuple[Family, list[str]]) -> None:
    family, modules = strict
    answer = family.requests.ListAvailableChoices(
        change_request_service_pb2.ListAvailableChoicesRequest(
            key=family.key, member_id=family.primary, on=date("2026-03-01")
        )
    )
    of_modules = [choice for choice in answer.choices if choice.module_id in modules]
    assert len(of_modules) == MODULES
    for choice in of_modules:
        assert not choice.allowed
        assert choice.reasons
        assert len(choice.reasons) + choice.reasons_omitted == RULES
    assert answer.ByteSize() < DEFAULT_LIMIT / 4


@pytest.mark.parametrize("of_all_groups", [False, True])
def test_a_page_ends_before_it_exceeds_the_message_size_limit(family: Family, of_all_groups: bool) -> None:
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    changes = enrolls(family, [family.base] * 100)
    for change in changes:
        change.note = "\U0001f600" * 500
    for _ in range(20):
        family.submit(*changes, requester=admin())
    which: dict[str, Any] = (
        {"contract_id": family.contract_id} if of_all_groups else {"group_id": family.group().group_id}
    )
    request = change_request_service_pb2.ListChangeRequestsRequest(page_size=1000, **which)
    found: list[Any] = []
    pages = 0
    while not pages or request.page_token:
        answer = family.requests.ListChangeRequests(request)
        assert 0 < answer.ByteSize() <= MAX_PAGE_BYTES < DEFAULT_LIMIT
        found += answer.change_requests
        request.page_token = answer.next_page_token
        pages += 1
    assert pages >= 2
    assert len({each.change_request_id for each in found}) == len(found) == 21
    instants = [each.recorded_at.ToNanoseconds() for each in found]
    assert instants == sorted(instants, reverse=of_all_groups)
