"""`feed.py` for threads: a subscription that goes on by itself, iterated over by one thread, closed by any.

    with BlockingEnrollmentSubscription(channel, start=stored_token or FEED_START_SNAPSHOT) as subscription:
        for message in subscription:
            ...

The checkpoint is the caller's, as `feed.py` says.
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
    FIRST_PAUSE_SECONDS,
    HEARTBEAT_SECONDS,
    HOPELESS,
    LONGEST_PAUSE_SECONDS,
    FeedStart,
    Message,
    pause_seconds,
    watch_request,
)


class BlockingEnrollmentSubscription:
    """Iterates over messages until it is closed; resumes after the last one that it gave, on any server.

    Arguments and errors are those of `EnrollmentSubscription`.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        start: "str | FeedStart.ValueType",
        wanted: enrollment_event_pb2.EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        metadata: Metadata | Callable[[], Metadata] = (),
    ) -> None:
        self._stub: Any = EnrollmentQueryServiceStub(channel)
        self._request = watch_request(start, wanted)
        self._metadata = metadata
        self._heartbeat_seconds = heartbeat_seconds
        self._pauses = first_pause_seconds, longest_pause_seconds
        self._connected = threading.Event()
        self._closed = threading.Event()
        self._standing: tuple[Any, _Silence] | None = None
        self._given: Message | None = None

    @property
    def resume_token(self) -> str:
        """Resumes after the last message that was done with: the one before that which is being worked on. Empty before
        that, unless the subscription began with a token."""
        return self._request.resume_token

    @property
    def connected(self) -> bool:
        """Whether a stream stands at this moment, as far as one can know."""
        return self._connected.is_set()

    def ready(self, timeout: float | None = None) -> bool:
        """Waits until a stream stands: nothing that happens from then on is missed. Another thread iterates."""
        return self._connected.wait(timeout)

    def close(self) -> None:
        """Ends the stream, if one stands, and with it the iteration. From any thread."""
        self._closed.set()
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rewind(self) -> None:
        """Has the next loop be given again the message that was given last: for a consumer that failed on it. A loop
        that is left otherwise, by a break, counts its message as done."""
        if self._given is not None:
            self._given = None
            self._leave()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        if self._given is not None:
            self._request.resume_token = self._given.resume_token
            self._given = None
        failures = 0
        while not self._closed.is_set():
            try:
                message = self._read()
                if message is not None:
                    self._given = message
                    return message
                failed: CallFailed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "the stream ended")
            except grpc.RpcError as error:
                failed = call_failed(error)
                if failed.code in HOPELESS:
                    self._leave()
                    raise failed from None
            self._leave()
            self._closed.wait(pause_seconds(failures, failed.retry_after_seconds, *self._pauses))
            failures += 1
        raise StopIteration

    def _read(self) -> Message | None:
        """The next message of the stream, which is begun where none stands; None: it has ended."""
        standing = self._standing
        if standing is None:
            standing = self._standing = self._begun()
        call, silence = standing
        if self._closed.is_set():  # between the last look and now
            call.cancel()
        with silence:
            message: Message | None = next(call, None)
        if message is not None:
            self._connected.set()
        return message

    def _begun(self) -> "tuple[Any, _Silence]":
        metadata = self._metadata() if callable(self._metadata) else self._metadata
        try:
            call = self._stub.WatchEnrollments(self._request, metadata=metadata)
        except ValueError as closed:  # so gRPC says it
            raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client is closed") from closed
        return call, _Silence(self._heartbeat_seconds, call.cancel)

    def _leave(self) -> None:
        """Gives the stream up, if one stands."""
        self._connected.clear()
        standing, self._standing = self._standing, None
        if standing is not None:
            call, silence = standing
            silence.no_more()
            call.cancel()


LONGEST_LOOK_SECONDS = 3600.0


class _Silence:
    """Ends a stream that says nothing for so long while somebody listens; how long a message takes, does not count."""

    def __init__(self, seconds: float, give_up: Callable[[], Any]) -> None:
        self._seconds = seconds
        self._give_up = give_up
        self._since: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="affilia-feed-silence", daemon=True).start()

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._since = None

    def no_more(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(min(self._seconds / 10, LONGEST_LOOK_SECONDS)):
            since = self._since
            if since is not None and time.monotonic() - since > self._seconds:
                self._give_up()
                return
