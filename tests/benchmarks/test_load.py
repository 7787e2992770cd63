"""The load generators in Go and in Python, against a small server in this process."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc
import pytest

from benchmarks.load import NEW_ID, PYTHON, Client, Load, LoadFailed, default_client, run, streams

ECHO, FAIL, FOLLOW, SLOW = (f"/test.Service/{name}" for name in ("Echo", "Fail", "Follow", "Slow"))


@dataclass
class Recording(grpc.GenericRpcHandler):
    """Handles calls, and records what it receives."""

    address: str = ""
    requests: list[bytes] = field(default_factory=list)
    metadata: set[str] = field(default_factory=set)
    following: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method == FOLLOW:
            return grpc.unary_stream_rpc_method_handler(self.follow)
        handlers = {ECHO: self.echo, FAIL: self.fail, SLOW: self.slow}
        return grpc.unary_unary_rpc_method_handler(handlers[details.method]) if details.method in handlers else None

    def echo(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.requests.append(request)
        self.metadata |= {f"{key}={value!s}" for key, value in context.invocation_metadata()}
        return request

    def fail(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many calls.")

    def slow(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.released.wait(60)
        return request

    def follow(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.following += 1
        yield b"first"
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(60)


@pytest.fixture
def recording() -> Iterator[Recording]:
    handler = Recording()
    server = grpc.server(ThreadPoolExecutor(16), handlers=[handler])
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield handler
    handler.released.set()
    server.stop(None).wait()


@pytest.fixture(params=["go", "python"])
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "python":
        return PYTHON
    if default_client() == PYTHON:
        pytest.skip("Go is not installed, or can't build the load generator")
    return default_client()


def load(method: str, *requests: bytes, callers: int = 3, rate: float = 0.0, deadline_seconds: float = 30) -> Load:
    return Load(
        method=method,
        requests=requests,
        callers=callers,
        rate=rate,
        connections=2,
        seconds=0.5,
        warm_up_seconds=0.1,
        deadline_seconds=deadline_seconds,
        metadata=(("x-affilia-test", "1"),),
    )


def test_callers_take_all_requests_in_turn(recording: Recording, client: Client) -> None:
    outcome = run(load(ECHO, b"one", b"three", callers=1), recording.address, client=client)
    assert recording.requests[:4] == [b"one", b"three", b"one", b"three"]
    assert "x-affilia-test=1" in recording.metadata
    assert outcome.client == client.name
    assert list(outcome.statuses) == ["OK"]
    assert 0 < outcome.calls <= len(recording.requests)
    assert 0 < outcome.ok.p50_seconds <= outcome.ok.p99_seconds <= outcome.ok.max_seconds
    assert 3 <= outcome.response_bytes <= 5


def test_every_copy_of_a_request_has_its_own_id(recording: Recording, client: Client) -> None:
    run(load(ECHO, b"<" + NEW_ID.encode() + b">"), recording.address, client=client)
    ids = [request[1:-1].decode() for request in recording.requests]
    assert len(set(ids)) == len(ids) > 1
    assert all(UUID(each).version == 4 and str(UUID(each)) == each for each in ids)
    assert all(request[:1] + request[-1:] == b"<>" for request in recording.requests)


def test_calls_are_sent_at_a_constant_rate(recording: Recording, client: Client) -> None:
    outcome = run(load(ECHO, b"", rate=100), recording.address, client=client)
    assert outcome.sent_rate > 0
    assert len(recording.requests) == pytest.approx(60, abs=1)  # in 0.6 s, however busy the machine is


def test_the_open_loop_does_not_wait_for_responses(recording: Recording, client: Client) -> None:
    outcome = run(load(SLOW, b"", rate=50, deadline_seconds=1), recording.address, client=client)
    assert list(outcome.statuses) == ["DeadlineExceeded"]
    assert outcome.rate == outcome.calls == 0
    with pytest.raises(LoadFailed):
        _ = outcome.ok


def test_failures_are_counted_by_status(recording: Recording, client: Client) -> None:
    outcome = run(load(FAIL, b""), recording.address, client=client)
    (name,) = outcome.statuses
    assert (name, outcome.statuses[name].message) == ("ResourceExhausted", "Too many calls.")
    assert outcome.rate == 0
    assert outcome.calls > 0


def test_load_is_distributed_over_several_servers(recording: Recording, client: Client) -> None:
    second = Recording()
    server = grpc.server(ThreadPoolExecutor(4), handlers=[second])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    run(load(ECHO, b"x"), recording.address, address, client=client)
    server.stop(None).wait()
    assert recording.requests
    assert second.requests


def test_streams_are_open_until_the_end_of_the_context(recording: Recording, client: Client) -> None:
    with streams(recording.address, FOLLOW, b"", 5, client=client) as opened:
        assert recording.following == 5
        assert opened.end() == {"Canceled": 5}


def test_a_stream_that_ends_before_its_first_message_fails_the_load(recording: Recording, client: Client) -> None:
    with (
        pytest.raises(LoadFailed, match="a stream ended before its first message: Unimplemented"),
        streams(recording.address, "/test.Service/Missing", b"", 2, client=client),
    ):
        raise AssertionError("the streams were reported as open")
