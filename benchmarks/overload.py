"""Five times as many calls as a server can do, arriving whether it answers or not (open loop): what is refused is
refused at once, and what is done stays as much as before.

Each call is SimulateChangeRequest on a family with some history: a few milliseconds of the server's CPU. The capacity
is measured in the same run, by callers who wait for their answers. The load comes from one other process; what it could
not send in time is told, since a caller that is late itself measures nothing.
"""

import asyncio
import time
from collections import Counter
from typing import Any

import grpc

from affilia.enrollment.v1 import change_request_service_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from benchmarks.running import a_server, calls_per_second
from tests.support.calls import Family, admin

CALLERS = 16
HISTORY = 40
TIMES = 5
SECONDS = 8.0
DEADLINE_SECONDS = 10.0
CHANNELS = 8


def measure() -> None:
    with a_server() as (server, channel):
        family = Family(channel).set_up()
        for n in range(HISTORY):
            family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())
        asked = family.request(family.enroll(family.base, "2026-06-01"))
        request = change_request_service_pb2.SimulateChangeRequestRequest(
            requester=asked.requester, group=asked.group, changes=asked.changes
        )
        capacity = calls_per_second(lambda _: family.requests.SimulateChangeRequest(request), CALLERS)
        print(f"SimulateChangeRequest, {CALLERS} callers who wait: {capacity:.0f} calls/s")
        asyncio.run(_flood(server.address, request, capacity))


async def _flood(address: str, request: Any, capacity: float) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]
    stubs: list[Any] = [ChangeRequestServiceStub(channel) for channel in channels]
    ends: dict[str, list[float]] = {}
    late: list[float] = []
    rate = capacity * TIMES

    async def one(n: int, due: float) -> None:
        began = time.perf_counter()
        late.append(began - due)
        try:
            await stubs[n % CHANNELS].SimulateChangeRequest(request, timeout=DEADLINE_SECONDS)
            code = "OK"
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        ends.setdefault(code, []).append(time.perf_counter() - began)

    calls: set[asyncio.Task[None]] = set()
    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < SECONDS:
        while sent < now * rate:
            task = asyncio.create_task(one(sent, began + sent / rate))
            calls.add(task)
            task.add_done_callback(calls.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*calls)
    for channel in channels:
        await channel.close()
    _tell(ends, late, sent, capacity)


def _tell(ends: dict[str, list[float]], late: list[float], sent: int, capacity: float) -> None:
    done = len(ends.get("OK", ())) / SECONDS
    print(
        f"{sent / SECONDS:.0f} calls/s arrived ({sent / SECONDS / capacity:.1f} x),"
        f" sent at most {max(late) * 1000:.0f} ms late"
    )
    print(f"done: {done:.0f} calls/s, {done / capacity:.2f} of the capacity (target 0.80)")
    for code, seconds in sorted(ends.items()):
        seconds.sort()
        half, most = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        print(f"{code}: {len(seconds)}, median {half * 1000:.0f} ms, p99 {most * 1000:.0f} ms")
    print(f"statuses: {dict(Counter({code: len(its) for code, its in ends.items()}))}")
