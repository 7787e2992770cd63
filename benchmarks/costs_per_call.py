"""Measures the CPU time of common calls and the disk space of what they record, for `benchmarks/sizing.py`.

The argument of `python -m benchmarks.costs_per_call 100` is the number of families. CPU times of the server and of
PostgreSQL are read from /proc, minus what both use while idle. They depend less on how busy the machine is than rates
do. With few families, the figures for disk space are somewhat larger.
"""

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from affilia.eligibility.v1 import eligibility_check_service_pb2 as eligibility_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.premium.v1 import premium_computation_service_pb2 as premium_pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import cost_provider_service_pb2 as cost_pb
from benchmarks.figures import Figure, table
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.usage import cpu_seconds
from tests.rpc.test_costs import costs, inquiry, priced_contract, quote, spec
from tests.scenarios.enrollment_messages import date
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, new_id
from tests.support.waiting import wait_until

CALLERS = 16
IDLE_SECONDS = 10.0
MEMBERS = 2
"""Members of a family: the primary and a child."""
READS_PER_FAMILY = 10


class Meter:
    """Measures the cost of work that is done for each family."""

    def __init__(self, server: MeasuredServer, families: Iterable[Family], pool: ThreadPoolExecutor) -> None:
        self._server, self._families, self._pool = server, list(families), pool
        before, began = self._used(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        took = time.monotonic() - began
        self._idle = {part: (used - before[part]) / took for part, used in self._used().items()}
        """CPU time per second while idle."""

    def cpu(self, name: str, call: Callable[[Family], object], times: int = 1) -> list[Figure]:
        """Makes a call for each family, several times, and returns its CPU time in the server and in PostgreSQL."""
        before, began = self._used(), time.monotonic()
        for _ in range(times):
            list(self._pool.map(call, self._families))
        after, took = self._used(), time.monotonic() - began
        calls = times * len(self._families)
        each = {part: (after[part] - before[part] - self._idle[part] * took) / calls for part in after}
        return [
            Figure(name=f"costs_per_call.{name}.{part}_cpu", value=1e6 * used, unit="us/call", against=f"{calls} calls")
            for part, used in each.items()
        ]

    def disk(self, name: str, work: Callable[[], object], items: int) -> Figure:
        """Does work, and returns the growth of the database per item."""
        before = _size(self._server)
        work()
        grown = (_size(self._server) - before) / items / 1024
        return Figure(name=f"costs_per_call.{name}.disk", value=grown, unit="KiB", against=f"{items} items")

    def _used(self) -> dict[str, float]:
        return {part: cpu_seconds(pid) for part, pid in self._server.pids.items()}


def measure(families: str = "500") -> list[Figure]:
    number = int(families)
    with measured_server() as server, ThreadPoolExecutor(CALLERS) as pool:
        first = Family(server.channel).set_up()
        first.amend(priced_contract(first))
        ids = {"contract_id": first.contract_id, "base": first.base, "plus": first.plus, "option": first.option}
        all_families = [Family(server.channel, **ids) for _ in range(number)]
        meter, figures = Meter(server, all_families, pool), list[Figure]()
        figures.append(meter.disk("member", lambda: list(pool.map(_enroll, all_families)), number * MEMBERS))
        change = lambda: figures.extend(meter.cpu("submit", _change))  # noqa: E731 (what is measured twice)
        figures.append(meter.disk("change", change, number))
        wait_until(lambda: _is_checked(all_families[-1]), "the last family is projected")
        for name, call in (("check", _check), ("read", lambda family: family.group()), ("quote", _quote)):
            figures += meter.cpu(name, call, READS_PER_FAMILY)
        figures.append(meter.disk("policy_year", lambda: _compute_a_year(server, first.contract_id), number))
    return figures


def _enroll(family: Family) -> None:
    for member_id, born_on in ((family.primary, "1980-06-01"), (family.child, "2015-06-01")):
        family.store(member_id)
        family.born(member_id, born_on)
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())


def _change(family: Family) -> None:
    family.submit(family.enroll(family.option, "2026-03-01"), requester=admin())


def _check(family: Family) -> eligibility_pb.CheckEligibilityResponse:
    request = eligibility_pb.CheckEligibilityRequest()
    request.check.member_id = family.primary
    request.check.date.CopyFrom(date("2026-06-01"))
    response: eligibility_pb.CheckEligibilityResponse = EligibilityCheckServiceStub(family.channel).CheckEligibility(
        request
    )
    return response


def _is_checked(family: Family) -> bool:
    return _check(family).covered


def _quote(family: Family) -> None:
    asked = inquiry(contract_quote=quote(family, spec(family), spec(family)))
    costs(family).GetInsuranceCost(cost_pb.GetInsuranceCostRequest(inquiry=asked))


def _compute_a_year(server: MeasuredServer, contract_id: str) -> None:
    request = premium_pb.RunPremiumsRequest(
        request_id=new_id(), contract_id=contract_id, months=months("2026-01", "2026-12")
    )
    (*_, last) = PremiumComputationServiceStub(server.channel).RunPremiums(request, timeout=600)
    if last.run.state != premium_pb.PREMIUM_RUN_STATE_DONE or last.run.failed:
        raise RuntimeError(f"the premium run failed: {last.run}")


def _size(server: MeasuredServer) -> int:
    """Returns the size of the database in bytes, after vacuum has freed what it can."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("VACUUM")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None  # noqa: S101 (an aggregate has a row)
        return int(row[0])


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
