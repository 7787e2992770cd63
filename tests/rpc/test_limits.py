"""How much at once: who asks for more is told so at once, and nobody else suffers."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from tests.rpc.conftest import UNARY, Shell
from tests.support.calls import decoded, new_id
from tests.support.identities import SETTINGS, Metadata, as_

REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
NOW = b"\x08\x02"
WATCH = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
ANN, BEN = (as_("service", name, "enrollment.read", "enrollment.watch") for name in ("ann", "ben"))


class Held:
    """Calls that do not end before they are let go."""

    def __init__(self, shell: Shell) -> None:
        self._shell, self._let_go, self._begun = shell, asyncio.Event(), threading.Semaphore(0)
        shell.probe.answer = self._answer

    async def _answer(self, request: Any) -> Any:
        self._begun.release()
        await self._let_go.wait()
        return pb.GetEnrollmentGroupResponse()

    def begin(self, metadata: Metadata) -> Any:
        call = self._shell.channel.unary_unary(UNARY).future(REQUEST, metadata=metadata, timeout=20)
        assert self._begun.acquire(timeout=10)
        return call

    def let_go(self) -> None:
        async def go() -> None:
            self._let_go.set()

        self._shell.run(go())


def refused(shell: Shell, metadata: Metadata) -> tuple[str, float]:
    """Reason of a call that is refused, and the delay that it is told to wait."""
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        shell.channel.unary_unary(UNARY)(REQUEST, metadata=metadata, timeout=10)
    assert time.monotonic() - began < 5
    told = decoded(raised.value)
    assert told.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    error: Any = raised.value
    wire = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in wire.details)
    return told.reason, retry.retry_delay.ToMilliseconds() / 1000


@pytest.fixture
def limited() -> Iterator[Shell]:
    shell = Shell(**{**SETTINGS, "calls_per_caller": 2, "streams_per_caller": 1, "most_calls": 3})
    yield shell
    shell.stop()


def test_one_caller_has_so_many_calls_at_once_and_no_more(limited: Shell) -> None:
    held = Held(limited)
    calls = [held.begin(ANN), held.begin(ANN)]
    assert refused(limited, ANN) == ("OVERLOADED", 0.5)
    calls.append(held.begin(BEN))
    held.let_go()
    assert [call.result(10) for call in calls] == [b"", b"", b""]
    assert limited.channel.unary_unary(UNARY)(REQUEST, metadata=ANN, timeout=10) == b""


def test_beyond_what_it_can_do_the_server_sheds_calls_but_tells_its_health(limited: Shell) -> None:
    held = Held(limited)
    calls = [held.begin(ANN), held.begin(ANN), held.begin(BEN)]
    assert refused(limited, BEN) == ("OVERLOADED", 0.5)
    assert limited.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=10)
    held.let_go()
    assert all(call.result(10) == b"" for call in calls)


def test_one_caller_has_so_many_streams_open_and_no_more(limited: Shell) -> None:
    watch = limited.channel.unary_stream(WATCH)
    first = watch(NOW, metadata=ANN, timeout=20)
    next(first)
    with pytest.raises(grpc.RpcError) as raised:
        next(watch(NOW, metadata=ANN, timeout=10))
    assert decoded(raised.value).reason == "OVERLOADED"
    other = watch(NOW, metadata=BEN, timeout=20)
    next(other)
    first.cancel()
    other.cancel()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        again = watch(NOW, metadata=ANN, timeout=20)
        try:
            next(again)
            again.cancel()
            return
        except grpc.RpcError:
            time.sleep(0.05)
    raise AssertionError("a cancelled stream still counts")
