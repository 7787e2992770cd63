"""Limits on concurrent calls and streams: calls beyond them are rejected immediately, and others are unaffected."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from tests.rpc.conftest import UNARY, Shell
from tests.support.calls import decoded, new_id
from tests.support.channels import patient
from tests.support.identities import SETTINGS, Metadata, as_
from tests.support.waiting import wait_until

REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
NOW = b"\x08\x02"
WATCH = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
ANN, BEN = (as_("service", name, "enrollment.read", "enrollment.watch") for name in ("ann", "ben"))


class Held:
    """Calls that last until the test lets them end."""

    def __init__(self, shell: Shell) -> None:
        self._shell, self._let_go, self._begun = shell, asyncio.Event(), threading.Semaphore(0)
        shell.probe.answer = self._answer

    async def _answer(self, request: Any) -> Any:
        self._begun.release()
        await self._let_go.wait()
        return pb.GetEnrollmentGroupResponse()

    def begin(self, metadata: Metadata) -> Any:
        call = self._shell.channel.unary_unary(UNARY).future(REQUEST, metadata=metadata, timeout=300)
        assert self._begun.acquire(timeout=60)
        return call

    def let_go(self) -> None:
        async def go() -> None:
            self._let_go.set()

        self._shell.run(go())


def refused(shell: Shell, metadata: Metadata) -> tuple[str, float]:
    """Returns the reason of a rejected call and the delay in its RetryInfo."""
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        shell.channel.unary_unary(UNARY)(REQUEST, metadata=metadata, timeout=300)
    assert time.monotonic() - began < 60  # of 300
    reported = decoded(raised.value)
    assert reported.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    error: Any = raised.value
    wire = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in wire.details)
    return reported.reason, retry.retry_delay.ToMilliseconds() / 1000


@pytest.fixture
def limited() -> Iterator[Shell]:
    shell = Shell(**{**SETTINGS, "calls_per_caller": 2, "streams_per_caller": 1, "max_calls": 3})
    yield shell
    shell.stop()


def test_the_retrying_channel_of_the_tests_sends_rejected_calls_again(limited: Shell) -> None:
    held = Held(limited)
    under_way = [held.begin(ANN) for _ in range(2)]
    channel: Any = patient(limited.channel)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lambda: channel.unary_unary(UNARY)(REQUEST, metadata=ANN, timeout=300))
        with pytest.raises(FutureTimeoutError):
            waiting.result(1)
        held.let_go()
        waiting.result(60)
    assert [call.result(60) for call in under_way]


def test_the_concurrent_calls_of_a_caller_are_limited(limited: Shell) -> None:
    held = Held(limited)
    calls = [held.begin(ANN), held.begin(ANN)]
    assert refused(limited, ANN) == ("OVERLOADED", 0.5)
    calls.append(held.begin(BEN))
    held.let_go()
    assert [call.result(60) for call in calls] == [b"", b"", b""]
    assert limited.channel.unary_unary(UNARY)(REQUEST, metadata=ANN, timeout=60) == b""


def test_an_overloaded_server_rejects_calls_and_answers_health_checks(limited: Shell) -> None:
    held = Held(limited)
    calls = [held.begin(ANN), held.begin(ANN), held.begin(BEN)]
    assert refused(limited, BEN) == ("OVERLOADED", 0.5)
    assert limited.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60)
    held.let_go()
    assert all(call.result(60) == b"" for call in calls)


def test_the_open_streams_of_a_caller_are_limited(limited: Shell) -> None:
    watch = limited.channel.unary_stream(WATCH)
    first = watch(NOW, metadata=ANN, timeout=300)
    next(first)
    with pytest.raises(grpc.RpcError) as raised:
        next(watch(NOW, metadata=ANN, timeout=60))
    assert decoded(raised.value).reason == "OVERLOADED"
    other = watch(NOW, metadata=BEN, timeout=300)
    next(other)
    first.cancel()
    other.cancel()
    wait_until(
        lambda: next(watch(NOW, metadata=ANN, timeout=60)),
        "the cancelled stream no longer counts",
        retried=[grpc.StatusCode.RESOURCE_EXHAUSTED],
    )
