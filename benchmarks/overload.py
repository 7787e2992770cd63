"""Sends five times as many calls as the server can serve, without waiting for responses (open loop). Excess calls
should be rejected quickly, and as many calls served as without the overload.

Each call is SimulateChangeRequest on a family with some history: a few milliseconds of the server's CPU. The capacity
is measured in the same run, by callers that wait for responses. Meanwhile, a quiet caller occasionally reads a group:
first alone, then during the overload. If calls are sent with a long lag, the client was overloaded, and the figures
mean nothing.

`python -m benchmarks.overload 2` measures two server processes.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

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
SECONDS = 8.0
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
        alone = quiet(3.0)
        capacity = run(_simulations(request, number), server.address, pids=server.pids)
        reading = beside.submit(quiet, SECONDS)
        flood = run(_simulations(request, number, TIMES * capacity.rate), server.address, pids=server.pids)
        figures = [*_flooded(name, capacity, flood), *_quiet(f"{name}.quiet_alone", alone)]
        return [*figures, *_quiet(f"{name}.quiet_beside", reading.result())]


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


def _flooded(name: str, capacity: Outcome, flood: Outcome) -> list[Figure]:
    client = flood.client

    def figure(what: str, value: float, unit: str, against: str = "") -> Figure:
        return Figure(name=f"{name}.{what}", value=value, unit=unit, against=against, client=client)

    served = Figure(
        name=f"{name}.served.ratio",
        value=flood.rate / capacity.rate,
        unit="x",
        at_least=SERVED,
        against="the capacity, in the same run",
        client=client,
    )
    cost = Figure(
        name=f"{name}.server_cpu",
        value=capacity.cpu_us["server"],
        unit="us/call",
        at_least=MIN_CALL_US,
        against="at capacity; cheaper calls can't be rejected cheaply enough",
        client=client,
    )
    figures = [
        served,
        figure("capacity", capacity.rate, "calls/s", f"{CALLERS} callers for each process, who wait"),
        cost,
        figure("arrived", flood.sent_rate / capacity.rate, "x", "the capacity"),
        figure("served.p99", flood.ok.p99_seconds * 1e3, "ms"),
        figure("lag.p99", flood.lag_p99_seconds * 1e3, "ms", "how late calls were sent"),
    ]
    if rejected := flood.statuses.get(REJECTED):
        p99 = Figure(
            name=f"{name}.rejected.p99",
            value=rejected.p99_seconds * 1e3,
            unit="ms",
            at_most=MAX_REJECTION_MS,
            client=client,
        )
        figures.append(p99)
    others = sum(each.calls for status, each in flood.statuses.items() if status not in ("OK", REJECTED))
    return [*figures, figure("other_failures", others, "calls", "neither served nor rejected with RetryInfo")]


def _quiet(name: str, outcome: Outcome) -> list[Figure]:
    failed = sum(each.calls for status, each in outcome.statuses.items() if status != "OK")
    against = "a quiet caller's reads"
    return [
        Figure(
            name=f"{name}.p50", value=outcome.ok.p50_seconds * 1e3, unit="ms", against=against, client=outcome.client
        ),
        Figure(
            name=f"{name}.p99", value=outcome.ok.p99_seconds * 1e3, unit="ms", against=against, client=outcome.client
        ),
        Figure(name=f"{name}.failed", value=failed, unit="calls", against=against, client=outcome.client),
    ]


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
