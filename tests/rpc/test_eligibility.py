"""Coverage and eligibility checks over the wire."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest
from google.rpc import error_details_pb2
from google.type import date_pb2

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.insured import Insured, reason_of


@pytest.fixture
def insured(server: ServerProcess, internal: grpc.Channel) -> Iterator[Insured]:
    with connected_to(server.address) as channel:
        yield Insured(channel, internal).set_up()


def named(day: Any) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def days(record: Any) -> tuple[str, str]:
    return named(record.days.first_on), named(record.days.last_on)


def test_a_check_reflects_the_write_of_its_token(insured: Insured) -> None:
    assert insured.reason("2026-03-01") == "NO_COVERAGE"
    for month in range(1, 9):
        insured.enroll(f"2026-{month:02}-01", f"2026-{month:02}-20")
        assert insured.reason(f"2026-{month:02}-20") == "COVERED"
        assert insured.check(f"2026-{month:02}-20").records[0].revision == month


def test_a_check_reports_why_and_since_or_until_when_a_member_is_not_covered(insured: Insured) -> None:
    insured.enroll("2026-02-01", "2026-03-31")
    insured.enroll("2026-06-01")
    before, gap = insured.check("2026-01-31"), insured.check("2026-04-15")
    assert (reason_of(before), named(before.first_day), before.HasField("last_day")) == (
        "NOT_YET_COVERED",
        "2026-02-01",
        False,
    )
    assert (reason_of(gap), named(gap.last_day), named(gap.first_day)) == (
        "COVERAGE_ENDED",
        "2026-03-31",
        "2026-06-01",
    )
    insured.submit(insured.family.leave("2026-08-01"))
    ended = insured.check("2030-01-01")
    assert (reason_of(ended), named(ended.last_day), ended.HasField("first_day")) == (
        "COVERAGE_ENDED",
        "2026-07-31",
        False,
    )
    assert not before.covered and not before.records and not before.accumulators


def test_checks_by_module_and_capability(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    family = insured.family
    assert insured.reason("2026-03-01", module_id=family.base, capability="DENTAL") == "COVERED"
    other = insured.check("2026-03-01", module_id=family.plus)
    assert (reason_of(other), other.covered, [r.module_id for r in other.records]) == (
        "MODULE_NOT_COVERED",
        False,
        [family.base],
    )
    assert insured.reason("2026-03-01", capability="OPTICAL") == "CAPABILITY_NOT_INCLUDED"
    insured.enroll("2026-05-01", module=family.plus)
    assert insured.reason("2026-05-01", capability="OPTICAL") == "COVERED"

    def capable(capability: str, on: str) -> tuple[bool, str, str]:
        asked = pb.CheckCapabilityRequest(
            member_id=family.primary, capability=capability, date=date(on), consistency_token=insured.token
        )
        answer = insured.checks.CheckCapability(asked)
        return answer.capable, named(answer.days.first_on), named(answer.days.last_on)

    assert capable("OPTICAL", "2026-06-01") == (True, "2026-05-01", "2027-06-02")
    assert capable("DENTAL", "2026-06-01") == (True, "2026-01-01", "2027-06-02")  # on base, then on plus
    assert not capable("OPTICAL", "2026-04-30")[0]
    listed = insured.checks.ListCapabilities(
        pb.ListCapabilitiesRequest(member_id=family.primary, date=date("2026-06-01"))
    )
    assert list(listed.capabilities) == ["DENTAL", "OPTICAL"]


def unknown(insured: Insured, capability: str, member: str | None = None, on: str = "2026-03-01") -> str:
    """Makes both kinds of check of a capability, each of which must fail, and returns the code in their errors."""
    asked = {"member_id": member or insured.family.primary, "date": date(on), "capability": capability}
    token = insured.token
    failures = (
        failure_of(
            insured.checks.CheckEligibility,
            pb.CheckEligibilityRequest(check=pb.EligibilityCheck(**asked), consistency_token=token),
        ),
        failure_of(insured.checks.CheckCapability, pb.CheckCapabilityRequest(**asked, consistency_token=token)),
    )
    codes = [failure.facts["code"] for failure in failures]
    assert codes[0] == codes[1]
    for failure in failures:
        assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CAPABILITY_UNKNOWN")
    return codes[0]


def capable(insured: Insured, capability: str, member: str, on: str = "2026-03-01") -> bool:
    request = pb.CheckCapabilityRequest(
        member_id=member, capability=capability, date=date(on), consistency_token=insured.token
    )
    return bool(insured.checks.CheckCapability(request).capable)


@pytest.mark.parametrize("code", ["NONE", "dental", "DENTAL ", "DENTAL_", "%", "D", "é" * 100])
def test_a_capability_that_no_contract_of_the_member_lists_is_an_error(insured: Insured, code: str) -> None:
    insured.enroll("2026-01-01", "2026-12-31")
    for on in ("2025-12-31", "2026-03-01", "2027-01-01"):
        assert unknown(insured, code, on=on) == code
    for on, reason in (
        ("2025-12-31", "NOT_YET_COVERED"),
        ("2026-03-01", "CAPABILITY_NOT_INCLUDED"),
        ("2027-01-01", "COVERAGE_ENDED"),
    ):
        assert insured.reason(on, capability="HOME_CARE") == reason


def test_an_unknown_capability_is_an_error_for_members_whose_days_were_all_removed(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    insured.submit(insured.family.leave("2026-01-01"))
    assert insured.reason("2026-03-01", capability="DENTAL") == "NO_COVERAGE"
    assert unknown(insured, "NONE") == "NONE"


def test_a_capability_of_any_contract_of_the_member_is_known(insured: Insured) -> None:
    """The other contract lists a capability of its own, and the member left it before the first day."""
    insured.enroll("2026-01-01")
    other = Family(insured.family.channel, primary=insured.family.primary).set_up()
    contract = other.contract()
    contract.versions[0].modules[0].capabilities.append("MASSAGE")
    other.amend(contract)
    assert unknown(insured, "MASSAGE") == "MASSAGE"
    other.submit(other.enroll(other.base, "2026-01-01"), requester=admin())
    leave = other.submit(other.leave("2026-01-01"), requester=admin())
    insured.token = leave.consistency_token
    assert insured.reason("2026-03-01", capability="MASSAGE") == "CAPABILITY_NOT_INCLUDED"
    assert not capable(insured, "MASSAGE", insured.family.primary)
    assert unknown(insured, "NONE") == "NONE"


def test_members_without_a_contract_have_no_coverage_whatever_the_capability(insured: Insured) -> None:
    for member in (new_id(), insured.family.child):
        assert insured.reason("2026-03-01", member, capability="NONE") == "NO_COVERAGE"
        assert not capable(insured, "NONE", member)
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", child=True)
    assert unknown(insured, "NONE", insured.family.child) == "NONE"


def test_a_member_whose_periods_were_erased_is_answered_as_one_without_a_contract(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", "2026-02-28", child=True)
    child = insured.family.child
    assert unknown(insured, "NONE", child) == "NONE"
    erase = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=child, keep_periods=False)
    insured.token = insured.family.members.EraseMember(erase).consistency_token
    assert insured.reason("2026-02-01", child, capability="NONE") == "NO_COVERAGE"
    assert not capable(insured, "NONE", child)


def test_an_unknown_capability_fails_alone_in_a_batch(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    asked = [
        pb.EligibilityCheck(member_id=insured.family.primary, date=date("2026-03-01"), capability=code)
        for code in ("DENTAL", "NONE", "OPTICAL")
    ]
    request = pb.BatchCheckEligibilityRequest(checks=asked, consistency_token=insured.token)
    first, second, third = insured.checks.BatchCheckEligibility(request).outcomes
    assert [reason_of(outcome.answer) for outcome in (first, third)] == ["COVERED", "CAPABILITY_NOT_INCLUDED"]
    info = error_details_pb2.ErrorInfo()
    assert second.error.details[0].Unpack(info)
    assert (second.error.code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "CAPABILITY_UNKNOWN")
    assert dict(info.metadata) == {"code": "NONE"}


def test_records_never_leave_their_term_and_keep_their_locators(insured: Insured) -> None:
    insured.enroll("2025-03-01")
    first, second = insured.records("2025-06-01")[0], insured.records("2026-06-01")[0]
    assert days(first) == ("2025-03-01", "2025-12-31")
    assert days(second) == ("2026-01-01", "2026-12-31")
    assert first.locator != second.locator
    assert first.term_id != second.term_id
    assert (named(second.term.first_on), named(second.term.last_on)) == ("2026-01-01", "2026-12-31")
    assert (second.network_tier, list(second.capabilities)) == ("STANDARD", ["DENTAL"])
    insured.submit(insured.family.leave("2026-10-01"))
    again = insured.records("2026-06-01")[0]
    assert (again.locator, days(again)) == (second.locator, ("2026-01-01", "2026-09-30"))
    for record in (first, again):
        got = insured.checks.GetCoverage(pb.GetCoverageRequest(locator=record.locator)).record
        assert (got.locator, days(got)) == (record.locator, days(record))


def test_an_unknown_or_outdated_locator_is_not_found(insured: Insured) -> None:
    insured.enroll("2026-03-01")
    locator = insured.records("2026-06-01")[0].locator
    insured.submit(insured.family.leave("2026-01-01"))
    for unknown in (locator, new_id()):
        asked = pb.GetCoverageRequest(locator=unknown, consistency_token=insured.token)
        failure = failure_of(insured.checks.GetCoverage, asked)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "COVERAGE_UNKNOWN")


def test_an_amended_contract_applies_immediately_and_cuts_records(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    assert unknown(insured, capability="LATER", on="2026-08-01") == "LATER"
    contract = insured.contract()
    later = contract.versions.add()
    later.CopyFrom(contract.versions[0])
    contract.versions[0].days.last_on.CopyFrom(date("2026-06-30"))
    later.days.CopyFrom(span("2026-07-01", None))
    later.modules[0].capabilities.append("LATER")
    insured.token = amended(insured, contract)
    before, after = insured.records("2026-06-30")[0], insured.records("2026-07-01")[0]
    assert (days(before), days(after)) == (("2026-01-01", "2026-06-30"), ("2026-07-01", "2026-12-31"))
    assert list(after.capabilities) == ["DENTAL", "LATER"]
    assert insured.reason("2026-06-30", capability="LATER") == "CAPABILITY_NOT_INCLUDED"
    assert before.locator != after.locator


def amended(insured: Insured, contract: contract_pb2.Contract) -> str:
    """Returns the token of an amendment."""
    catalog = insured.family.catalog
    current = catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=insured.family.contract_id))
    request = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(),
        contract_id=insured.family.contract_id,
        versions=contract.versions,
        etag=current.contract.etag,
    )
    return str(catalog.AmendContract(request).consistency_token)


def test_coverage_is_listed_page_by_page(insured: Insured) -> None:
    insured.enroll("2025-07-01")
    insured.enroll("2026-01-01", "2026-06-30", child=True)
    family, token = insured.family, insured.token

    def listed(**how: Any) -> list[tuple[str, str]]:
        found = []
        asked = pb.ListMemberCoverageRequest(member_id=family.primary, consistency_token=token, **how)
        while True:
            page = insured.checks.ListMemberCoverage(asked)
            found += [days(record) for record in page.records]
            if not page.next_page_token:
                return found
            asked.page_token = page.next_page_token

    expected = [("2025-07-01", "2025-12-31"), ("2026-01-01", "2026-12-31"), ("2027-01-01", "2027-12-31")]
    asked_for = span("2025-01-01", "2027-05-01")
    assert listed(days=asked_for) == expected
    assert listed(days=asked_for, page_size=1) == expected
    assert listed(page_size=2)[:3] == expected
    active = insured.checks.GetActiveCoverage(
        pb.GetActiveCoverageRequest(member_id=family.child, date=date("2026-05-05"), consistency_token=token)
    )
    assert [days(record) for record in active.records] == [("2026-01-01", "2026-06-30")]
    of_contract = insured.checks.ListCoverage(
        pb.ListCoverageRequest(
            contract_id=family.contract_id, days=span("2026-01-01", "2026-12-31"), consistency_token=token
        )
    )
    assert sorted((r.member_id, *days(r)) for r in of_contract.records) == sorted(
        [(family.primary, "2026-01-01", "2026-12-31"), (family.child, "2026-01-01", "2026-06-30")]
    )
    nothing = insured.checks.ListCoverage(
        pb.ListCoverageRequest(group_id=insured.group_id, module_id=family.plus, days=span("2025-01-01", "2025-12-31"))
    )
    assert not nothing.records
    unknown = pb.ListCoverageRequest(contract_id=new_id(), days=span("2025-01-01", "2025-12-31"))
    assert failure_of(insured.checks.ListCoverage, unknown).reason == "CONTRACT_UNKNOWN"


FURTHEST_EAST, FURTHEST_WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""25 hours apart: their dates always differ."""


@pytest.fixture
def in_two_zones(server: ServerProcess, internal: grpc.Channel) -> Iterator[dict[str, Insured]]:
    """Returns one member as primary under two contracts, by the time zone of the contract."""
    with connected_to(server.address) as channel:
        east = Insured(channel, internal)
        west = Insured(channel, internal, primary=east.family.primary, child=east.family.child)
        for zone, insured in ((FURTHEST_EAST, east), (FURTHEST_WEST, west)):
            contract = insured.contract()
            contract.time_zone = zone
            request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
            insured.family.catalog.PublishContract(request)
        east.family.store(east.family.primary)
        yield {FURTHEST_EAST: east, FURTHEST_WEST: west}


def today_in(zone: str) -> str:
    return str(datetime.now(ZoneInfo(zone)).date())


def active_contracts(insured: Insured, *metadata: tuple[str, str], **how: Any) -> set[str]:
    """Returns the contracts of a member's active records."""
    request = pb.GetActiveCoverageRequest(member_id=insured.family.primary, consistency_token=insured.token, **how)
    return {record.key.contract_id for record in insured.checks.GetActiveCoverage(request, metadata=metadata).records}


def test_without_a_day_each_contract_answers_for_its_own_today(in_two_zones: dict[str, Insured]) -> None:
    east, west = in_two_zones[FURTHEST_EAST], in_two_zones[FURTHEST_WEST]
    todays = {zone: today_in(zone) for zone in in_two_zones}
    for zone, insured in in_two_zones.items():
        insured.enroll(todays[zone], todays[zone])
        insured.check(todays[zone])  # waits until the projection has it
    both = {east.family.contract_id, west.family.contract_id}
    active = active_contracts(east)
    if todays != {zone: today_in(zone) for zone in in_two_zones}:
        pytest.skip("a day ended while this ran")
    assert active == both
    assert active_contracts(east, date=date(todays[FURTHEST_EAST])) == {east.family.contract_id}
    assert active_contracts(east, date=date(todays[FURTHEST_WEST])) == {west.family.contract_id}


def test_without_a_day_the_today_of_a_development_server_holds_for_every_contract(
    in_two_zones: dict[str, Insured],
) -> None:
    east, west = in_two_zones[FURTHEST_EAST], in_two_zones[FURTHEST_WEST]
    east.enroll("2026-01-01", "2026-03-31")
    west.enroll("2026-03-31", "2026-12-31")
    west.check("2026-03-31")
    both = {east.family.contract_id, west.family.contract_id}
    assert active_contracts(east, ("x-affilia-today", "2026-03-30")) == {east.family.contract_id}
    assert active_contracts(east, ("x-affilia-today", "2026-03-31")) == both
    assert active_contracts(east, ("x-affilia-today", "2026-04-01")) == {west.family.contract_id}
    assert active_contracts(east, ("x-affilia-today", "2027-01-01")) == set()


def test_records_that_begin_together_are_each_on_some_page(insured: Insured) -> None:
    family = insured.family
    insured.enroll("2026-01-01", "2026-12-31")
    insured.enroll("2026-01-01", "2026-06-30", module=family.option)
    asked = pb.ListMemberCoverageRequest(
        member_id=family.primary, days=span("2026-01-01", "2026-12-31"), page_size=1, consistency_token=insured.token
    )
    modules = []
    while True:
        page = insured.checks.ListMemberCoverage(asked)
        modules += [record.module_id for record in page.records]
        if not page.next_page_token:
            break
        asked.page_token = page.next_page_token
    assert sorted(modules) == sorted([family.base, family.option])


def test_the_last_day_of_the_calendar_is_an_ordinary_day(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    for on in ("9999-06-01", "9999-12-31"):
        assert insured.reason(on, capability="DENTAL") == "COVERED"
        asked = pb.CheckCapabilityRequest(
            member_id=insured.family.primary, capability="DENTAL", date=date(on), consistency_token=insured.token
        )
        answer = insured.checks.CheckCapability(asked)
        assert (answer.capable, named(answer.days.last_on)) == (True, "9999-12-31")
    first = pb.CheckCapabilityRequest(member_id=insured.family.primary, capability="DENTAL", date=date("0001-01-01"))
    assert not insured.checks.CheckCapability(first).capable


def test_records_that_an_amendment_has_made_are_found_by_their_locators(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    assert insured.records("2026-01-01")  # the tokens of what follows say nothing of this write
    for month in range(2, 7):
        contract = insured.contract()
        later = contract.versions.add()
        later.CopyFrom(contract.versions[0])
        contract.versions[0].days.last_on.CopyFrom(date(f"2026-{month:02}-09"))
        later.days.CopyFrom(span(f"2026-{month:02}-10", None))
        later.modules[0].capabilities.append(f"SINCE_{month}")
        insured.token = amended(insured, contract)
        record = insured.records(f"2026-{month:02}-10")[0]
        assert named(record.days.first_on) == f"2026-{month:02}-10"
        asked = pb.GetCoverageRequest(locator=record.locator, consistency_token=insured.token)
        assert insured.checks.GetCoverage(asked).record == record


def test_accumulators_are_returned_for_any_requested_module(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", module=insured.family.option)
    whole = insured.check("2026-03-01")
    assert len(whole.accumulators) == 2
    for asked in ({"module_id": insured.family.option}, {"capability": "HOME_CARE"}, {"capability": "OPTICAL"}):
        assert list(insured.check("2026-03-01", **asked).accumulators) == list(whole.accumulators)


def test_a_batch_keeps_its_order_and_a_bad_check_fails_alone(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    good = pb.EligibilityCheck(member_id=insured.family.primary, date=date("2026-02-01"))
    stranger = pb.EligibilityCheck(member_id=new_id(), date=date("2026-02-01"))
    bad = pb.EligibilityCheck(member_id="x", date=date("2026-02-01"))
    asked = pb.BatchCheckEligibilityRequest(checks=[good, bad, stranger] * 333, consistency_token=insured.token)
    batch = insured.checks.BatchCheckEligibility(asked)
    outcomes = batch.outcomes
    assert len(outcomes) == 999
    assert batch.feed_position > 0 == outcomes[0].answer.feed_position
    outcomes[0].answer.feed_position = (alone := insured.check("2026-02-01")).feed_position
    assert outcomes[0].answer == alone
    assert [reason_of(o.answer) for o in outcomes[::3]] == ["COVERED"] * 333
    assert {o.error.code for o in outcomes[1::3]} == {3}
    assert [reason_of(o.answer) for o in outcomes[2::3]] == ["NO_COVERAGE"] * 333
    too_many = pb.BatchCheckEligibilityRequest(checks=[good] * 1001)
    assert "checks" in failure_of(insured.checks.BatchCheckEligibility, too_many).violations


def test_double_coverage_reports_who_pays_first(server: ServerProcess, insured: Insured) -> None:
    """For a child on the policies of two parents, the parent with the earlier birthday in the year pays first."""
    child = insured.family.child
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", child=True)
    assert insured.records("2026-03-01", child)
    other = Family(insured.family.channel, child=child)
    other.set_up()
    other.submit(other.enroll(other.base, "2025-06-01"), requester=admin())
    token = other.submit(other.enroll(other.base, "2025-06-01", child=True), requester=admin()).consistency_token

    def order() -> list[str]:
        asked = pb.CheckEligibilityRequest(
            check=pb.EligibilityCheck(member_id=child, date=date("2026-03-01")), consistency_token=token
        )
        return [record.key.primary_id for record in insured.checks.CheckEligibility(asked).records]

    insured.family.born(insured.family.primary, "1980-03-02")
    other.born(other.primary, "1990-03-01")
    assert order() == [other.primary, insured.family.primary]
    other.born(other.primary, "1990-03-03")
    assert order() == [insured.family.primary, other.primary]
    own = Family(insured.family.channel, primary=child)
    own.set_up()
    own.born(child, "2000-01-01")
    token = own.submit(own.enroll(own.base, "2026-02-01"), requester=admin()).consistency_token
    assert order() == [child, insured.family.primary, other.primary]
    assert insured.check("2026-03-01", child).records[0].membership_type == membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY


def test_malformed_requests_name_their_fields(insured: Insured) -> None:
    checks = insured.checks
    empty = failure_of(checks.CheckEligibility, pb.CheckEligibilityRequest(check=pb.EligibilityCheck(member_id="x")))
    assert set(empty.violations) == {"check.member_id"}
    for wrong in (date_pb2.Date(), date_pb2.Date(year=2026, month=2, day=30), date_pb2.Date(year=2026, month=2)):
        check = pb.EligibilityCheck(member_id=new_id(), date=wrong)
        assert "check.date" in failure_of(checks.CheckEligibility, pb.CheckEligibilityRequest(check=check)).violations
        asked = pb.BatchCheckEligibilityRequest(checks=[check])
        assert checks.BatchCheckEligibility(asked).outcomes[0].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    no_end = pb.ListCoverageRequest(days=span("2026-01-01", None))
    assert "days" in failure_of(checks.ListCoverage, no_end).violations
    endless = pb.ListMemberCoverageRequest(member_id=new_id(), days=span("0001-01-01", "9999-12-31"))
    assert "days" in failure_of(checks.ListMemberCoverage, endless).violations
    forged = pb.CheckEligibilityRequest(
        check=pb.EligibilityCheck(member_id=new_id(), date=date("2026-01-01")), consistency_token="forged"
    )
    assert failure_of(checks.CheckEligibility, forged).reason == "TOKEN_INVALID"
    for extreme in ("0001-01-01", "9999-12-31"):
        check = pb.EligibilityCheck(member_id=new_id(), date=date(extreme))
        assert reason_of(checks.CheckEligibility(pb.CheckEligibilityRequest(check=check))) == "NO_COVERAGE"
