"""Streams of readers that stop reading are ended: with a status if they resume, with a closed connection otherwise."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
import structlog

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server.connections import Connections
from server.interceptors.slow_readers import SlowReaders
from server.streams import OpenStream, OpenStreams
from tests.rpc.conftest import FLOOD, Shell
from tests.support.calls import decoded
from tests.support.waiting import wait_until

ANY_REQUEST = pb.GetEnrollmentGroupRequest(group_id="7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a").SerializeToString()
WATCH = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
FROM_NOW = b"\x08\x02"
SIZES = [1_000, 100_000, 5_000_000, 30_000_000]
"""The largest is more than a client takes before it reads: even the first message gets stuck."""

MAX_SEND_SECONDS = 3.0


@pytest.fixture
def impatient() -> Iterator[Shell]:
    shell = Shell(max_send_seconds=MAX_SEND_SECONDS)
    yield shell
    shell.stop()


def a_channel(shell: Shell) -> Any:
    """Returns a channel with its own connection."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(shell.listener.address, options=options)


def flooded(channel: Any) -> Any:
    return channel.unary_stream(FLOOD)(ANY_REQUEST, timeout=300)


def wait_until_given_up(shell: Shell) -> None:
    wait_until(lambda: shell.open_streams(FLOOD) > 0, "the stream is open")
    wait_until(lambda: shell.open_streams(FLOOD) == 0, "the slow reader is given up")


def read_to_the_end(call: Any) -> tuple[Any, int]:
    """Returns how a stream ended, and how many messages it had."""
    messages = 0
    with pytest.raises(grpc.RpcError) as failed:
        for _ in call:
            messages += 1
    return decoded(failed.value), messages


@pytest.mark.parametrize("size", SIZES)
def test_a_reader_that_resumes_reading_receives_the_status_of_its_ended_stream(impatient: Shell, size: int) -> None:
    impatient.probe.flood_bytes = size
    with a_channel(impatient) as channel:
        call = flooded(channel)
        wait_until_given_up(impatient)
        failure, messages = read_to_the_end(call)
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CONSUMER_TOO_SLOW")
    assert messages > 0


@pytest.mark.parametrize("size", SIZES)
def test_the_connection_of_a_reader_that_never_resumes_reading_is_closed(impatient: Shell, size: int) -> None:
    impatient.probe.flood_bytes = size
    with a_channel(impatient) as channel:
        lost = threading.Event()
        seen: list[grpc.ChannelConnectivity] = []

        def watch(state: grpc.ChannelConnectivity) -> None:
            seen.append(state)
            if grpc.ChannelConnectivity.READY in seen and state != grpc.ChannelConnectivity.READY:
                lost.set()

        channel.subscribe(watch, try_to_connect=True)
        call = flooded(channel)
        wait_until_given_up(impatient)
        assert lost.wait(60)
        failure, _ = read_to_the_end(call)
    assert failure.code == grpc.StatusCode.UNAVAILABLE


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Returns a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Returns a header that is neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def test_a_reader_that_stops_reading_its_socket_is_disconnected(impatient: Shell) -> None:
    """A process that is stopped or swapped out does the same: its windows are large, and it reads nothing."""
    host, port = impatient.listener.address.rsplit(":", 1)
    everything, headers = 2**31 - 1, b"\x83\x86"  # POST, http
    headers += literal(b":path", FLOOD.encode()) + literal(b":authority", b"test")
    headers += literal(b"te", b"trailers") + literal(b"content-type", b"application/grpc")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(4, 0, 0, struct.pack(">HI", 4, everything))
            + frame(8, 0, 0, struct.pack(">I", everything - 65_535))
            + frame(1, 4, 1, headers)
            + frame(0, 1, 1, b"\0" + struct.pack(">I", len(ANY_REQUEST)) + ANY_REQUEST)
        )
        with structlog.testing.capture_logs() as logged:
            wait_until_given_up(impatient)
            wait_until(
                lambda: any(line["event"] == "slow_reader_closed" for line in logged), "its connection is closed"
            )
        assert [line["streams"] for line in logged if line["event"] == "slow_reader_closed"] == [1]
        received = b""
        connection.settimeout(10)  # what the operating system still holds comes at once, and then the end
        with suppress(ConnectionError):
            while piece := connection.recv(2**20):
                received += piece
        assert b"grpc-status" not in received


def test_other_calls_on_the_connection_of_a_slow_reader_go_on(impatient: Shell) -> None:
    impatient.probe.watch_pause = 0.05
    with a_channel(impatient) as channel:
        good = channel.unary_stream(WATCH)(FROM_NOW, timeout=300)
        next(good)
        slow = flooded(channel)
        wait_until_given_up(impatient)
        for _ in range(int(MAX_SEND_SECONDS * 2 / 0.05)):  # longer than it takes until an unused connection is closed
            next(good)
        failure, _ = read_to_the_end(slow)
        assert failure.reason == "CONSUMER_TOO_SLOW"
        next(good)
        good.cancel()


def test_a_connection_full_of_slow_readers_is_closed_with_its_other_calls(impatient: Shell) -> None:
    impatient.probe.watch_pause = 0.05
    with a_channel(impatient) as channel:
        good = channel.unary_stream(WATCH)(FROM_NOW, timeout=300)
        next(good)
        slow = [flooded(channel) for _ in range(20)]
        wait_until(lambda: impatient.open_streams(FLOOD) == len(slow), "all streams are open")
        with pytest.raises(grpc.RpcError) as failed:
            for _ in good:
                pass
    assert decoded(failed.value).code == grpc.StatusCode.UNAVAILABLE


def test_a_slow_but_reading_reader_keeps_its_stream(impatient: Shell) -> None:
    with a_channel(impatient) as channel:
        call = flooded(channel)
        for _ in range(300):  # twice as long as one that stops is waited for
            next(call)
            threading.Event().wait(MAX_SEND_SECONDS / 150)
        assert impatient.open_streams(FLOOD) == 1
        call.cancel()


def test_readers_that_leave_while_they_are_disconnected_do_not_affect_others(impatient: Shell) -> None:
    channels = [a_channel(impatient) for _ in range(10)]
    calls = [flooded(channel) for channel in channels]
    wait_until(lambda: impatient.open_streams(FLOOD) == len(calls), "all streams are open")
    wait_until(lambda: impatient.open_streams(FLOOD) < len(calls), "the first slow reader is given up")
    for call, channel in zip(calls, channels, strict=True):
        call.cancel()
        channel.close()
    wait_until(lambda: impatient.open_streams(FLOOD) == 0, "all streams are closed")
    with a_channel(impatient) as channel:
        assert next(flooded(channel)) is not None


@pytest.mark.parametrize("comes_first", ["message taken", "call ended", "nothing"])
def test_a_status_is_sent_only_while_the_message_is_still_stuck(comes_first: str) -> None:
    """If the reader reads the message just before the deadline, the stream continues. If it disconnects, the stream
    ends."""

    class Call:
        """Counts how often the call is aborted."""

        aborted = 0

        def trailing_metadata(self) -> tuple[()]:
            return ()

        async def abort(self, *_: Any, **__: Any) -> None:
            self.aborted += 1
            await asyncio.Event().wait()

    async def run() -> tuple[int, bool]:
        call: Any = Call()
        task = asyncio.create_task(asyncio.sleep(0 if comes_first == "call ended" else 300))
        stream = OpenStream(FLOOD, call, "ipv4:127.0.0.1:1", task, headers_sent=True, sending_since=0.0)
        giving_up = asyncio.create_task(SlowReaders(OpenStreams(), Connections())._abandon(stream))
        if comes_first == "call ended":
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if comes_first == "message taken":
            stream.sending_since = None
        await giving_up
        await asyncio.wait([task], timeout=0.1)
        found = call.aborted, task.cancelled()
        task.cancel()
        return found

    assert asyncio.run(run()) == ((1, True) if comes_first == "nothing" else (0, False))


def test_a_slow_reader_does_not_hold_up_the_drain() -> None:
    shell = Shell()
    shell.probe.watch_pause, shell.probe.watch_bytes = 0.0, 1_000_000
    with a_channel(shell) as channel:
        call = channel.unary_stream(WATCH)(FROM_NOW, timeout=300)
        next(call)
        wait_until(lambda: any(stream.sending_since for stream in shell.listener.streams), "a message is being sent")
        draining = threading.Thread(target=shell.drain, args=[300])
        draining.start()
        draining.join(60)
        assert not draining.is_alive()
    shell.stop()
