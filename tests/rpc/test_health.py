"""Health tells the truth, of the server and of each service, and the server drains before it goes."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from tests.rpc.conftest import SERVICE, UNARY, Shell
from tests.support.calls import decoded, new_id

Status = health_pb2.HealthCheckResponse
REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()


def health(shell: Shell) -> Any:
    return health_pb2_grpc.HealthStub(shell.channel)


@pytest.mark.parametrize("name", ["", SERVICE])
def test_health_follows_what_it_is_told_and_recovers(shell: Shell, name: str) -> None:
    request = health_pb2.HealthCheckRequest(service=name)
    seen = [health(shell).Check(request).status]
    for serving in (False, True):
        shell.run(shell.listener.tell_health(serving=serving))
        seen.append(health(shell).Check(request).status)
    assert seen == [Status.SERVING, Status.NOT_SERVING, Status.SERVING]


def test_health_of_an_unknown_service_is_not_found(shell: Shell) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        health(shell).Check(health_pb2.HealthCheckRequest(service="affilia.none.v1.NoService"))
    error: Any = raised.value
    assert error.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["", SERVICE])
def test_watchers_of_health_hear_every_change(shell: Shell, name: str) -> None:
    watch = health(shell).Watch(health_pb2.HealthCheckRequest(service=name), timeout=10)
    seen = [next(watch).status]
    for serving in (False, True):
        shell.run(shell.listener.tell_health(serving=serving))
        seen.append(next(watch).status)
    watch.cancel()
    assert seen == [Status.SERVING, Status.NOT_SERVING, Status.SERVING]


def refuses_within(shell: Shell, seconds: float) -> bool:
    """Whether the server soon takes no new calls: it may, for a moment, after it has said that it is going."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with grpc.insecure_channel(shell.listener.address) as late, pytest.raises(grpc.RpcError) as raised:
            call: Any = late.unary_unary(UNARY)
            call(REQUEST, timeout=0.2)
        error: Any = raised.value
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            return True
    return False


def test_a_drain_lets_calls_finish_takes_no_new_ones_and_says_so_first() -> None:
    shell = Shell()
    begun, finish = threading.Event(), asyncio.Event()

    async def answer(request: pb.GetEnrollmentGroupRequest) -> Message:
        begun.set()
        await finish.wait()
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    watch = health(shell).Watch(health_pb2.HealthCheckRequest(), timeout=10)
    assert next(watch).status == Status.SERVING
    under_way: Any = shell.channel.unary_unary(UNARY).future(REQUEST)
    assert begun.wait(5)
    draining = threading.Thread(target=shell.drain, args=[10])
    draining.start()
    assert next(watch).status == Status.NOT_SERVING
    watch.cancel()
    assert refuses_within(shell, 5)
    assert not under_way.done()

    async def let_finish() -> None:
        finish.set()

    shell.run(let_finish())
    assert under_way.result(5) == b""
    draining.join(5)
    assert not draining.is_alive()
    shell.stop()


def test_a_call_that_does_not_finish_ends_with_the_grace_period() -> None:
    shell = Shell()
    begun = threading.Event()

    async def answer(request: pb.GetEnrollmentGroupRequest) -> Message:
        begun.set()
        await asyncio.sleep(30)
        raise AssertionError("unreachable")

    shell.probe.answer = answer
    under_way: Any = shell.channel.unary_unary(UNARY).future(REQUEST)
    assert begun.wait(5)
    shell.drain(0.2)
    assert under_way.exception(5).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    shell.stop()


@pytest.mark.parametrize("of", ["health", "reflection"])
def test_an_open_stream_does_not_hold_up_the_drain(of: str) -> None:
    shell = Shell()
    closed = threading.Event()
    if of == "health":
        stream: Any = health(shell).Watch(health_pb2.HealthCheckRequest(), timeout=30)
    else:
        method: Any = shell.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x00"

        def requests() -> Iterator[bytes]:
            yield list_services
            closed.wait(30)

        stream = method(requests(), timeout=30)
    next(stream)
    began = time.monotonic()
    shell.drain(20)
    assert time.monotonic() - began < 5
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    closed.set()
    assert (decoded(raised.value).code, decoded(raised.value).reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    shell.stop()
