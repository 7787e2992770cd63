"""Answers stay small enough to be stored and sent."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_query_service_pb2,
)
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.type.v1 import membership_type_pb2, year_month_pb2
from domain.enrollment.bounds import MAX_VIOLATIONS
from server.mapping.paging import MAX_PAGE_BYTES
from tests.rpc.test_costs import CHILD, PRIMARY, costs, inquiry, of_policy, priced_contract, quote, spec
from tests.rpc.test_premiums import compute, entries, premiums
from tests.scenarios.enrollment_messages import date, span
from tests.scenarios.ledger_messages import months
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


# ------------------------------------------------------------------------------------------------ costs

BASIC, FULL = insurance_cost_pb2.COST_VIEW_BASIC, insurance_cost_pb2.COST_VIEW_FULL


@pytest.fixture(scope="module")
def priced(server_channel: grpc.Channel) -> Family:
    family = Family(server_channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    return family


def batch(family: Family, *asked: insurance_cost_pb2.CostInquiry, view: Any = 0) -> Any:
    request = cost_provider_service_pb2.BatchGetInsuranceCostRequest(inquiries=asked, view=view)
    return costs(family).BatchGetInsuranceCost(request, timeout=300)


def cost_of(family: Family, asked: insurance_cost_pb2.CostInquiry, view: Any = 0) -> insurance_cost_pb2.InsuranceCost:
    request = cost_provider_service_pb2.GetInsuranceCostRequest(inquiry=asked, view=view)
    found: insurance_cost_pb2.InsuranceCost = costs(family).GetInsuranceCost(request, timeout=300).cost
    return found


def totals_only(cost: insurance_cost_pb2.InsuranceCost) -> insurance_cost_pb2.InsuranceCost:
    basic = insurance_cost_pb2.InsuranceCost()
    basic.CopyFrom(cost)
    for name in ("components", "beneficiaries", "modules"):
        basic.ClearField(name)
    basic.view = BASIC
    return basic


def people(family: Family, number: int) -> insurance_cost_pb2.CostInquiry:
    """Returns an inquiry about many children on the modules of the policy's primary."""
    child = insurance_cost_pb2.BeneficiarySpec(beneficiary_type=CHILD, age=7)
    of_many = insurance_cost_pb2.PolicyQuote(policy=of_policy(family), beneficiaries=[child] * number)
    return inquiry(policy_quote=of_many)


def test_a_basic_cost_has_the_totals_only(priced: Family) -> None:
    for asked in (inquiry(policy=of_policy(priced)), inquiry(contract_quote=quote(priced, spec(priced)))):
        full = cost_of(priced, asked)
        assert (full.view, len(full.components), len(full.beneficiaries), len(full.modules)) == (FULL, 4, 1, 1)
        assert cost_of(priced, asked, FULL) == full
        assert cost_of(priced, asked, BASIC) == totals_only(full)
        assert [each.cost for each in batch(priced, asked, view=BASIC).results] == [totals_only(full)]


def test_batches_of_more_than_100_inquiries_are_basic_unless_full_is_requested(priced: Family) -> None:
    asked = inquiry(contract_quote=quote(priced, spec(priced)))
    full = cost_of(priced, asked)
    assert {each.cost.view for each in batch(priced, *[asked] * 100).results} == {FULL}
    results = batch(priced, *[asked] * 101).results
    assert [each.cost for each in results] == [totals_only(full)] * 101
    assert [each.cost for each in batch(priced, *[asked] * 101, view=FULL).results] == [full] * 101


def test_the_largest_batch_is_complete_as_far_as_it_fits(priced: Family) -> None:
    asked = people(priced, 100)
    full = cost_of(priced, asked)
    answer = batch(priced, *[asked] * 1000, view=FULL)
    assert answer.ByteSize() <= MAX_PAGE_BYTES < DEFAULT_LIMIT
    complete = sum(each.cost.view == FULL for each in answer.results)
    assert 10 < complete < 1000
    assert [each.cost for each in answer.results] == [full] * complete + [totals_only(full)] * (1000 - complete)


def test_many_malformed_inquiries_are_reported_with_fewer_violations_each(priced: Family) -> None:
    wrong = insurance_cost_pb2.BeneficiarySpec(age=-1, module_ids=["x"])
    asked = inquiry(contract_quote=insurance_cost_pb2.ContractQuote(contract_id="x" * 36, beneficiaries=[wrong] * 60))
    answer = batch(priced, *[asked] * 999, inquiry(contract_quote=quote(priced, spec(priced))))
    assert answer.ByteSize() <= MAX_PAGE_BYTES
    assert {each.error.code for each in answer.results[:-1]} == {grpc.StatusCode.INVALID_ARGUMENT.value[0]}
    assert answer.results[-1].cost.totals.overall.taxed_minor == 11_000
    number_of_violations = [len(violations_of(each.error)) for each in answer.results[:-1]]
    assert number_of_violations[0] > 10
    assert number_of_violations[-1] == 1
    assert violations_of(answer.results[998].error)[0].field.startswith("inquiries[998].contract_quote.")


def violations_of(error: status_pb2.Status) -> Any:
    bad_request = error_details_pb2.BadRequest()
    error.details[1].Unpack(bad_request)
    return bad_request.field_violations


def test_a_single_cost_that_is_too_large_is_basic(server_channel: grpc.Channel) -> None:
    family = Family(server_channel)
    contract = priced_contract(family)
    of_many = [contract.versions[0].modules[2]] * 200
    del contract.versions[0].modules[:]
    contract.versions[0].modules.extend(of_many)
    for module in contract.versions[0].modules:
        module.module_id = new_id()
        module.ClearField("rules")
        module.pricing.participations.add(company_share_bp=5000)
    family.catalog.PublishContract(catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract))
    module_ids = [module.module_id for module in contract.versions[0].modules]
    asked = inquiry(contract_quote=quote(family, *[spec(family, PRIMARY, module_ids=module_ids)] * 100))
    cost = cost_of(family, asked)
    assert cost.view == BASIC
    assert cost == cost_of(family, asked, BASIC)
    assert cost.totals.overall.taxed_minor == 1_100 * 200 * 100


# ------------------------------------------------------------------------------------------------ premiums

FULL_ENTRIES, BASIC_ENTRIES = premium_entry_pb2.PREMIUM_VIEW_FULL, premium_entry_pb2.PREMIUM_VIEW_BASIC


def preview(family: Family, first: str, last: str, view: Any = 0) -> Any:
    request = premium_computation_service_pb2.PreviewPremiumsRequest(
        policy=of_policy(family), months=months(first, last), view=view
    )
    return premiums(family).PreviewPremiums(request, timeout=300)


def previews(family: Family, first: str, last: str) -> Iterator[Any]:
    """Yields the responses for all months, following next_month."""
    answer = preview(family, first, last)
    yield answer
    while answer.HasField("next_month"):
        answer = preview(family, f"{answer.next_month.year}-{answer.next_month.month:02}", last)
        yield answer


def unexplained(found: list[premium_entry_pb2.PremiumEntry]) -> list[premium_entry_pb2.PremiumEntry]:
    basic = []
    for entry in found:
        without = premium_entry_pb2.PremiumEntry()
        without.CopyFrom(entry)
        without.ClearField("explanation")
        basic.append(without)
    return basic


def test_basic_entries_have_no_explanation(priced: Family) -> None:
    full = preview(priced, "2026-01", "2026-03")
    assert (full.view, full.HasField("next_month"), len(full.entries)) == (FULL_ENTRIES, False, 3)
    assert all(entry.explanation.steps for entry in full.entries)
    basic = preview(priced, "2026-01", "2026-03", BASIC_ENTRIES)
    assert basic.view == BASIC_ENTRIES
    assert list(basic.entries) == unexplained(full.entries)
    assert list(basic.additions) == unexplained(full.additions)
    compute(priced)
    assert entries(priced, view=BASIC_ENTRIES) == unexplained(entries(priced))
    assert entries(priced, view=FULL_ENTRIES) == entries(priced)
    assert entries(priced, view=BASIC_ENTRIES, explain=True) == unexplained(entries(priced, explain=True))


def test_a_preview_of_many_months_continues_with_next_month(server_channel: grpc.Channel) -> None:
    family = Family(server_channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    children = [new_id() for _ in range(45)]
    for child in children:
        family.store(child)
        family.born(child, "2020-05-05")
    changes = [
        change_request_pb2.ScopedChange(
            enroll=change_request_pb2.Enroll(
                member_id=child, membership_type=CHILD, module_id=family.base, days=span("2026-01-01", None)
            )
        )
        for child in children
    ]
    family.submit(*changes, requester=admin())
    answers = list(previews(family, "2026-01", "2035-12"))
    assert len(answers) >= 2
    assert all(answer.ByteSize() <= MAX_PAGE_BYTES + 1024 for answer in answers)
    assert {answer.view for answer in answers} == {FULL_ENTRIES}
    for answer in answers:
        of_same_months = preview(family, *(f"{m.year}-{m.month:02}" for m in first_and_last(answer)))
        assert unexplained(of_same_months.entries) == unexplained(answer.entries)
        assert unexplained(of_same_months.additions) == unexplained(answer.additions)
        assert list(of_same_months.differences) == list(answer.differences)
    found = [entry for answer in answers for entry in answer.entries]
    assert len({(e.enrollment_id, e.month.year, e.month.month) for e in found}) == len(found) == 46 * 120


def first_and_last(answer: Any) -> tuple[year_month_pb2.YearMonth, year_month_pb2.YearMonth]:
    found = sorted((entry.month for entry in answer.entries), key=lambda month: (month.year, month.month))
    return found[0], found[-1]
