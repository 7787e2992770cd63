"""Channels for tests: calls that an overloaded server rejects are sent again.

A rejected call has done nothing, and its RetryInfo says when to retry. Tests of rejections use plain channels.
"""

import time
from collections.abc import Callable
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

PATIENCE_SECONDS = 120
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


def connected_to(address: str) -> grpc.Channel:
    """Returns a channel without encryption that retries calls that an overloaded server rejects.

    It shares no connection with others: a channel of an earlier test may still try to reach a dead server at a port
    that a new one has received in the meantime.
    """
    return patient(grpc.insecure_channel(address, OPTIONS))


def patient(channel: grpc.Channel) -> grpc.Channel:
    """Returns a channel that retries calls that an overloaded server rejects."""
    return grpc.intercept_channel(channel, _Retrying())


class _Retrying(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Retries a call while the server rejects it with RetryInfo."""

    def intercept_unary_unary(self, send: Callable[..., Any], details: Any, request: Any) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            call = send(details, request)
            # A call that was begun as a future is the test's to wait for.
            if not call.done() or not _waited(call, until):
                return call

    def intercept_unary_stream(self, send: Callable[..., Any], details: Any, request: Any) -> Any:
        return _RetryingStream(lambda: send(details, request))


class _RetryingStream:
    """A stream that is opened again if it was rejected before its first message."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self._begin, self._call, self._has_begun = begin, begin(), False
        self._until = time.monotonic() + PATIENCE_SECONDS

    def __iter__(self) -> "_RetryingStream":
        return self

    def __next__(self) -> Any:
        while True:
            try:
                message = next(self._call)
            except grpc.RpcError:
                if self._has_begun or not _waited(self._call, self._until):
                    raise
                self._call = self._begin()
            else:
                self._has_begun = True
                return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def _waited(call: Any, until: float) -> bool:
    """Waits for the delay of a rejected call. Returns False if it has none, or if waiting would take too long."""
    delay = _retry_delay(call) if call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED else None
    if delay is None or time.monotonic() + delay > until:
        return False
    time.sleep(delay)
    return True


def _retry_delay(call: Any) -> float | None:
    """Returns the delay, in seconds, in the RetryInfo of a failed call, or None."""
    for name, value in call.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            retry = error_details_pb2.RetryInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(retry):
                    return float(retry.retry_delay.ToMilliseconds() / 1000)
    return None
