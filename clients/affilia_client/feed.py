"""A subscription to the change feed that goes on by itself, whatever happens to the connection or the server.

    async with EnrollmentSubscription(channel, start=stored_token or FEED_START_SNAPSHOT) as subscription:
        async for message in subscription:
            with my_database.begin() as transaction:
                transaction.apply(message.groups, message.events)
                transaction.store(message.resume_token)

The checkpoint is the caller's: whoever stores the token of a message in one transaction with what was made of it has
every event exactly once, also after a crash of its own. Messages without events are delivered too: storing their tokens
keeps a consumer with a narrow filter from starting far back.
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
    FIRST_PAUSE_SECONDS,
    HEARTBEAT_SECONDS,
    HOPELESS,
    LONGEST_PAUSE_SECONDS,
    FeedStart,
    Message,
    pause_seconds,
    watch_request,
)


class EnrollmentSubscription:
    """Iterates over messages without end; resumes after the last one that it gave, on any server of the deployment.

    `start` is a resume token, or where to begin without one (NOW: from when the first connection stands).
    `heartbeat_seconds`: a connection that says nothing for so long is taken for dead; the server says something every
    10 s. Pauses between attempts are random, up to `first_pause_seconds` doubled at each failure in a row, at most
    `longest_pause_seconds`, and not less than the server asks for. `metadata` may be asked for at each attempt.

    Iterating raises CallFailed where trying again cannot help: FEED_TRIMMED, FEED_DIVERGED, TOKEN_INVALID, or no right
    to read.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        start: "str | FeedStart.ValueType",
        wanted: enrollment_event_pb2.EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        metadata: Metadata | Callable[[], Awaitable[Metadata]] = (),
    ) -> None:
        self._stub: Any = EnrollmentQueryServiceStub(channel)
        self._request = watch_request(start, wanted)
        self._metadata = metadata
        self._heartbeat_seconds = heartbeat_seconds
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._connected = asyncio.Event()
        self._call: Any = None
        self._given: Message | None = None
        self._closed = False

    @property
    def resume_token(self) -> str:
        """Resumes after the last message that was done with: the one before that which is being worked on. Empty before
        that, unless the subscription began with a token."""
        return self._request.resume_token

    @property
    def connected(self) -> bool:
        """Whether a stream stands at this moment, as far as one can know."""
        return self._connected.is_set()

    async def ready(self) -> None:
        """Waits until a stream stands: nothing that happens from then on is missed. Iterate meanwhile."""
        await self._connected.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the stream, if one stands, and with it every iteration."""
        self._closed = True
        self._leave()

    def rewind(self) -> None:
        """Has the next loop be given again the message that was given last: for a consumer that failed on it. A loop
        that is left otherwise, by a break, counts its message as done."""
        if self._given is not None:
            self._given = None
            self._leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._given is not None:
            self._request.resume_token = self._given.resume_token
            self._given = None
        failures = 0
        while not self._closed:
            try:
                message = await self._read()
                if message is not None:
                    self._given = message
                    return message
                failed: CallFailed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "the stream ended")
            except TimeoutError:
                failed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "nothing was heard")
            except asyncio.CancelledError:
                self._leave()
                if task_was_cancelled():
                    raise
                failed = Cancelled(grpc.StatusCode.CANCELLED, "", "the stream was cancelled")
            except grpc.aio.UsageError as closed:
                raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client is closed") from closed
            except grpc.aio.AioRpcError as error:
                failed = call_failed(error)
                if failed.code in HOPELESS:
                    self._leave()
                    raise failed from None
            self._leave()
            if self._closed:
                break
            first, longest = self._first_pause_seconds, self._longest_pause_seconds
            await asyncio.sleep(pause_seconds(failures, failed.retry_after_seconds, first, longest))
            failures += 1
        raise StopAsyncIteration

    async def _read(self) -> Message | None:
        """The next message of the stream, which is begun where none stands; None: it has ended."""
        if self._call is None:
            metadata = await self._metadata() if callable(self._metadata) else self._metadata
            self._call = self._stub.WatchEnrollments(self._request, metadata=metadata)
        message = await asyncio.wait_for(self._call.read(), self._heartbeat_seconds)
        if message is grpc.aio.EOF:
            return None
        self._connected.set()
        read: Message = message
        return read

    def _leave(self) -> None:
        """Gives the stream up, if one stands."""
        self._connected.clear()
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
