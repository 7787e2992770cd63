"""Streams of responses: what each one waits for, and how each one ends with a status.

gRPC runs a streaming method and sends its responses in one task. If that task is cancelled while a response is being
sent, gRPC never sends a status, and the caller waits forever. So ending a stream interrupts only the production of its
next response. A response that is being sent is left alone; `server/interceptors/slow_readers.py` handles those that get
stuck.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.errors import DomainError
from operations.call import StreamEnd
from server.identity.authenticators import Credentials
from server.methods import LASTING_METHODS
from server.rpc_types import Context

LEAVE_SECONDS = 3.0
"""Time limit for a producer that handles its own end to produce its last response."""

NO_MORE_RESPONSES: Any = object()


@dataclass(slots=True, eq=False)
class OpenStream:
    """One stream, from its first request to its status. `task` runs it; `peer` is the connection that it came over."""

    method: str
    context: Context
    peer: str
    task: "asyncio.Task[Any]"
    registered_in: "set[OpenStream]" = field(default_factory=set)
    end_request: StreamEnd = field(default_factory=StreamEnd)
    sending_since: float | None = None
    """When the response that is being sent was handed to gRPC, by the loop's clock. None: none is being sent."""
    ended_at: float | None = None
    headers_sent: bool = False
    abandoned: bool = False
    """Whether the status was queued behind a response that the reader didn't receive."""
    credentials: Credentials | None = None
    """The credentials with which the caller is authorized again, at `reauthorize_at`."""
    reauthorize_at: float = float("inf")
    _interrupt_at: float | None = None
    _producing: asyncio.Timeout | None = None

    def __enter__(self) -> "OpenStream":
        self.registered_in.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.registered_in.discard(self)

    def limit_to(self, seconds: float | None) -> None:
        """Sets a time limit for the stream, after which `next` raises TimeoutError."""
        if self.ended_at is None:
            self._interrupt_at = None if seconds is None else asyncio.get_running_loop().time() + seconds

    def end(self, error: DomainError) -> None:
        """Ends the stream with an error: now if it waits for a response, else after the response that is being sent.

        A producer that handles its own end (`StreamEnd.when_requested`) can send its last responses first.
        """
        if self.ended_at is not None:
            return
        self.ended_at = asyncio.get_running_loop().time()
        leave_at = self.ended_at + (LEAVE_SECONDS if self.end_request.request(error) else 0)
        self._interrupt_at = leave_at if self._interrupt_at is None else min(leave_at, self._interrupt_at)
        if self._producing is not None and not self._producing.expired():
            self._producing.reschedule(self._interrupt_at)

    async def next(self, responses: AsyncIterator[Any]) -> Any:
        """Returns the next response, which then counts as being sent, or NO_MORE_RESPONSES at the end.

        Raises the error that the stream was ended with, or TimeoutError at its deadline.
        """
        self.sending_since = None
        if self.abandoned:
            return NO_MORE_RESPONSES
        loop = asyncio.get_running_loop()
        if self.end_request.error is not None and self._interrupt_at is not None and loop.time() >= self._interrupt_at:
            raise self.end_request.error
        try:
            async with asyncio.timeout_at(self._interrupt_at) as self._producing:
                response = await anext(responses, NO_MORE_RESPONSES)
        except Exception as interrupted:
            # The interrupted code may have turned the interruption into another error.
            if self.end_request.error is not None and self._producing is not None and self._producing.expired():
                raise self.end_request.error from interrupted
            raise
        finally:
            self._producing = None
        if response is not NO_MORE_RESPONSES:
            self.sending_since = loop.time()
            if not self.headers_sent:
                # Send the headers before the first response: gRPC can't send a status while it sends both together.
                await self.context.send_initial_metadata(())
                self.headers_sent = True
        return response


class OpenStreams:
    """The open streams of one listener."""

    def __init__(self) -> None:
        self._open: set[OpenStream] = set()
        self._ended_with: DomainError | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenStream]:
        """Iterates over a copy, so that streams can end during the iteration."""
        return iter(list(self._open))

    def end(self, error: DomainError) -> None:
        """Ends all long-lived streams, and from now on every new one as soon as it is opened."""
        self._ended_with = error
        for stream in self:
            if stream.method.endswith(LASTING_METHODS):
                stream.end(error)

    def opened(self, method: str, context: Context) -> OpenStream:
        """Returns the stream of a call, which the current task serves. It is registered while its context is open."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (gRPC runs every call in a task)
        # The peer is read now: reading it after the call has ended crashes the process.
        stream = OpenStream(method, context, str(context.peer()), task, self._open)
        if self._ended_with is not None and method.endswith(LASTING_METHODS):
            stream.end(self._ended_with)
        return stream
