"""A subscription to the change feed that reconnects and resumes automatically.

    async with EnrollmentSubscription(channel, start=stored_token or FEED_START_SNAPSHOT) as subscription:
        async for message in subscription:
            with my_database.begin() as transaction:
                transaction.apply(message.groups, message.events)
                transaction.store(message.resume_token)

The caller stores the checkpoint. If you store the token of each message in the same transaction as its effects, you
process every event exactly once, even if your program crashes. Messages without events are delivered too: if you store
their tokens, a consumer with a narrow filter doesn't have to resume from far back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import grpc

from affilia.enrollment.v1 import enrollment_event_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia_client.cancelling import task_was_cancelled
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


class EnrollmentSubscription:
    """Iterates over the messages of the feed until it is closed. Resumes after the last message, on any server.

    `start` is a resume token, or a FeedStart; FEED_START_NOW starts when the first connection is established. A
    connection without a message for `heartbeat_seconds` counts as lost; servers send one at least every 10 s. Pauses
    between attempts are random, up to `initial_pause_seconds` doubled at each consecutive failure, at most
    `max_pause_seconds`, and never less than the server requests. `metadata` can be a function, which is called at each
    attempt.

    Iterating raises CallFailed if retrying can't help: FEED_TRIMMED, FEED_DIVERGED, TOKEN_INVALID, or a caller who may
    not read the feed.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        start: "str | FeedStart.ValueType",
        event_filter: enrollment_event_pb2.EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        initial_pause_seconds: float = INITIAL_PAUSE_SECONDS,
        max_pause_seconds: float = MAX_PAUSE_SECONDS,
        metadata: Metadata | Callable[[], Awaitable[Metadata]] = (),
    ) -> None:
        self._stub: Any = EnrollmentQueryServiceStub(channel)
        self._request = watch_request(start, event_filter)
        self._metadata = metadata
        self._heartbeat_seconds = heartbeat_seconds
        self._initial_pause_seconds = initial_pause_seconds
        self._max_pause_seconds = max_pause_seconds
        self._connected = asyncio.Event()
        self._call: Any = None
        self._current: Message | None = None
        self._closed = False

    @property
    def resume_token(self) -> str:
        """The token that resumes after the last processed message, which is the one before the current message. Empty
        at first, unless the subscription started from a token."""
        return self._request.resume_token

    @property
    def connected(self) -> bool:
        """Whether a stream is established. A connection that was just lost may not have been noticed yet."""
        return self._connected.is_set()

    async def ready(self) -> None:
        """Waits until a stream is established; no later event is missed. Another task must be iterating."""
        await self._connected.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the stream and every iteration."""
        self._closed = True
        self._drop_stream()

    def rewind(self) -> None:
        """Makes the next iteration return the current message again. Call it if processing the message failed; a loop
        that is left with `break` counts its message as processed."""
        if self._current is not None:
            self._current = None
            self._drop_stream()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._current is not None:
            self._request.resume_token = self._current.resume_token
            self._current = None
        failures = 0
        while not self._closed:
            try:
                message = await self._read()
                if message is not None:
                    self._current = message
                    return message
                failed: CallFailed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "the stream ended")
            except TimeoutError:
                failed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", f"no message for {self._heartbeat_seconds:g} s")
            except asyncio.CancelledError:
                self._drop_stream()
                if task_was_cancelled():
                    raise
                failed = Cancelled(grpc.StatusCode.CANCELLED, "", "the stream was cancelled")
            except grpc.aio.UsageError as closed:
                raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client is closed") from closed
            except grpc.aio.AioRpcError as error:
                failed = call_failed(error)
                if failed.code in PERMANENT_FAILURES:
                    self._drop_stream()
                    raise failed from None
            self._drop_stream()
            if self._closed:
                break
            initial, longest = self._initial_pause_seconds, self._max_pause_seconds
            await asyncio.sleep(pause_seconds(failures, failed.retry_after_seconds, initial, longest))
            failures += 1
        raise StopAsyncIteration

    async def _read(self) -> Message | None:
        """Returns the next message, starting a stream if there is none. Returns None if the stream has ended."""
        if self._call is None:
            metadata = await self._metadata() if callable(self._metadata) else self._metadata
            self._call = self._stub.WatchEnrollments(self._request, metadata=metadata)
        message = await asyncio.wait_for(self._call.read(), self._heartbeat_seconds)
        if message is grpc.aio.EOF:
            return None
        self._connected.set()
        read: Message = message
        return read

    def _drop_stream(self) -> None:
        """Cancels the stream, if there is one."""
        self._connected.clear()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
