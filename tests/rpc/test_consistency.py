"""Consistency tokens are cumulative on every server of a deployment: only the newest one is needed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from affilia.catalog.v1 import member_service_pb2
from affilia.catalog.v1.member_pb2 import Birth
from affilia.eligibility.v1 import eligibility_internal_service_pb2 as internal_pb
from tests.rpc.test_projection import Servers, servers
from tests.scenarios.enrollment_messages import date
from tests.support.calls import new_id
from tests.support.insured import DEDUCTIBLE, Insured

__all__ = ["servers"]

ON = "2026-06-15"
ROUNDS = 12


class Two:
    """One family seen through two servers, and an unrelated family whose writes return the tokens."""

    def __init__(self, servers: Servers) -> None:
        first, second = servers.start(), servers.start()
        self.one = servers.insured(first).set_up()
        self.two = servers.insured(second, **self.one.family.ids())
        self.stranger = servers.insured(second).set_up()

    def unrelated_submit(self, n: int) -> str:
        """Returns the token of a write on the second server that is unrelated to the family."""
        self.stranger.enroll(f"2026-01-{n + 1:02}", f"2026-01-{n + 1:02}")
        return self.stranger.token

    def unrelated_fact(self, n: int) -> str:
        request = member_service_pb2.RecordFactsRequest(
            request_id=new_id(), member_id=self.stranger.family.child, birth=Birth(born_on=date(f"2015-03-{n + 1:02}"))
        )
        return self.stranger.family.members.RecordFacts(request).consistency_token

    def unrelated_application(self, n: int) -> str:
        if n == 0:
            self.stranger.enroll("2026-01-01")
        self.stranger.apply(ON, deductible=1)
        return self.stranger.token


@pytest.fixture
def two(servers: Servers) -> Two:
    return Two(servers)


UNRELATED: list[Callable[[Two, int], str]] = [Two.unrelated_submit, Two.unrelated_fact, Two.unrelated_application]


def _name(write: Callable[[Two, int], str]) -> str:
    return write.__name__


@pytest.mark.parametrize("unrelated", UNRELATED, ids=_name)
def test_the_token_of_a_later_write_reflects_amendments_usage_and_enrollment(
    two: Two, unrelated: Callable[[Two, int], str]
) -> None:
    """Everything is written on one server. The newest token comes from the other one and is used on both."""
    two.one.enroll("2026-01-01", "2026-12-31")
    used = 0
    for n in range(ROUNDS):
        two.one.family.amend(two.one.contract(individual=10_000 + n, family=20_000 + n))
        two.one.apply(ON, deductible=n + 1)
        used += n + 1
        two.one.enroll(f"2027-{n + 1:02}-01", f"2027-{n + 1:02}-20", child=True)
        newest = unrelated(two, n)
        for reader in (two.two, two.one):
            reader.token = newest
            accumulator = next(a for a in reader.check(ON).accumulators if a.code == DEDUCTIBLE)
            assert (accumulator.individual.limit, accumulator.individual.used) == (10_000 + n, used)
            assert reader.reason(f"2027-{n + 1:02}-10", reader.family.child) == "COVERED"


def test_amounts_are_applied_by_what_was_recorded_before_the_token(two: Two) -> None:
    """Applying uses the projection in the database, which must reach the token first."""
    for n in range(ROUNDS):
        day = f"2026-{n + 1:02}-05"
        two.one.enroll(day, day)
        two.two.token = two.unrelated_submit(n)
        _, applied = two.two.apply(day, deductible=1)
        assert applied == [(1, 0)]


def test_the_newest_token_of_many_concurrent_writers_is_enough(two: Two) -> None:
    """The last token reflects every write that was answered before the token was requested."""
    two.one.enroll("2026-01-01", "2026-12-31")
    two.one.apply(ON, deductible=1)  # waits until the enrollment is projected, which the others do not
    for n in range(4):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda i: (two.one, two.two)[i % 2].claims.ApplyAccumulators(_one(two.one)), range(16)))
        two.two.token = two.one.token = two.unrelated_submit(n)
        assert [each.used(ON) for each in (two.one, two.two)] == [(16 * (n + 1) + 1,) * 2] * 2


def _one(insured: Insured) -> internal_pb.ApplyAccumulatorsRequest:
    request = insured.application(ON, deductible=1)
    request.consistency_token = ""
    return request
