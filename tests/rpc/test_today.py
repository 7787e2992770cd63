"""Calls that default to today, around midnight: each contract is judged by today in its own time zone.

Dates in Kiritimati and Pago Pago always differ, because the two are 25 hours apart.
"""

from collections.abc import Iterator
from datetime import date as Date  # noqa: N812 (`date` is the message)
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_service_pb2
from affilia.eligibility.v1 import coverage_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.command_line import typed
from tests.support.double_cover import DoubleCover
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of
from tests.support.insured import reason_of

EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"
DAY = timedelta(days=1)
TEN_YEARS, A_YEAR = timedelta(days=3653), timedelta(days=366)


def today_in(zone: str) -> Date:
    return datetime.now(ZoneInfo(zone)).date()


@pytest.fixture(autouse=True)
def _same_day() -> Iterator[None]:
    """Skips a test during which a day ended."""
    before = today_in(EAST), today_in(WEST)
    yield
    if before != (today_in(EAST), today_in(WEST)):
        pytest.skip("a day ended while this ran")


class TwoZones:
    """A member with an own policy under a contract in each time zone, and a family under each."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.cover = DoubleCover(channel)
        self.member = self.cover.person("1980-01-01")
        self.contracts = {zone: self.cover.contract(zone=zone) for zone in (EAST, WEST)}
        self.names = {contract[0]: zone for zone, contract in self.contracts.items()}

    def enroll(self, zone: str, first: Date, last: Date | None = None) -> None:
        last_on = str(last) if last else None
        self.cover.enroll(self.contracts[zone], self.member, self.member, "PRIMARY", str(first), last_on)

    def zones_of(self, answer: pb.CheckEligibilityResponse) -> set[str]:
        return {self.names[record.key.contract_id] for record in answer.records}


@pytest.fixture
def zones(server_channel: grpc.Channel) -> TwoZones:
    return TwoZones(server_channel)


def test_a_check_without_a_day_judges_each_contract_by_its_own_today(zones: TwoZones) -> None:
    for zone in (EAST, WEST):
        zones.enroll(zone, today_in(zone), today_in(zone))
    unset = zones.cover.check(zones.member)
    assert (unset.covered, zones.zones_of(unset)) == (True, {EAST, WEST})
    for zone in (EAST, WEST):
        assert zones.zones_of(zones.cover.check(zones.member, str(today_in(zone)))) == {zone}
    check = pb.EligibilityCheck(member_id=zones.member)
    batch = pb.BatchCheckEligibilityRequest(checks=[check, check], consistency_token=zones.cover.token)
    outcomes = zones.cover.checks.BatchCheckEligibility(batch).outcomes
    assert [zones.zones_of(outcome.answer) for outcome in outcomes] == [{EAST, WEST}] * 2


def test_a_check_without_a_day_reports_the_next_and_the_last_day(zones: TwoZones) -> None:
    zones.enroll(WEST, today_in(WEST) + DAY)
    tomorrow = zones.cover.check(zones.member)
    assert reason_of(tomorrow) == "NOT_YET_COVERED"
    assert tomorrow.first_day == date(str(today_in(WEST) + DAY))
    zones.enroll(EAST, today_in(EAST) - DAY, today_in(EAST) - DAY)
    ended = zones.cover.check(zones.member)
    assert reason_of(ended) == "COVERAGE_ENDED"
    assert ended.last_day == date(str(today_in(EAST) - DAY))


def test_a_check_without_a_day_of_a_member_without_coverage(zones: TwoZones) -> None:
    assert reason_of(zones.cover.check(new_id())) == "NO_COVERAGE"
    assert reason_of(zones.cover.check(zones.member)) == "NO_COVERAGE"


def test_a_check_without_a_day_is_answered_again_when_the_day_has_ended(zones: TwoZones) -> None:
    """The result may be cached only for its day."""
    zones.enroll(EAST, Date(2026, 1, 1), Date(2026, 3, 31))
    request = pb.CheckEligibilityRequest(
        check=pb.EligibilityCheck(member_id=zones.member), consistency_token=zones.cover.token
    )
    for today, reason in (
        ("2026-03-31", "COVERED"),
        ("2026-04-01", "COVERAGE_ENDED"),
        ("2025-12-31", "NOT_YET_COVERED"),
    ):
        for _ in range(2):
            answer = zones.cover.checks.CheckEligibility(request, metadata=(("x-affilia-today", today),))
            assert reason_of(answer) == reason


def test_missing_coverage_is_explained_for_each_contracts_today(zones: TwoZones) -> None:
    """Each enrollment loses only the today of its own contract."""
    for zone in (EAST, WEST):
        today = today_in(zone)
        zones.enroll(zone, today - 2 * DAY, today + 2 * DAY)
        zones.cover.leave(zones.contracts[zone], zones.member, zones.member, str(today), str(today))
    request = pb.CheckEligibilityRequest(
        check=pb.EligibilityCheck(member_id=zones.member), consistency_token=zones.cover.token, explain=True
    )
    answer = zones.cover.checks.CheckEligibility(request, timeout=60)
    assert reason_of(answer) == "COVERAGE_ENDED"
    assert {each.module_id for each in answer.missing_coverage} == {zones.contracts[EAST][1], zones.contracts[WEST][1]}
    assert {each.revision for each in answer.missing_coverage} == {2}


def test_coverage_is_listed_around_each_contracts_today_by_default(zones: TwoZones) -> None:
    """Only the last day of each early run, and the first day of each late one, are within the default span."""
    for zone in (EAST, WEST):
        today = today_in(zone)
        zones.enroll(zone, today - TEN_YEARS - 9 * DAY, today - TEN_YEARS)
        zones.enroll(zone, today + A_YEAR - DAY)

    def listed(**how: Any) -> list[coverage_pb2.CoverageRecord]:
        found: list[coverage_pb2.CoverageRecord] = []
        request = pb.ListMemberCoverageRequest(member_id=zones.member, consistency_token=zones.cover.token, **how)
        while True:
            page = zones.cover.checks.ListMemberCoverage(request)
            found += page.records
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    firsts = {
        (
            zones.names[each.key.contract_id],
            Date(each.days.first_on.year, each.days.first_on.month, each.days.first_on.day),
        )
        for each in listed()
    }
    expected = {(zone, today_in(zone) + A_YEAR - DAY) for zone in (EAST, WEST)}
    assert expected <= firsts
    early = {
        (each.key.contract_id, each.days.last_on.day)
        for each in listed()
        if each.days.last_on.year < today_in(EAST).year - 5
    }
    assert early == {(zones.contracts[zone][0], (today_in(zone) - TEN_YEARS).day) for zone in (EAST, WEST)}
    assert [each.locator for each in listed(page_size=1)] == [each.locator for each in listed()]


def test_a_found_member_is_enrolled_today_by_each_groups_own_day(zones: TwoZones) -> None:
    for zone in (EAST, WEST):
        zones.enroll(zone, today_in(zone), today_in(zone))
    request = member_service_pb2.SearchMembersRequest(query=zones.member)
    (hit,) = zones.cover.members.SearchMembers(request).hits
    assert {zones.names[group.contract_id]: group.enrolled_today for group in hit.groups} == {EAST: True, WEST: True}


def test_modules_are_described_as_on_their_contracts_today(server_channel: grpc.Channel) -> None:
    found = {}
    for zone in (EAST, WEST):
        family = Family(server_channel)
        contract = family.contract()
        contract.time_zone = zone
        (version,) = contract.versions
        later = contract.versions.add()
        later.CopyFrom(version)
        version.days.last_on.CopyFrom(date(str(today_in(EAST) - DAY)))
        later.days.CopyFrom(span(str(today_in(EAST)), None))
        for each, name in ((version, "before"), (later, "now")):
            each.modules[0].display_name = name
        family.set_up(contract)
        request = catalog_service_pb2.GetModulesRequest(module_ids=[family.base])
        found[zone] = family.catalog.GetModules(request).modules[0].module.display_name
    assert found == {EAST: "now", WEST: "before"}


@pytest.mark.parametrize(("zone", "allowed"), [(EAST, 0), (WEST, 1)])
def test_backdating_counts_from_the_contracts_today(server_channel: grpc.Channel, zone: str, allowed: int) -> None:
    family = Family(server_channel)
    contract: contract_pb2.Contract = family.contract()
    contract.time_zone = zone
    contract.versions[0].max_backdating_days = 0
    family.set_up(contract)
    west_of_east = family.enroll(family.base, str(today_in(EAST) - DAY))
    simulated = family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=family.primary_as_requester(), group=family.key, changes=[west_of_east]
        )
    )
    assert (simulated.verdict == change_request_pb2.VERDICT_APPROVED) == bool(allowed)
    today = family.submit(family.enroll(family.base, str(today_in(zone))))
    assert today.change_request.verdict == change_request_pb2.VERDICT_APPROVED


def test_a_member_can_be_erased_from_the_day_after_their_last_in_the_contracts_time_zone(zones: TwoZones) -> None:
    zones.enroll(WEST, today_in(WEST) - DAY, today_in(WEST))
    request = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=zones.member)
    with pytest.raises(grpc.RpcError) as covered:
        zones.cover.members.EraseMember(request)
    assert covered.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    zones.cover.leave(zones.contracts[WEST], zones.member, zones.member, str(today_in(WEST)))
    zones.cover.members.EraseMember(request)


def test_a_members_token_can_leave_out_the_day(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _),
        connected_to(server.address) as channel,
    ):
        assert isinstance(server, ServerProcess)
        two = TwoZones(channel_of(channel, as_("admin", "ada")))
        two.cover.requester = admin(name="ada")
        two.enroll(EAST, today_in(EAST))
        token = two.cover.token
        two.cover = DoubleCover(channel_of(channel, as_("member", two.member)))
        two.cover.token = token
        assert two.zones_of(two.cover.check(two.member)) == {EAST}


def test_the_command_line_asks_about_each_contracts_today(server_address: str, zones: TwoZones) -> None:
    for zone in (EAST, WEST):
        zones.enroll(zone, today_in(zone), today_in(zone))
    zones.cover.check(zones.member)
    for words in (["why"], ["explain", "coverage"]):
        shown = typed(server_address, *words, zones.member, COLUMNS="250")
        assert shown.code == 0, shown.err
        assert {zone for zone in (EAST, WEST) if f"{today_in(zone)}" in shown.out} == {EAST, WEST}
        assert shown.out.count("pays ") == 2
        assert shown.out.count(": enrolled") == 2
    choices = typed(server_address, "choices", zones.member, COLUMNS="250")
    assert (choices.code, choices.out.count(": enrolled")) == (0, 2), choices.err
