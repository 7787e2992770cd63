"""Health of the server and of each service, and how the server drains."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server.errors import STATUS_DETAILS
from tests.rpc.conftest import PROBE, SERVICE, UNARY, Shell
from tests.support.calls import decoded, new_id
from tests.support.identities import SETTINGS
from tests.support.waiting import wait_until

health_messages: Any = health_pb2  # the types lack List

Status = health_pb2.HealthCheckResponse
REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()


def health(shell: Shell) -> Any:
    return health_pb2_grpc.HealthStub(shell.channel)


def report(shell: Shell, *, serving: bool) -> None:
    async def on_the_loop() -> None:
        shell.listener.report_health([] if serving else ["", SERVICE])

    shell.run(on_the_loop())


@pytest.mark.parametrize("name", ["", SERVICE])
def test_health_follows_the_reported_status_and_recovers(shell: Shell, name: str) -> None:
    request = health_pb2.HealthCheckRequest(service=name)
    seen = [health(shell).Check(request).status]
    for serving in (False, True):
        report(shell, serving=serving)
        seen.append(health(shell).Check(request).status)
    assert seen == [Status.SERVING, Status.NOT_SERVING, Status.SERVING]


def test_health_of_an_unknown_service_is_not_found(shell: Shell) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        health(shell).Check(health_pb2.HealthCheckRequest(service="affilia.none.v1.NoService"))
    error: Any = raised.value
    assert error.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["", SERVICE])
def test_health_watches_receive_every_change(shell: Shell, name: str) -> None:
    watch = health(shell).Watch(health_pb2.HealthCheckRequest(service=name), timeout=60)
    seen = [next(watch).status]
    for serving in (False, True):
        report(shell, serving=serving)
        seen.append(next(watch).status)
    watch.cancel()
    assert seen == [Status.SERVING, Status.NOT_SERVING, Status.SERVING]


def test_list_answers_as_check_does_without_a_token() -> None:
    shell = Shell(**SETTINGS)
    try:
        listed = shell.channel.unary_unary("/grpc.health.v1.Health/List")(b"", timeout=60)
        statuses = health_messages.HealthListResponse.FromString(listed).statuses
        assert {name: status.status for name, status in statuses.items()} == {
            name: health(shell).Check(health_pb2.HealthCheckRequest(service=name)).status
            for name in ("", SERVICE, PROBE)
        }
    finally:
        shell.stop()


def test_list_reports_only_the_whole_server_unless_detailed_health_is_on() -> None:
    shell = Shell(**SETTINGS, detailed_health=False)
    try:
        listed = shell.channel.unary_unary("/grpc.health.v1.Health/List")(b"", timeout=60)
        assert list(health_messages.HealthListResponse.FromString(listed).statuses) == [""]
    finally:
        shell.stop()


@pytest.mark.parametrize("limit", ["health_watches", "health_watches_per_address"])
def test_open_health_watches_are_limited(limit: str) -> None:
    shell = Shell(**{**SETTINGS, limit: 5})
    try:
        request = health_pb2.HealthCheckRequest()
        watches = [health(shell).Watch(request, timeout=300) for _ in range(5)]
        assert [next(watch).status for watch in watches] == [Status.SERVING] * 5
        with pytest.raises(grpc.RpcError) as refused:
            next(health(shell).Watch(request, timeout=60))
        failure = decoded(refused.value)
        assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert retry_delay(refused.value) > 0
        assert health(shell).Check(request).status == Status.SERVING
        watches.pop().cancel()
        wait_until(lambda: shell.open_streams("/grpc.health.v1.Health/Watch") == 4, "the watch is closed")
        assert next(health(shell).Watch(request, timeout=60)).status == Status.SERVING
    finally:
        shell.stop()


def retry_delay(error: Any) -> float:
    """Returns the delay of the RetryInfo in a status, in seconds; 0 if there is none."""
    for name, value in error.trailing_metadata():
        if name == STATUS_DETAILS:
            for packed in status_pb2.Status.FromString(value).details:
                found = error_details_pb2.RetryInfo()
                if packed.Unpack(found):
                    return float(found.retry_delay.ToTimedelta().total_seconds())
    return 0.0


def refuses_new_calls(shell: Shell) -> bool:
    """Returns whether a new connection is refused. A call that is still accepted isn't answered before its deadline."""
    with grpc.insecure_channel(shell.listener.address) as late, pytest.raises(grpc.RpcError) as raised:
        call: Any = late.unary_unary(UNARY)
        call(REQUEST, timeout=1)
    error: Any = raised.value
    return bool(error.code() == grpc.StatusCode.UNAVAILABLE)


def test_a_drain_reports_not_serving_then_refuses_new_calls_and_lets_running_ones_finish() -> None:
    shell = Shell()
    begun, finish = threading.Event(), asyncio.Event()

    async def answer(request: pb.GetEnrollmentGroupRequest) -> Message:
        begun.set()
        await finish.wait()
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    watch = health(shell).Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert next(watch).status == Status.SERVING
    under_way: Any = shell.channel.unary_unary(UNARY).future(REQUEST)
    assert begun.wait(60)
    draining = threading.Thread(target=shell.drain, args=[300])
    draining.start()
    assert next(watch).status == Status.NOT_SERVING
    watch.cancel()
    wait_until(lambda: refuses_new_calls(shell), "new calls are refused")
    assert not under_way.done()

    async def let_finish() -> None:
        finish.set()

    shell.run(let_finish())
    assert under_way.result(60) == b""
    draining.join(60)
    assert not draining.is_alive()
    shell.stop()


def test_a_call_that_does_not_finish_ends_with_the_grace_period() -> None:
    shell = Shell()
    begun = threading.Event()

    async def answer(request: pb.GetEnrollmentGroupRequest) -> Message:
        begun.set()
        await asyncio.sleep(3600)
        raise AssertionError("unreachable")

    shell.probe.answer = answer
    under_way: Any = shell.channel.unary_unary(UNARY).future(REQUEST)
    assert begun.wait(60)
    shell.drain(0.2)
    assert under_way.exception(60).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    shell.stop()


@pytest.mark.parametrize("of", ["health", "reflection"])
def test_an_open_stream_does_not_hold_up_the_drain(of: str) -> None:
    shell = Shell()
    closed = threading.Event()
    if of == "health":
        stream: Any = health(shell).Watch(health_pb2.HealthCheckRequest(), timeout=300)
    else:
        method: Any = shell.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x00"

        def requests() -> Iterator[bytes]:
            yield list_services
            closed.wait(300)

        stream = method(requests(), timeout=300)
    next(stream)
    began = time.monotonic()
    shell.drain(300)
    assert time.monotonic() - began < 60  # of 300
    with pytest.raises(grpc.RpcError) as raised:
        list(stream)
    closed.set()
    assert (decoded(raised.value).code, decoded(raised.value).reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    shell.stop()
