"""Every stream ends with a status, also while messages are sent, when tokens expire or the server drains."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from domain.errors import ShuttingDown
from tests.conftest import ServerProcess
from tests.rpc.conftest import DOWN, UNARY, Shell
from tests.support.calls import Family, admin, decoded, new_id
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, watch_request
from tests.support.identities import SETTINGS, Metadata, as_

STREAMS = 300
PER_CONNECTION = 100
WATCH = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
FROM_NOW = b"\x08\x02"
ANY_REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
Code = grpc.StatusCode


class Readers:
    """Many streams that are read concurrently, and how each ended."""

    def __init__(self) -> None:
        self.opened = 0
        self.all_open = asyncio.Event()
        self.busy = asyncio.Event()
        """Set once the streams have had several messages on average."""
        self._messages = 0
        self.ends: Counter[tuple[Code, str]] = Counter()
        self.tokens: list[str] = []

    async def read_all(self, address: str, request: bytes, metadata: Metadata = ()) -> None:
        """Reads all streams to their ends."""
        channels: list[Any] = [
            grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
            for _ in range(STREAMS // PER_CONNECTION)
        ]
        try:
            await asyncio.gather(*(self._read(channels[i % len(channels)], request, metadata) for i in range(STREAMS)))
        finally:
            for channel in channels:
                await channel.close()

    async def _read(self, channel: Any, request: bytes, metadata: Metadata) -> None:
        call: Any = channel.unary_stream(WATCH, response_deserializer=pb.WatchEnrollmentsResponse.FromString)(
            request, metadata=metadata, timeout=300
        )
        token = ""
        try:
            async for message in call:
                self._count(first=not token)
                token = message.resume_token
        except grpc.aio.AioRpcError as error:
            failure = decoded(error)
            self.ends[failure.code, failure.reason] += 1
            self.tokens.append(token)

    def _count(self, *, first: bool) -> None:
        self.opened += first
        self._messages += 1
        if self.opened == STREAMS:
            self.all_open.set()
        if self._messages > 5 * STREAMS:
            self.busy.set()


def read_until(address: str, request: bytes, then: Callable[[Readers], Awaitable[None]], **more: Any) -> Readers:
    """Opens many streams, does something once all of them are open, and reads them to their ends."""

    async def run() -> Readers:
        readers = Readers()
        reading = asyncio.create_task(readers.read_all(address, request, **more))
        await asyncio.wait_for(readers.all_open.wait(), 120)
        await then(readers)
        await asyncio.wait_for(reading, 120)
        return readers

    return asyncio.run(run())


def test_streams_whose_tokens_expire_during_messages_all_end_with_a_status() -> None:
    shell = Shell(**{**SETTINGS, "token_leeway_seconds": 0})
    shell.probe.watch_pause = 1.0

    async def send_often(readers: Readers) -> None:
        shell.probe.watch_pause = 0.02

    try:
        metadata = as_("service", "reader", "enrollment.watch", minutes=15 / 60)  # all streams are open by then
        readers = read_until(shell.listener.address, FROM_NOW, send_often, metadata=metadata)
    finally:
        shell.stop()
    assert readers.ends == {(Code.UNAUTHENTICATED, "UNAUTHENTICATED"): STREAMS}


def test_streams_with_traffic_all_end_with_a_status_when_the_server_drains() -> None:
    shell = Shell()
    shell.probe.watch_pause = 0.01

    async def drain(readers: Readers) -> None:
        began = time.monotonic()
        await asyncio.to_thread(shell.drain, 300)
        assert time.monotonic() - began < 60  # of 300

    readers = read_until(shell.listener.address, FROM_NOW, drain)
    shell.stop()
    assert readers.ends == {(Code.UNAVAILABLE, "SHUTTING_DOWN"): STREAMS}


def test_subscribers_of_a_busy_feed_all_get_a_status_and_a_valid_resume_token(tmp_path: Path) -> None:
    """A server is stopped while events are delivered, and started again on the same database."""
    server = ServerProcess(tmp_path, "--drain-seconds", "300")
    stop = threading.Event()
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        submitting = threading.Thread(target=submit_until, args=[family, stop])

        async def terminate(readers: Readers) -> None:
            submitting.start()
            await asyncio.wait_for(readers.busy.wait(), 120)
            server.process.terminate()

        readers = read_until(server.address, watch_request(BEGINNING).SerializeToString(), terminate)
        stop.set()
        submitting.join()
    assert server.process.wait(60) == 0
    assert readers.ends == {(Code.UNAVAILABLE, "SHUTTING_DOWN"): STREAMS}
    assert all(readers.tokens)

    again = ServerProcess(tmp_path)
    with connected_to(again.address) as channel:
        for token in set(readers.tokens):
            call: Any = channel.unary_stream(WATCH, response_deserializer=pb.WatchEnrollmentsResponse.FromString)
            resumed = call(watch_request(token).SerializeToString(), timeout=60)
            assert next(resumed).resume_token
            resumed.cancel()
    again.stop()


def submit_until(family: Family, stop: threading.Event) -> None:
    """Submits changes until stopped, or until the server is gone."""
    month = 0
    while not stop.is_set():
        month += 1
        change = family.enroll((family.base, family.plus)[month % 2], f"2027-{month % 12 + 1:02}-01")
        try:
            family.requests.SubmitChangeRequest(family.request(change, requester=admin()), timeout=60)
        except grpc.RpcError as error:
            if decoded(error).code != Code.RESOURCE_EXHAUSTED:
                return


def test_a_stream_that_waits_for_its_next_message_ends_at_its_deadline(hasty_shell: Shell) -> None:
    async def answer(request: Any) -> Any:
        await asyncio.Event().wait()

    hasty_shell.probe.answer = answer
    call = hasty_shell.channel.unary_stream(DOWN)(ANY_REQUEST)
    next(call)
    with pytest.raises(grpc.RpcError) as raised:
        next(call)
    assert (decoded(raised.value).code, decoded(raised.value).reason) == (Code.DEADLINE_EXCEEDED, "TOO_LATE")


def test_a_stream_that_is_opened_while_the_server_drains_does_not_outlast_the_others() -> None:
    shell = Shell()
    begun, finish = threading.Event(), asyncio.Event()

    async def answer(request: Any) -> Any:
        begun.set()
        await finish.wait()
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    under_way = shell.channel.unary_unary(UNARY).future(ANY_REQUEST)
    assert begun.wait(60)

    async def end_streams() -> None:
        shell.listener.streams.end(ShuttingDown())

    shell.run(end_streams())
    late = shell.channel.unary_stream(WATCH)(FROM_NOW, timeout=60)
    with pytest.raises(grpc.RpcError) as raised:
        list(late)
    assert decoded(raised.value).reason == "SHUTTING_DOWN"

    async def let_finish() -> None:
        finish.set()

    shell.run(let_finish())
    assert under_way.result(60) == b""
    shell.stop()
