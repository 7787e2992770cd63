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
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
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
        self._messages: AsyncGenerator[Message] | None = None

    @property
    def resume_token(self) -> str:
        """Resumes after the last message that was given; empty before the first, unless it began with a token."""
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
        """Ends the stream, if one stands."""
        if self._messages is not None:
            await self._messages.aclose()
            self._messages = None

    def __aiter__(self) -> AsyncIterator[Message]:
        if self._messages is None:
            self._messages = self._for_ever()
        return self._messages

    async def _for_ever(self) -> AsyncGenerator[Message]:
        failures = 0
        while True:
            try:
                async with aclosing(self._one_stream()) as messages:
                    async for message in messages:
                        failures = 0
                        yield message
                failed: CallFailed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "the stream ended")
            except TimeoutError:
                failed = Unavailable(grpc.StatusCode.UNAVAILABLE, "", "nothing was heard")
            except asyncio.CancelledError:
                # grpc.aio says this, too, where the other side has cancelled the call.
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                failed = Cancelled(grpc.StatusCode.CANCELLED, "", "the stream was cancelled")
            except grpc.aio.AioRpcError as error:
                failed = call_failed(error)
                if failed.code in HOPELESS:
                    raise failed from error
            first, longest = self._first_pause_seconds, self._longest_pause_seconds
            await asyncio.sleep(pause_seconds(failures, failed.retry_after_seconds, first, longest))
            failures += 1

    async def _one_stream(self) -> AsyncGenerator[Message]:
        metadata = await self._metadata() if callable(self._metadata) else self._metadata
        call = self._stub.WatchEnrollments(self._request, metadata=metadata)
        try:
            while True:
                message = await asyncio.wait_for(call.read(), self._heartbeat_seconds)
                if message is grpc.aio.EOF:
                    return
                self._connected.set()
                yield message
                # Only now: whoever fails in the midst of a message is given it again.
                self._request.resume_token = message.resume_token
        finally:
            self._connected.clear()
            call.cancel()
