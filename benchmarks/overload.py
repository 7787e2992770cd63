"""Sends five times as many calls as the server can serve, without waiting for responses (open loop). Excess calls
should be rejected quickly, and as many calls served as without the overload.

Each call is SimulateChangeRequest on a family with some history: a few milliseconds of the server's CPU. The capacity
is measured in the same run and from the same process, by callers that wait for responses. Meanwhile, a quiet caller
occasionally reads a group: first alone, then during the overload. The benchmark reports how late calls were sent,
because a client that lags itself measures nothing.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import grpc

from affilia.enrollment.v1 import change_request_service_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2 import GetEnrollmentGroupRequest
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from benchmarks.running import a_server
from tests.support.calls import Family, admin

CALLERS = 16
HISTORY = 40
TIMES = 5
SECONDS = 8.0
DEADLINE_SECONDS = 10.0
CHANNELS = 8
PAUSE_SECONDS = 0.02

Ends = dict[str, list[float]]
"""Durations of calls in seconds, by status."""


def measure() -> None:
    with a_server() as (server, channel):
        family = Family(channel).set_up()
        for n in range(HISTORY):
            family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())
        asked = family.request(family.enroll(family.base, "2026-06-01"))
        request = change_request_service_pb2.SimulateChangeRequestRequest(
            requester=asked.requester, group=asked.group, changes=asked.changes
        )
        read = GetEnrollmentGroupRequest(key=family.key)
        asyncio.run(_measure(server.address, server.process.pid, request, read))


async def _measure(address: str, pid: int, request: Any, read: Any) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS + 1)]
    stubs: list[Any] = [ChangeRequestServiceStub(channel) for channel in channels[1:]]
    quiet: Any = EnrollmentQueryServiceStub(channels[0])
    alone: Ends = {}
    await _read_now_and_then(quiet, read, alone, 2.0)
    capacity = await _capacity(stubs, request)
    print(f"SimulateChangeRequest, {CALLERS} callers who wait: {capacity:.0f} calls/s")
    beside: Ends = {}
    used = _cpu_seconds(pid)
    flood, _ = await asyncio.gather(
        _flood(stubs, request, capacity * TIMES), _read_now_and_then(quiet, read, beside, SECONDS)
    )
    print(f"CPU of the server during the run: {(_cpu_seconds(pid) - used) / SECONDS:.2f} of one core")
    _report(*flood, capacity)
    _report_quiet("alone", alone)
    _report_quiet("beside the flood", beside)
    for channel in channels:
        await channel.close()


def _cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process with all its threads. On a busy machine, it gets less than it could use."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _call(call: Any, request: Any, ends: Ends) -> None:
    began = time.perf_counter()
    try:
        await call(request, timeout=DEADLINE_SECONDS)
        code = "OK"
    except grpc.aio.AioRpcError as error:
        code = error.code().name
    ends.setdefault(code, []).append(time.perf_counter() - began)


async def _read_now_and_then(stub: Any, read: Any, ends: Ends, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        await _call(stub.GetEnrollmentGroup, read, ends)
        await asyncio.sleep(PAUSE_SECONDS)


async def _capacity(stubs: list[Any], request: Any) -> float:
    ends: Ends = {}
    until = time.perf_counter() + SECONDS

    async def work(n: int) -> None:
        while time.perf_counter() < until:
            await _call(stubs[n % CHANNELS].SimulateChangeRequest, request, ends)

    await asyncio.gather(*(work(n) for n in range(CALLERS)))
    return len(ends["OK"]) / SECONDS


async def _flood(stubs: list[Any], request: Any, rate: float) -> tuple[Ends, list[float]]:
    ends: Ends = {}
    late: list[float] = []
    calls: set[asyncio.Task[None]] = set()
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < SECONDS:
        while len(late) < now * rate:
            late.append(now - len(late) / rate)
            task = asyncio.create_task(_call(stubs[len(late) % CHANNELS].SimulateChangeRequest, request, ends))
            calls.add(task)
            task.add_done_callback(calls.discard)
        await asyncio.sleep(0.001)
    await asyncio.gather(*calls)
    return ends, late


def _report(ends: Ends, late: list[float], capacity: float) -> None:
    done, sent = len(ends.get("OK", ())) / SECONDS, len(late) / SECONDS
    print(f"{sent:.0f} calls/s arrived ({sent / capacity:.1f} x), sent {_milliseconds(late)} late")
    print(f"served: {done:.0f} calls/s, {done / capacity:.2f} of the capacity (target 0.80)")
    for code, seconds in sorted(ends.items()):
        target = " (target p99 50 ms)" if code == "RESOURCE_EXHAUSTED" else ""
        print(f"{code}: {len(seconds)}, {_milliseconds(seconds)}{target}")


def _report_quiet(when: str, ends: Ends) -> None:
    for code, seconds in sorted(ends.items()):
        print(f"a quiet caller's reads, {when}: {code} {len(seconds)}, {_milliseconds(seconds)}")


def _milliseconds(seconds: list[float]) -> str:
    seconds = sorted(seconds)
    median, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return f"median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
