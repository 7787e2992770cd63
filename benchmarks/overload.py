"""Sends five times as many calls as the server can serve, without waiting for responses (open loop). Excess calls
should be rejected quickly, and as many calls served as without the overload.

Each call is SimulateChangeRequest on a family with some history: a few milliseconds of the server's CPU. The capacity
is measured immediately before each overload, by callers that wait for responses, because it varies with what else runs
on the machine. Figures are medians of the rounds; failures are totals. Meanwhile, a quiet caller occasionally reads a
group: first alone, then during each overload. If calls are sent with a long lag, the client was overloaded, and the
figures mean nothing.

`python -m benchmarks.overload 2` measures two server processes.
"""

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import median

from affilia.enrollment.v1 import change_request_service_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2 import GetEnrollmentGroupRequest
from benchmarks.figures import Figure, table
from benchmarks.load import Load, Outcome, run
from benchmarks.running import MeasuredServer, measured_server
from tests.support.calls import Family, admin

SIMULATE = "/affilia.enrollment.v1.ChangeRequestService/SimulateChangeRequest"
READ = "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup"
CALLERS = 16
CONNECTIONS = 8
"""For each process. The kernel spreads them over the processes at random."""
HISTORY = 40
TIMES = 5
SECONDS = 6.0
ROUNDS = 3
DEADLINE_SECONDS = 10.0
SERVED, MAX_REJECTION_MS, MIN_CALL_US = 0.8, 50, 2000
QUIET_PER_SECOND = 20
REJECTED = "ResourceExhausted"


def measure(processes: str = "1") -> list[Figure]:
    number = int(processes)
    name = "overload" if number == 1 else f"overload.{number}_processes"
    with measured_server("--processes", processes) as server, ThreadPoolExecutor(1) as beside:
        family = Family(server.channel).set_up()
        for n in range(HISTORY):
            family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())
        asked = family.request(family.enroll(family.base, "2026-06-01"))
        request = change_request_service_pb2.SimulateChangeRequestRequest(
            requester=asked.requester, group=asked.group, changes=asked.changes
        ).SerializeToString()
        quiet = partial(_reads, server, GetEnrollmentGroupRequest(key=family.key).SerializeToString())
        alone, rounds = quiet(3.0), []
        for _ in range(ROUNDS):
            capacity = run(_simulations(request, number), server.address, pids=server.pids)
            reading = beside.submit(quiet, SECONDS)
            flood = run(_simulations(request, number, TIMES * capacity.rate), server.address, pids=server.pids)
            rounds.append(Round(capacity, flood, reading.result()))
        figures = [*_flooded(name, rounds), *_quiet(f"{name}.quiet_alone", [alone])]
        return [*figures, *_quiet(f"{name}.quiet_beside", [each.quiet for each in rounds])]


@dataclass(frozen=True, slots=True)
class Round:
    """The capacity, the overload after it, and the quiet caller's reads during the overload."""

    capacity: Outcome
    flood: Outcome
    quiet: Outcome


def _simulations(request: bytes, processes: int, rate: float = 0.0) -> Load:
    return Load(
        method=SIMULATE,
        requests=[request],
        callers=CALLERS * processes,
        connections=CONNECTIONS * processes,
        rate=rate,
        seconds=SECONDS,
        deadline_seconds=DEADLINE_SECONDS,
    )


def _reads(server: MeasuredServer, request: bytes, seconds: float) -> Outcome:
    """Reads a group now and then, over one connection."""
    load = Load(method=READ, requests=[request], rate=QUIET_PER_SECOND, connections=1, seconds=seconds)
    return run(load, server.address)


def _flooded(name: str, rounds: list[Round]) -> list[Figure]:
    client = rounds[0].flood.client

    def figure(what: str, values: Iterable[float], unit: str, against: str = "", **target: float) -> Figure:
        return Figure(name=f"{name}.{what}", value=median(values), unit=unit, against=against, client=client, **target)

    capacities, floods = [each.capacity for each in rounds], [each.flood for each in rounds]
    figures = [
        figure(
            "served.ratio",
            [each.flood.rate / each.capacity.rate for each in rounds],
            "x",
            "the capacity, immediately before",
            at_least=SERVED,
        ),
        figure("capacity", [each.rate for each in capacities], "calls/s", f"{CALLERS} callers per process, who wait"),
        figure(
            "server_cpu",
            [each.cpu_us["server"] for each in capacities],
            "us/call",
            "at capacity; cheaper calls can't be rejected cheaply enough",
            at_least=MIN_CALL_US,
        ),
        figure("arrived", [each.flood.sent_rate / each.capacity.rate for each in rounds], "x", "the capacity"),
        figure("served.p99", [each.ok.p99_seconds * 1e3 for each in floods], "ms"),
        figure("lag.p99", [each.lag_p99_seconds * 1e3 for each in floods], "ms", "how late calls were sent"),
    ]
    if rejected := [each.statuses[REJECTED] for each in floods if REJECTED in each.statuses]:
        figures.append(
            figure("rejected.p99", [each.p99_seconds * 1e3 for each in rejected], "ms", at_most=MAX_REJECTION_MS)
        )
    others = sum(
        each.calls for flood in floods for status, each in flood.statuses.items() if status not in ("OK", REJECTED)
    )
    return [*figures, figure("other_failures", [others], "calls", "neither served nor rejected with RetryInfo")]


def _quiet(name: str, outcomes: list[Outcome]) -> list[Figure]:
    against, client = "a quiet caller's reads", outcomes[0].client
    p50, p99 = (median(getattr(each.ok, which) * 1e3 for each in outcomes) for which in ("p50_seconds", "p99_seconds"))
    failed = sum(each.calls for outcome in outcomes for status, each in outcome.statuses.items() if status != "OK")
    return [
        Figure(name=f"{name}.p50", value=p50, unit="ms", against=against, client=client),
        Figure(name=f"{name}.p99", value=p99, unit="ms", against=against, client=client),
        Figure(name=f"{name}.failed", value=failed, unit="calls", against=against, client=client),
    ]


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
