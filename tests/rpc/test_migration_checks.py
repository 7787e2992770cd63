"""Checks, capabilities, coverage and accumulators while a country is migrated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, ends, iso, span
from tests.support.calls import failure_of, new_id
from tests.support.channels import connected_to
from tests.support.double_cover import DoubleCover, rule_of
from tests.support.insured import DEDUCTIBLE, Insured, reason_of
from tests.support.migration import CORE, DUAL_WRITE, IN_ORDER, READ_CORE, TRANSLATE, Spain
from tests.support.spanish import FLEX, FLEX_PLUS

ON = "2026-03-10"


@pytest.fixture
def insured(spain: Spain) -> Iterator[Insured]:
    """The family of the legacy tables, under a contract with limits and capabilities."""
    with connected_to(spain.server.process.internal_address) as internal:
        insured = Insured(spain.channel, internal)
        insured.family = spain.family
        spain.family.amend(insured.contract())
        member = member_pb2.Member(member_id=new_id(), kind=member_pb2.MEMBER_KIND_PERSON)
        upsert = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
        insured.token = spain.family.members.UpsertMember(upsert).consistency_token
        insured.check(ON)  # later checks without a token know the amended contract
        yield insured


def about(insured: Insured, spain: Spain) -> list[Any]:
    """Returns the responses of all calls about the coverage of P and C, without what differs between sources."""
    found: list[Any] = []
    checks: Any = EligibilityCheckServiceStub(spain.channel)
    for member in (spain.family.primary, spain.family.child):
        for day in ("2023-12-31", "2024-06-30", "2025-02-01", ON, "2027-01-01"):
            on: dict[str, Any] = {"member_id": member, "date": date(day)}
            found += [
                insured.check(day, member),
                insured.check(day, member, module_id=spain.family.plus),
                insured.check(day, member, capability="OPTICAL"),
                checks.CheckCapability(pb.CheckCapabilityRequest(capability="DENTAL", **on)),
                checks.ListCapabilities(pb.ListCapabilitiesRequest(**on)),
                checks.GetActiveCoverage(pb.GetActiveCoverageRequest(**on)),
                checks.GetAccumulators(pb.GetAccumulatorsRequest(**on)),
                insured.claims.GetMemberCoverage(internal_pb.GetMemberCoverageRequest(**on)),
            ]
        found.append(checks.ListMemberCoverage(pb.ListMemberCoverageRequest(member_id=member)))
        found.append(checks.GetActiveCoverage(pb.GetActiveCoverageRequest(member_id=member)))
    found.append(list_coverage(checks, contract_id=spain.family.contract_id))
    for message in found:
        for record in getattr(message, "records", ()):
            record.revision = 0
        if "feed_position" in message.DESCRIPTOR.fields_by_name:
            message.ClearField("feed_position")
    return found


def list_coverage(checks: Any, first: str = "2024-01-01", last: str = "2027-12-31", **which: Any) -> Any:
    """Returns the records of all pages of ListCoverage in one response."""
    found, token = pb.ListCoverageResponse(), ""
    while True:
        request = pb.ListCoverageRequest(days=span(first, last), page_token=token, **which)
        page = checks.ListCoverage(request, timeout=60)
        found.records.extend(page.records)
        token = page.next_page_token
        if not token:
            return found


def add_family(spain: Spain) -> None:
    """Adds P, who changes modules and has a gap, and C."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01", "2024-12-31")
    spain.row("P", "PRIMARY", FLEX_PLUS, "2025-03-01")
    spain.row("C", "CHILD", FLEX, "2024-06-01")


def test_all_stages_give_the_same_answers_once_both_sources_agree(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    expected = about(insured, spain)
    reasons = {reason_of(message) for message in expected if isinstance(message, pb.CheckEligibilityResponse)}
    assert reasons == {
        *("COVERED", "NOT_YET_COVERED", "COVERAGE_ENDED", "MODULE_NOT_COVERED", "CAPABILITY_NOT_INCLUDED")
    }
    for stage in IN_ORDER:
        spain.move_to(stage)
        if stage == DUAL_WRITE:
            spain.backfill()
            insured.rebuild()
        assert about(insured, spain) == expected, stage
        (record, *_) = insured.check(ON, spain.family.primary).records
        assert record.revision == (0 if stage in (TRANSLATE, DUAL_WRITE, READ_CORE) else 1)


def test_the_stage_decides_which_source_checks_follow(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    insured.rebuild()
    spain.row("S", "PARTNER", FLEX, "2025-01-01")
    spain.execute("UPDATE legacy_es.es_enrollment SET end_date = '2025-12-31' WHERE user_id = %s", spain.users["C"])
    seen = [("S", "COVERED"), ("C", "COVERAGE_ENDED")]
    for stage in (TRANSLATE, DUAL_WRITE, READ_CORE):
        spain.move_to(stage)
        assert [(name, insured.reason(ON, spain.member(name))) for name, _ in seen] == seen
    spain.move_to(CORE)
    assert [insured.reason(ON, spain.member(name)) for name, _ in seen] == ["NO_COVERAGE", "COVERED"]


def test_two_servers_give_the_same_answers(spain: Spain, insured: Insured, tmp_path: Path) -> None:
    add_family(spain)
    spain.map()
    expected = about(insured, spain)
    other = ServerProcess(tmp_path, "--database-url", spain.server.database_url, "--legacy-sources", "ES")
    try:
        with connected_to(other.internal_address) as internal:
            channel = spain.channel_to(other.address)
            on_other = Insured(channel, internal)
            on_other.family = spain.family
            spain.channel = channel
            assert about(on_other, spain) == expected
    finally:
        other.stop()


def test_a_batch_has_an_answer_for_each_check(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    members = [spain.family.primary, spain.family.child, new_id()]
    checks = [
        pb.EligibilityCheck(member_id=member, date=date(ON), capability=capability)
        for member in members
        for capability in ("", "OPTICAL", "NO_SUCH")
    ]
    outcomes = insured.checks.BatchCheckEligibility(pb.BatchCheckEligibilityRequest(checks=checks)).outcomes
    found = [reason_of(each.answer) if each.HasField("answer") else "error" for each in outcomes]
    assert found == [
        *("COVERED", "COVERED", "error"),
        *("COVERED", "CAPABILITY_NOT_INCLUDED", "error"),
        *("NO_COVERAGE", "NO_COVERAGE", "NO_COVERAGE"),
    ]


def test_a_capability_that_no_contract_of_a_member_lists_is_unknown(spain: Spain, insured: Insured) -> None:
    spain.policy("P")
    spain.row("C", "CHILD", FLEX, "2024-06-01", is_cancelled=True)
    spain.map()
    for member in (spain.family.primary, spain.family.child):
        request = pb.CheckEligibilityRequest(
            check=pb.EligibilityCheck(member_id=member, date=date(ON), capability="NO_SUCH")
        )
        assert failure_of(insured.checks.CheckEligibility, request).reason == "CAPABILITY_UNKNOWN"
        request.check.capability = "OPTICAL"
        assert reason_of(insured.checks.CheckEligibility(request)) == "NO_COVERAGE"
        capable = pb.CheckCapabilityRequest(member_id=member, date=date(ON), capability="NO_SUCH")
        assert failure_of(insured.checks.CheckCapability, capable).reason == "CAPABILITY_UNKNOWN"


def test_checks_wait_for_the_write_of_their_token(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    other = DoubleCover(spain.channel)
    contract, member = other.contract(), other.person()
    other.enroll(contract, member, member, "PRIMARY", "2026-01-01")
    insured.token = other.token
    assert insured.reason(ON, member) == insured.reason(ON) == "COVERED"


# -------------------------------------------------------------------------------------------------- order of payment


def test_policies_of_both_sources_are_in_order_of_payment(spain: Spain) -> None:
    """The core doesn't know the primary of the legacy policy, so the primaries' birthdays can't be compared."""
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2025-06-01")
    spain.map()
    cover = DoubleCover(spain.channel)
    spain.family.store(spain.family.child)
    parent, contract = cover.person("1980-05-05"), cover.contract()
    cover.enroll(contract, parent, parent, "PRIMARY", "2024-04-01")
    cover.enroll(contract, parent, spain.family.child, "CHILD", "2024-04-01")
    assert cover.order(spain.family.child, ON) == [(spain.family.primary, ""), (parent, "PRIMARY_COVERED_LONGER")]
    checks = [pb.EligibilityCheck(member_id=spain.family.child, date=date(ON))] * 2
    batch = cover.checks.BatchCheckEligibility(pb.BatchCheckEligibilityRequest(checks=checks))
    for outcome in batch.outcomes:
        assert [rule_of(record) for record in outcome.answer.records] == ["", "PRIMARY_COVERED_LONGER"]
    spain.family.store(spain.family.primary)
    spain.family.born(spain.family.primary, "1970-06-06")
    assert cover.order(spain.family.child, ON) == [(parent, ""), (spain.family.primary, "BIRTHDAY")]


def test_two_legacy_policies_are_in_order_of_payment(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-06-01")
    spain.row("C", "CHILD", FLEX, "2024-06-01")
    spain.row("A", "PRIMARY", FLEX_PLUS, "2024-03-01", owner="A")
    spain.row("C", "CHILD", FLEX_PLUS, "2025-01-01", owner="A")
    spain.map()
    cover, child = DoubleCover(spain.channel), spain.family.child
    expected = [(spain.member("A"), ""), (spain.family.primary, "PRIMARY_COVERED_LONGER")]
    assert cover.order(child, ON) == expected
    spain.row("P", "PRIMARY", FLEX, "2024-02-01", "2024-05-31")
    assert cover.order(child, ON) == [(spain.family.primary, ""), (spain.member("A"), "PRIMARY_COVERED_LONGER")]


# -------------------------------------------------------------------------------------------------- coverage records


def test_locators_stay_the_same_and_are_found_once_the_core_has_the_group(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    (record,) = insured.check(ON).records
    get = insured.checks.GetCoverage
    failure = failure_of(get, pb.GetCoverageRequest(locator=record.locator))
    assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "COVERAGE_UNKNOWN")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert get(pb.GetCoverageRequest(locator=record.locator)).record == record
    spain.move_to(CORE)
    found = get(pb.GetCoverageRequest(locator=record.locator)).record
    assert found.revision == 1
    found.revision = 0
    assert found == record


def test_coverage_of_policies_is_listed_by_contract(spain: Spain, insured: Insured) -> None:
    for owner in ("P", *"ABDE"):
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
    spain.row("C", "CHILD", FLEX_PLUS, "2025-01-01")
    spain.policy("G")
    spain.map()
    contract: dict[str, Any] = {"contract_id": spain.family.contract_id}
    found = list_coverage(insured.checks, ON, ON, **contract).records  # nobody has stored the ids of the groups
    assert [record.group_id for record in found] == sorted(spain.group_id(owner) for owner in ("P", "P", *"ABDE"))
    for size in (1, 2, 3, 100):
        assert list_coverage(insured.checks, ON, ON, page_size=size, **contract).records == found
    of_group = [record for record in found if record.group_id == spain.group_id()]
    assert list_coverage(insured.checks, ON, ON, group_id=spain.group_id(), **contract).records == of_group
    on_plus = list_coverage(insured.checks, ON, ON, module_id=spain.family.plus, **contract).records
    assert [(record.member_id, ends(record.days)) for record in on_plus] == [
        (spain.family.child, ["2026-01-01", "2026-12-31"])
    ]
    assert list_coverage(insured.checks, "2023-01-01", "2023-12-31", **contract).records == []


def test_coverage_is_not_listed_without_a_contract_while_legacy_tables_answer(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    cover = DoubleCover(spain.channel)
    contract, member = cover.contract(), cover.person()
    cover.enroll(contract, member, member, "PRIMARY", "2026-01-01")
    token: dict[str, Any] = {"consistency_token": cover.token}
    for stage in (TRANSLATE, DUAL_WRITE, READ_CORE):
        spain.move_to(stage)
        request = pb.ListCoverageRequest(days=span(ON, ON))
        failure = failure_of(insured.checks.ListCoverage, request)
        assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
        assert failure.violations == {"contract_id": "is required while legacy tables answer for some contracts"}
        (record,) = list_coverage(insured.checks, ON, ON, contract_id=contract[0], **token).records
        assert (record.member_id, record.revision) == (member, 1)
    spain.move_to(CORE)
    assert member in {record.member_id for record in list_coverage(insured.checks, ON, ON).records}


# -------------------------------------------------------------------------------------------------- accumulators


def test_amounts_are_applied_to_legacy_policies_and_stay_when_the_core_takes_over(
    spain: Spain, insured: Insured
) -> None:
    add_family(spain)
    spain.map()
    child = spain.family.child
    application, (deductible, physio) = insured.apply(ON, child, deductible=60_00, physio=2)
    assert (deductible, physio) == ((60_00, 0), (2, 0))
    assert insured.used(ON, child) == (60_00, 60_00)
    assert insured.apply("2025-04-01", deductible=10_00)[1] == [(10_00, 0)]  # another term
    gap = failure_of(insured.claims.ApplyAccumulators, insured.application("2025-02-01", deductible=1))
    assert gap.reason == "NOT_COVERED"
    _, (excess,) = insured.apply(ON, child, deductible=50_00)
    assert excess == (40_00, 10_00)
    reversed_ = insured.reverse(application)
    assert [each.could_apply for each in reversed_.later_excesses] == [10_00]
    assert insured.used(ON, child) == (40_00, 40_00)
    accumulators = insured.check(ON, child).accumulators
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert insured.used(ON, child) == (40_00, 40_00)
    for stage in (READ_CORE, CORE):
        spain.move_to(stage)
        insured.apply(ON, child, physio=1)
        assert insured.used(ON, child) == (40_00, 40_00)
    assert {each.code for each in insured.check(ON, child).accumulators} == {each.code for each in accumulators}
    assert [line.code for line in insured.ledger()].count(DEDUCTIBLE) == 4


def test_an_application_repeated_in_a_later_stage_returns_the_first_answer(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    request = insured.application(ON, deductible=30_00)
    first = insured.claims.ApplyAccumulators(request)
    spain.execute("UPDATE legacy_es.es_enrollment SET is_cancelled = true")
    again = insured.claims.ApplyAccumulators(request)
    assert list(again.amounts) == list(first.amounts)


# -------------------------------------------------------------------------------------------------- explanations


def test_a_check_of_a_group_that_the_core_does_not_have_has_no_explanation(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.row("S", "PARTNER", "SPA", "2024-03-01")
    spain.map()
    for name in "PCS":
        for day in ("2023-12-31", "2025-02-01"):
            check = pb.EligibilityCheck(member_id=spain.member(name), date=date(day))
            answer = insured.checks.CheckEligibility(pb.CheckEligibilityRequest(check=check, explain=True))
            assert list(answer.missing_coverage) == []


def test_a_group_that_cannot_be_aligned_is_not_explained(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.row("C", "CHILD", "SPA", "2024-03-01")
    check = pb.EligibilityCheck(member_id=spain.family.child, date=date("2024-05-01"))
    answer = insured.checks.CheckEligibility(pb.CheckEligibilityRequest(check=check, explain=True))
    assert reason_of(answer) == "NOT_YET_COVERED"
    assert iso(answer.first_day) == "2024-06-01"
    assert list(answer.missing_coverage) == []


def test_every_record_names_the_group_that_it_will_keep(spain: Spain, insured: Insured) -> None:
    add_family(spain)
    spain.map()
    (record,) = insured.check(ON).records
    assert (record.group_id, record.key) == (spain.group_id(), spain.key())
    assert insured.family.group().group_id == record.group_id
