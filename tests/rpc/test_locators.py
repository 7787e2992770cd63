"""A record that any call returned is found by its locator, immediately and on every server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from affilia.catalog.v1 import contract_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.coverage_pb2 import CoverageRecord
from tests.rpc.test_projection import Servers, servers
from tests.scenarios.enrollment_messages import date, span
from tests.support.insured import Insured

__all__ = ["servers"]

TODAY = datetime.now(UTC).date()


def day(days_ahead: int) -> str:
    return (TODAY + timedelta(days_ahead)).isoformat()


def listed(insured: Insured, on: str) -> list[CoverageRecord]:
    request = pb.ListMemberCoverageRequest(member_id=insured.family.primary, days=span(on, on))
    return list(insured.checks.ListMemberCoverage(request).records)


def listed_of_policy(insured: Insured, on: str) -> list[CoverageRecord]:
    request = pb.ListCoverageRequest(group_id=insured.group_id, days=span(on, on))
    return list(insured.checks.ListCoverage(request).records)


def active(insured: Insured, on: str) -> list[CoverageRecord]:
    request = pb.GetActiveCoverageRequest(member_id=insured.family.primary, date=date(on))
    return list(insured.checks.GetActiveCoverage(request).records)


def checked(insured: Insured, on: str) -> list[CoverageRecord]:
    insured.token = ""
    return insured.records(on)


ASKED: list[Callable[[Insured, str], list[CoverageRecord]]] = [listed, listed_of_policy, active, checked]


def got(insured: Insured, record: CoverageRecord) -> CoverageRecord:
    found: CoverageRecord = insured.checks.GetCoverage(pb.GetCoverageRequest(locator=record.locator), timeout=60).record
    return found


@pytest.fixture
def two(servers: Servers) -> tuple[Insured, Insured]:
    one = servers.insured(servers.start())
    contract = one.contract()
    start = TODAY + timedelta(200)
    contract.term_start.CopyFrom(contract_pb2.TermStart(month=start.month, day=min(start.day, 28)))
    one.family.set_up(contract)
    return one, servers.insured(servers.start(), **one.family.ids())


def test_every_server_finds_records_by_locator_without_a_token(two: tuple[Insured, Insured]) -> None:
    """Includes records that begin in more than a year, in earlier or later terms."""
    one, two_ = two
    one.enroll(day(500))
    for ahead in (500, 700, 4000, 20_000):
        for asked in ASKED:
            one.check(day(ahead))  # with the token: the enrollment is known
            for record in asked(one, day(ahead)):
                assert got(two_, record) == record
                assert got(one, record) == record
    assert {len(asked(one, day(ahead))) for asked in ASKED for ahead in (500, 20_000)} == {1}


def test_the_other_server_finds_a_new_record_by_locator(two: tuple[Insured, Insured]) -> None:
    one, other = two
    for n in range(12):
        one.enroll(day(10 + 20 * n), day(15 + 20 * n))
        (record,) = one.records(day(12 + 20 * n))
        assert got(other, record) == record
