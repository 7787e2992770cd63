"""Which calls are served when more arrive than the server can handle: callers take turns, and calls that would wait too
long are rejected."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server.connections import Connections
from server.interceptors.admission import A_FEW_CALLS, LATE_SECONDS, TICK_SECONDS, Admission
from server.interceptors.around import Around
from server.interceptors.auditing import Auditing
from server.interceptors.limits import CallerLimits
from server.interceptors.telemetry import Observer
from server.interceptors.wrapping import AroundInterceptor
from server.streams import OpenStreams
from tests.rpc.conftest import UNARY, Shell
from tests.rpc.test_limits import REQUEST, refused
from tests.rpc.test_metering import burn
from tests.support.calls import decoded
from tests.support.identities import SETTINGS, Metadata, as_
from tests.support.waiting import wait_until

ANN, BEN = (as_("service", name, "enrollment.read") for name in ("ann", "ben"))
NOBODY: Metadata = ()
COST_SECONDS = 0.01


@pytest.fixture
def gate() -> asyncio.Event:
    """Calls of `busy` wait until it is set, which it is at first."""
    event = asyncio.Event()
    event.set()
    return event


@pytest.fixture
def busy(gate: asyncio.Event) -> Iterator[Shell]:
    """A listener whose calls cost ten milliseconds of CPU, in two steps."""
    shell = Shell(**{**SETTINGS, "calls_per_caller": 1000})

    async def answer(request: Any) -> Any:
        await gate.wait()
        burn(COST_SECONDS / 2)
        await asyncio.sleep(0.001)
        burn(COST_SECONDS / 2)
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    yield shell
    shell.stop()


class Flood:
    """Many calls of one caller that are sent without waiting for answers."""

    def __init__(self, shell: Shell, calls: int, metadata: Metadata = ()) -> None:
        self.ends: list[str] = []
        self._ended = threading.Condition()
        self._calls = [shell.channel.unary_unary(UNARY).future(REQUEST, metadata=metadata) for _ in range(calls)]
        for call in self._calls:
            call.add_done_callback(self._note)

    def _note(self, call: Any) -> None:
        with self._ended:
            error = call.exception()
            self.ends.append(decoded(error).reason if error else "OK")
            self._ended.notify_all()

    def wait_for(self, number: int) -> Counter[str]:
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.ends) >= number, 60)
            return Counter(self.ends)


def call(shell: Shell, metadata: Metadata) -> Any:
    return shell.channel.unary_unary(UNARY)(REQUEST, metadata=metadata, timeout=60)


def test_most_of_a_flood_is_rejected_early(busy: Shell, gate: asyncio.Event) -> None:
    async def open_gate() -> None:
        gate.set()

    call(busy, ANN)  # from now on the server knows what such a call costs, and whose token it is
    gate.clear()  # otherwise the flood, which is sent by the same process, takes as long as serving it
    flood = Flood(busy, 400, ANN)
    flood.wait_for(200)
    busy.run(open_gate())
    every = flood.wait_for(400)
    assert every["OK"] + every["OVERLOADED"] == 400
    assert every["OK"] >= A_FEW_CALLS


def test_a_quiet_caller_is_served_during_the_flood_of_another(busy: Shell) -> None:
    call(busy, ANN)

    def is_served_amid_a_flood() -> bool:
        flood = Flood(busy, 60, ANN)
        flood.wait_for(1)
        call(busy, BEN)
        ended_before = len(flood.ends)
        flood.wait_for(60)
        return ended_before < 50

    for _ in range(5):
        wait_until(is_served_amid_a_flood, "a call of the quiet caller is served before those that arrived earlier")


def test_callers_without_identity_are_distinguished_by_their_connections() -> None:
    shell = Shell(max_calls=4)
    let_go, begun = asyncio.Event(), threading.Semaphore(0)

    async def answer(request: Any) -> Any:
        begun.release()
        await let_go.wait()
        return pb.GetEnrollmentGroupResponse()

    async def go() -> None:
        let_go.set()

    shell.probe.answer = answer
    held = [shell.channel.unary_unary(UNARY).future(REQUEST) for _ in range(3)]
    for _ in held:
        assert begun.acquire(timeout=60)
    assert refused(shell, NOBODY) == ("OVERLOADED", 0.5)
    with grpc.insecure_channel(shell.listener.address, [("grpc.use_local_subchannel_pool", 1)]) as other:
        further: Any = other.unary_unary(UNARY)
        held.append(further.future(REQUEST))
        assert begun.acquire(timeout=60)
        shell.run(go())
        assert all(call.result(60) == b"" for call in held)
    shell.stop()


def test_failed_and_cancelled_calls_no_longer_count(busy: Shell) -> None:
    async def fails(request: Any) -> Any:
        await asyncio.sleep(0.001)
        raise ValueError

    answer, busy.probe.answer = busy.probe.answer, fails
    assert set(Flood(busy, 100, ANN).wait_for(100)) <= {"DEFECT", "OVERLOADED"}
    busy.probe.answer = answer
    cancelled = [busy.channel.unary_unary(UNARY).future(REQUEST, metadata=ANN) for _ in range(100)]
    for each in cancelled:
        each.cancel()
    wait_until(lambda: Flood(busy, 15, ANN).wait_for(15) == {"OK": 15}, "calls that have ended no longer count")


def test_a_busy_server_serializes_answers_that_grpc_would_serialize() -> None:
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda _request, _context: None, None, bytes)

    async def continuation(_details: Any) -> Any:
        return handler

    unused: Any = None
    limits, auditing = CallerLimits(1, 1), Auditing(unused, unused)
    around = Around(Admission(1), Connections(), Observer(1, None), 1, unused, limits, auditing)
    interceptor = AroundInterceptor(OpenStreams(), around)  # an admission of one call is always busy
    details: Any = SimpleNamespace(method="/grpc.channelz.v1.Channelz/GetServers", invocation_metadata=())
    found = asyncio.run(interceptor.intercept_service(continuation, details))
    assert (found.request_streaming, found.response_serializer) == (True, bytes)


def test_a_lone_caller_is_served_while_other_processes_have_the_cpu() -> None:
    shell = Shell(**SETTINGS)

    async def answer(request: Any) -> Any:
        time.sleep(2 * LATE_SECONDS)  # noqa: ASYNC251 (the thread doesn't get the CPU, as on a busy machine)
        await asyncio.sleep(2 * TICK_SECONDS)  # so that the lag is measured while the call is open
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    for _ in range(2):
        assert Flood(shell, 4, ANN).wait_for(4) == {"OK": 4}
    shell.stop()


@pytest.mark.parametrize(("stalled_by", "is_late"), [("its own work", True), ("other processes", False)])
def test_only_work_of_its_own_makes_the_loop_late(stalled_by: str, is_late: bool) -> None:
    async def test() -> float:
        admission = Admission(10)
        watching = asyncio.create_task(admission.watch())
        await asyncio.sleep(0.001)
        if stalled_by == "its own work":
            burn(2 * LATE_SECONDS)
        else:
            time.sleep(2 * LATE_SECONDS)  # noqa: ASYNC251 (the thread doesn't get the CPU, as on a busy machine)
        for _ in range(10_000):
            await asyncio.sleep(0.001)
            if admission.lag_seconds:
                break
        watching.cancel()
        return admission.lag_seconds

    assert (asyncio.run(test()) >= LATE_SECONDS) is is_late
