"""Coverage and checks over the wire: every paragraph of the page."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.type.v1 import membership_type_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.insured import Insured, reason_of


@pytest.fixture
def insured(server: ServerProcess, internal: grpc.Channel) -> Iterator[Insured]:
    with grpc.insecure_channel(server.address) as channel:
        yield Insured(channel, internal).set_up()


def named(day: Any) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def days(record: Any) -> tuple[str, str]:
    return named(record.days.first_on), named(record.days.last_on)


def test_a_check_reflects_the_write_whose_token_it_brings(insured: Insured) -> None:
    assert insured.reason("2026-03-01") == "NO_COVERAGE"
    for month in range(1, 9):
        insured.enroll(f"2026-{month:02}-01", f"2026-{month:02}-20")
        assert insured.reason(f"2026-{month:02}-20") == "COVERED"
        assert insured.check(f"2026-{month:02}-20").records[0].revision == month


def test_why_a_member_is_not_covered_and_since_or_until_when(insured: Insured) -> None:
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


def test_modules_and_capabilities(insured: Insured) -> None:
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


def test_a_locator_that_there_is_not_or_no_longer(insured: Insured) -> None:
    insured.enroll("2026-03-01")
    locator = insured.records("2026-06-01")[0].locator
    insured.submit(insured.family.leave("2026-01-01"))
    for unknown in (locator, new_id()):
        asked = pb.GetCoverageRequest(locator=unknown, consistency_token=insured.token)
        failure = failure_of(insured.checks.GetCoverage, asked)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "COVERAGE_UNKNOWN")


def test_an_amended_contract_is_told_at_once_and_cuts_records(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    assert insured.reason("2026-08-01", capability="LATER") == "CAPABILITY_NOT_INCLUDED"
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
    assert before.locator != after.locator


def amended(insured: Insured, contract: contract_pb2.Contract) -> str:
    """The token of an amendment."""
    catalog = insured.family.catalog
    current = catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=insured.family.contract_id))
    request = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(),
        contract_id=insured.family.contract_id,
        versions=contract.versions,
        etag=current.contract.etag,
    )
    return str(catalog.AmendContract(request).consistency_token)


def test_lists_of_coverage(insured: Insured) -> None:
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


def test_the_end_of_the_calendar_is_a_day_like_any_other(insured: Insured) -> None:
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


def test_accumulators_are_told_whatever_module_is_asked_for(insured: Insured) -> None:
    insured.enroll("2026-01-01")
    insured.enroll("2026-01-01", module=insured.family.option)
    whole = insured.check("2026-03-01")
    assert len(whole.accumulators) == 2
    for asked in ({"module_id": insured.family.option}, {"capability": "HOME_CARE"}, {"capability": "NONE"}):
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


def test_who_is_covered_twice_is_told_who_pays_first(server: ServerProcess, insured: Insured) -> None:
    """A child on two parents' policies: the parent whose birthday comes first in the year pays first."""
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
    assert set(empty.violations) == {"check.member_id", "check.date"}
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
