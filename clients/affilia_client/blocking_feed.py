"""The subscription of `feed.py` for threads. One thread iterates; any thread can close it.

    with BlockingEnrollmentSubscription(channel, start=stored_token or FEED_START_SNAPSHOT) as subscription:
        for message in subscription:
            ...

The caller stores the checkpoint, as in `feed.py`.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from affilia.enrollment.v1 import enrollment_event_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia_client.credentials import Metadata
from affilia_client.errors import CallFailed, Cancelled, Unavailable, call_failed
from affilia_client.resuming import (
    HEARTBEAT_SECONDS,
    INITIAL_PAUSE_SECONDS,
    MAX_PAUSE_SECONDS,
    PERMANENT_FAILURES,
    FeedStart,
    Message,
    pause_seconds,
    watch_request,
)


class BlockingEnrollmentSubscription:
    """Iterates over the messages of the feed until it is closed. Resumes after the last message, on any server.

    The arguments and errors are those of `EnrollmentSubscription`.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        start: "str | FeedStart.ValueType",
        event_filter: enrollment_event_pb2.EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        initial_pause_seconds: float = INITIAL_PAUSE_SECONDS,
        max_pause_seconds: float = MAX_PAUSE_SECONDS,
        metadata: Metadata | Callable[[], Metadata] = (),
    ) -> None:
        self._stub: Any = EnrollmentQueryServiceStub(channel)
        self._request = watch_request(start, event_filter)
        self._metadata = metadata
        self._heartbeat_seconds = heartbeat_seconds
        self._pauses = initial_pause_seconds, max_pause_seconds
        self._connected = threading.Event()
        self._closed = threading.Event()
        self._stream: tuple[Any, _SilenceTimer] | None = None
        self._current: Message | None = None

    @property
    def resume_token(self) -> str:
        """The token that resumes after the last processed message, which is the one before the current message. Empty
        at first, unless the subscription started from a token."""
        return self._request.resume_token

    @property
    def connected(self) -> bool:
        """Whether a stream is established. A connection that was just lost may not have been noticed yet."""
        return self._connected.is_set()

    def ready(self, timeout: float | None = None) -> bool:
        """Waits until a stream is established; no later event is missed. Another thread must be iterating."""
        return self._connected.wait(timeout)

    def close(self) -> None:
        """Ends the stream and the iteration. Any thread can call this."""
        self._closed.set()
        self._drop_stream()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rewind(self) -> None:
        """Makes the next iteration return the current message again. Call it if processing the message failed; a loop
        that is left with `break` counts its message as processed."""
        if self._current is not None:
            self._current = None
            self._drop_stream()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        if self._current is not None:
            self._request.resume_token = self._current.resume_token
            self._current = None
        failures = 0
        while not self._closed.is_set():
            try:
                message = self._read()
                if message is not None:
                    self._current = message
                    return message
                failed: CallFailed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "the stream ended")
            except grpc.RpcError as error:
                failed = call_failed(error)
                if failed.code in PERMANENT_FAILURES:
                    self._drop_stream()
                    raise failed from None
            self._drop_stream()
            self._closed.wait(pause_seconds(failures, failed.retry_after_seconds, *self._pauses))
            failures += 1
        raise StopIteration

    def _read(self) -> Message | None:
        """Returns the next message, starting a stream if there is none. Returns None if the stream has ended."""
        stream = self._stream
        if stream is None:
            stream = self._stream = self._start()
        call, timer = stream
        if self._closed.is_set():  # closed since the loop checked
            call.cancel()
        with timer:
            message: Message | None = next(call, None)
        if message is not None:
            self._connected.set()
        return message

    def _start(self) -> "tuple[Any, _SilenceTimer]":
        metadata = self._metadata() if callable(self._metadata) else self._metadata
        try:
            call = self._stub.WatchEnrollments(self._request, metadata=metadata)
        except ValueError as closed:  # gRPC raises this for a closed channel
            raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client is closed") from closed
        return call, _SilenceTimer(self._heartbeat_seconds, call.cancel)

    def _drop_stream(self) -> None:
        """Cancels the stream, if there is one."""
        self._connected.clear()
        stream, self._stream = self._stream, None
        if stream is not None:
            call, timer = stream
            timer.stop()
            call.cancel()


MAX_CHECK_INTERVAL_SECONDS = 3600.0


class _SilenceTimer:
    """Cancels a stream that stays silent while a thread waits for a message. Processing time doesn't count."""

    def __init__(self, seconds: float, cancel: Callable[[], Any]) -> None:
        self._seconds = seconds
        self._cancel = cancel
        self._waiting_since: float | None = None
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="affilia-feed-silence", daemon=True).start()

    def __enter__(self) -> None:
        self._waiting_since = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting_since = None

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._seconds / 10, MAX_CHECK_INTERVAL_SECONDS)):
            since = self._waiting_since
            if since is not None and time.monotonic() - since > self._seconds:
                self._cancel()
                return
