"""Many calls are accepted in one turn of the event loop; one at a time if grpcio lacks a name that this needs.

A cancelled call frees its memory.
"""

import asyncio
import threading
from typing import Any

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server import call_acceptor
from server.call_acceptor import MAX_ACCEPTS, CallScheduler, can_accept_many
from tests.rpc.conftest import DOWN, UNARY, Shell
from tests.rpc.test_limits import REQUEST
from tests.support.waiting import wait_until

CALLS = 40


class Held:
    """Running calls that end when the test lets them."""

    def __init__(self, shell: Shell) -> None:
        self._shell, self._let_go, self._begun = shell, asyncio.Event(), threading.Semaphore(0)
        shell.probe.answer = self._answer
        self.calls: list[Any] = [shell.channel.unary_unary(UNARY).future(REQUEST) for _ in range(CALLS)]
        for _ in self.calls:
            assert self._begun.acquire(timeout=60)

    async def _answer(self, request: Any) -> Any:
        self._begun.release()
        await self._let_go.wait()
        return pb.GetEnrollmentGroupResponse()

    def let_go(self) -> None:
        async def go() -> None:
            self._let_go.set()

        self._shell.run(go())


@pytest.fixture(params=["many accepts", "one accept"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A listener that accepts many calls at a time, and one with an untested grpcio version."""
    if request.param == "one accept":
        monkeypatch.setattr(call_acceptor, "TESTED_VERSIONS", ())
        monkeypatch.setattr("server.listener.can_accept_many", lambda: can_accept_many("0.0.1"))
    running = Shell(max_calls=10 * CALLS)
    running.expects_many = request.param == "many accepts"  # type: ignore[attr-defined]
    yield running
    running.stop()


def test_the_installed_grpcio_supports_many_accepts() -> None:
    assert can_accept_many()


@pytest.mark.parametrize("missing", call_acceptor.CORE_NAMES)
def test_without_a_required_grpc_name_calls_are_accepted_one_at_a_time(missing: str) -> None:
    class Changed:
        AioServer = cygrpc.AioServer

        def __getattr__(self, name: str) -> Any:
            if name == missing:
                raise AttributeError(name)
            return getattr(cygrpc, name)

    assert not can_accept_many(module=Changed())


def test_an_untested_grpcio_version_accepts_calls_one_at_a_time() -> None:
    assert not can_accept_many("1.85.2")


def test_calls_and_streams_are_answered(shell: Any) -> None:
    for _ in range(3 * MAX_ACCEPTS):
        assert shell.channel.unary_unary(UNARY)(REQUEST, timeout=60) == b""
    assert list(shell.channel.unary_stream(DOWN)(REQUEST, timeout=60)) == [b"", b""]
    with pytest.raises(grpc.RpcError) as raised:
        shell.channel.unary_unary("/affilia.test.v1.Probe/None")(REQUEST, timeout=60)
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    accepts = shell.listener.accepts(UNARY)
    assert accepts == (MAX_ACCEPTS if shell.expects_many else 1)


def test_a_drain_waits_for_running_calls_and_refuses_new_ones(shell: Any) -> None:
    held = Held(shell)
    draining = threading.Thread(target=shell.drain, args=[300])
    draining.start()

    def refuses_new_calls() -> bool:
        with pytest.raises(grpc.RpcError) as raised:
            shell.channel.unary_unary(UNARY)(REQUEST, timeout=1)
        return bool(raised.value.code() == grpc.StatusCode.UNAVAILABLE)

    wait_until(refuses_new_calls, "new calls are refused")
    assert not any(call.done() for call in held.calls)
    held.let_go()
    assert [call.result(60) for call in held.calls] == [b""] * CALLS
    draining.join(60)
    assert not draining.is_alive()


def test_calls_that_do_not_finish_end_with_the_grace_period(shell: Any) -> None:
    held = Held(shell)
    shell.drain(0.2)
    ends = {call.exception(60).code() for call in held.calls}
    assert ends <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_a_cancelled_call_is_interrupted_after_the_batch_that_it_awaits() -> None:
    freed: list[str] = []

    async def cancel() -> None:
        completed = asyncio.get_running_loop().create_future()

        async def execute_batch() -> None:  # as in grpc.aio, which frees the memory of completed batches only
            await completed
            freed.append("batch")

        async def handle() -> None:
            await execute_batch()
            await asyncio.Event().wait()

        call = CallScheduler(asyncio.get_running_loop()).create_task(handle())
        await asyncio.sleep(0)
        assert call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
        completed.set_result(None)
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
    assert freed == ["batch"]


def test_a_cancelled_read_of_streamed_requests_is_interrupted_immediately() -> None:
    """Otherwise, a cancelled upload would look complete."""

    async def cancel() -> None:
        async def execute_batch() -> None:
            await asyncio.Event().wait()

        async def read() -> None:
            await execute_batch()

        call = CallScheduler(asyncio.get_running_loop()).create_task(read())
        await asyncio.sleep(0)
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())


def test_a_cancelled_call_that_awaits_no_batch_is_interrupted_immediately() -> None:
    async def cancel() -> None:
        call = CallScheduler(asyncio.get_running_loop()).create_task(asyncio.sleep(3600))
        await asyncio.sleep(0)
        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel())
