"""Who reads while a country is migrated: members with their own tokens, streams, and readers of changing stages."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_group_pb2,
)
from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from tests.scenarios.enrollment_messages import date
from tests.support.calls import failure_of
from tests.support.channels import connected_to
from tests.support.identities import FLAGS, VARIABLES, as_, channel_of
from tests.support.migration import CORE, DUAL_WRITE, FORCE_CORE, FORCE_LEGACY, READ_CORE, RETIRED, TRANSLATE, Spain
from tests.support.spanish import FLEX, FLEX_PLUS, SpanishServer
from tests.support.waiting import wait_until

LEGACY, OF_CORE = enrollment_group_pb2.ENROLLMENT_SOURCE_LEGACY, enrollment_group_pb2.ENROLLMENT_SOURCE_CORE


# -------------------------------------------------------------------------------------------------- members


class GuardedSpain(Spain):
    """The same for a server that requires tokens: calls are an admin's, on the day of the server's clock."""

    def channel_to(self, address: str) -> grpc.Channel:
        channel: grpc.Channel = channel_of(connected_to(address), as_("admin", "ada"))
        return channel

    def as_member(self, name: str) -> grpc.Channel:
        """Returns a channel with the token of a member."""
        address = self.server.process.address
        channel: grpc.Channel = channel_of(connected_to(address), as_("member", self.member(name)))
        return channel


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanishServer]:
    with pytest.MonkeyPatch.context() as environment:
        for name, secret in VARIABLES.items():
            environment.setenv(name, secret)
        server = SpanishServer(tmp_path_factory.mktemp("guarded"), *FLAGS, "--database-url", "embedded")
    yield server
    server.stop()


@pytest.fixture
def tokens(guarded: SpanishServer) -> GuardedSpain:
    """P and C in one policy, and A in another one. Nobody has stored an id."""
    guarded.reset()
    spain = GuardedSpain(guarded)
    spain.map()
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    spain.row("A", "PRIMARY", FLEX, "2024-03-01", owner="A")
    return spain


def test_members_read_their_own_groups_by_key_and_by_id(tokens: GuardedSpain) -> None:
    queries: Any = EnrollmentQueryServiceStub(tokens.as_member("P"))
    by_key, by_id = (
        pb.GetEnrollmentGroupRequest(key=tokens.key()),
        pb.GetEnrollmentGroupRequest(group_id=tokens.group_id()),
    )
    for request in (by_id, by_key):
        group = queries.GetEnrollmentGroup(request).group
        assert (group.source, len(group.periods)) == (LEGACY, 2)
    of_mine = pb.ListEnrollmentGroupsRequest(primary_id=tokens.member("P"))
    assert [each.group_id for each in queries.ListEnrollmentGroups(of_mine).groups] == [tokens.group_id()]


def test_members_cannot_find_out_what_others_have(tokens: GuardedSpain) -> None:
    for name in ("C", "A", "nobody"):
        queries: Any = EnrollmentQueryServiceStub(tokens.as_member(name))
        for request in (
            pb.GetEnrollmentGroupRequest(key=tokens.key()),
            pb.GetEnrollmentGroupRequest(group_id=tokens.group_id()),
            pb.GetEnrollmentGroupRequest(group_id=tokens.group_id("nobody")),
        ):
            assert failure_of(queries.GetEnrollmentGroup, request).code == grpc.StatusCode.PERMISSION_DENIED


def test_members_simulate_changes_of_people_in_their_legacy_group(tokens: GuardedSpain) -> None:
    requests: Any = ChangeRequestServiceStub(tokens.as_member("P"))
    family = tokens.family

    def simulation(change: Any) -> Any:
        return change_request_service_pb2.SimulateChangeRequestRequest(
            group=tokens.key(), changes=[change], requester=family.primary_as_requester()
        )

    change = family.enroll(family.option, "2030-01-01", child=True)
    answer = requests.SimulateChangeRequest(simulation(change))
    assert answer.verdict == change_request_pb2.VERDICT_APPROVED
    change.enroll.member_id = tokens.member("A")
    failure = failure_of(requests.SimulateChangeRequest, simulation(change))
    assert failure.code == grpc.StatusCode.PERMISSION_DENIED
    choices = change_request_service_pb2.ListAvailableChoicesRequest(
        group_id=tokens.group_id(), member_id=tokens.member("C"), on=date("2030-01-01")
    )
    assert len(requests.ListAvailableChoices(choices).choices) == 3


def test_members_check_themselves_and_ask_what_their_policy_costs(tokens: GuardedSpain) -> None:
    channel = tokens.as_member("C")
    checks: Any = EligibilityCheckServiceStub(channel)
    check = check_pb.EligibilityCheck(member_id=tokens.member("C"), date=date("2026-03-10"))
    assert checks.CheckEligibility(check_pb.CheckEligibilityRequest(check=check, explain=True)).covered
    policy = insurance_cost_pb2.Policy(group_id=tokens.group_id())
    request = cost_provider_service_pb2.GetInsuranceCostRequest(
        inquiry=insurance_cost_pb2.CostInquiry(on=date("2026-03-10"), policy=policy)
    )
    codes = [
        failure_of(CostProviderServiceStub(tokens.as_member(name)).GetInsuranceCost, request).code for name in "PC"
    ]
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.PERMISSION_DENIED]  # there are no prices


# -------------------------------------------------------------------------------------------------- streams


def test_groups_of_the_feed_are_the_cores_in_every_stage(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.row("S", "PARTNER", FLEX, "2025-01-01")
    start: dict[str, Any] = {"from": pb.FEED_START_SNAPSHOT}
    for stage in (TRANSLATE, DUAL_WRITE, READ_CORE, CORE, RETIRED):
        spain.move_to(stage)
        of_contract = enrollment_event_pb2.EnrollmentFilter(contract_ids=[spain.family.contract_id])
        request = pb.WatchEnrollmentsRequest(**start, filter=of_contract)
        stream = spain.family.queries.WatchEnrollments(request)
        group = next(group for message in stream for group in message.groups)
        stream.cancel()
        assert (group.source, group.revision) == (OF_CORE, 1)
        assert spain.periods(group) == ["P PRIMARY BASE 2024-03-01 -"]


# -------------------------------------------------------------------------------------------------- changing stages


def test_every_answer_is_that_of_one_stage_while_the_stage_changes(spain: Spain) -> None:
    """In READ_CORE the legacy rows answer, in CORE the decisions. They differ in all groups, in the same way."""
    owners = ("P", *"ABD")
    for owner in owners:
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    for owner in owners:
        spain.row(owner, "PRIMARY", FLEX_PLUS, "2025-01-01", owner=owner)
    spain.move_to(READ_CORE)
    modules = {LEGACY: spain.family.plus, OF_CORE: spain.family.base}
    checks: Any = EligibilityCheckServiceStub(spain.channel)
    wait_until(lambda: all(covered(checks, spain, owner) for owner in owners), "checks know all groups")
    stop, seen = threading.Event(), set[Any]()

    def newest(group: enrollment_group_pb2.EnrollmentGroup) -> None:
        last = max(group.periods, key=lambda period: period.days.first_on.year)
        assert last.module_id == modules[group.source]
        assert (group.revision == 0) is (group.source == LEGACY)
        seen.add(group.source)

    def read() -> None:
        while not stop.is_set():
            for owner in owners:
                newest(spain.group(owner))
                newest(
                    spain.family.queries.GetEnrollmentGroup(
                        pb.GetEnrollmentGroupRequest(group_id=spain.group_id(owner))
                    ).group
                )
                assert spain.group(owner, source_of_truth=FORCE_CORE).source == OF_CORE
                assert spain.group(owner, source_of_truth=FORCE_LEGACY).source == LEGACY

    def list_() -> None:
        request = pb.ListEnrollmentGroupsRequest(contract_id=spain.family.contract_id)
        while not stop.is_set():
            groups = spain.family.queries.ListEnrollmentGroups(request).groups
            assert [group.group_id for group in groups] == sorted(spain.group_id(owner) for owner in owners)
            assert len({group.source for group in groups}) == 1
            for group in groups:
                newest(group)

    def check() -> None:
        batch = [check_pb.EligibilityCheck(member_id=spain.member(owner), date=date("2026-03-10")) for owner in owners]
        while not stop.is_set():
            outcomes = checks.BatchCheckEligibility(check_pb.BatchCheckEligibilityRequest(checks=batch)).outcomes
            found = {(record.module_id, record.revision) for each in outcomes for record in each.answer.records}
            assert found in ({(modules[LEGACY], 0)}, {(modules[OF_CORE], 1)})
            seen.add(("check", *found))

    with ThreadPoolExecutor(3) as readers:
        reading = [readers.submit(reader) for reader in (read, list_, check)]
        try:
            for _ in range(8):
                for stage in (CORE, READ_CORE):
                    spain.move_to(stage)
                    if any(each.done() for each in reading):
                        break
            wait_until(lambda: len(seen) == 4 or any(each.done() for each in reading), "both stages were read")
        finally:
            stop.set()
        for each in reading:
            each.result()
    assert len(seen) == 4


def covered(checks: Any, spain: Spain, owner: str) -> bool:
    check = check_pb.EligibilityCheck(member_id=spain.member(owner), date=date("2026-03-10"))
    return bool(checks.CheckEligibility(check_pb.CheckEligibilityRequest(check=check)).covered)
