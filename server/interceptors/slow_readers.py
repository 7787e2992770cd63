"""Ends streams whose readers don't receive what is sent to them, so that they don't use up the server's memory.

If a reader doesn't receive a response for some time, the server queues the stream's status behind it and frees the
stream's memory. A reader that continues gets both. Otherwise its connection is closed, unless it carries other calls.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import grpc
import structlog

from domain.errors import ConsumerTooSlow, DomainError
from server.connections import Connections, close
from server.interceptors.errors import refuse
from server.streams import OpenStream, OpenStreams

MAX_SEND_SECONDS = 18.0
"""Maximum time in which a reader must receive a response."""
MAX_LAST_SEND_SECONDS = 2.0
"""The same for the last response of a stream that was ended, which would delay a drain."""
CHECK_SECONDS = 0.5
LATE_SECONDS = 0.2
CHECKS_UNTIL_CLOSED = 10
CHECKS_UNTIL_ENDED_CLOSED = 3
"""How often a stream with a queued status is found open before its connection is closed."""
MAX_STUCK_STREAMS = 16
"""A connection with this many abandoned streams is closed even if it carries other calls: they use memory in gRPC."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _AbandonedStream:
    """A stream whose status is queued behind a response. `status` is None if not even headers could be sent."""

    peer: str
    status: "asyncio.Task[None] | None"
    ended: bool
    checks_left: int


class SlowReaders:
    """Watches the streams of one listener."""

    def __init__(
        self, streams: OpenStreams, connections: Connections, max_send_seconds: float = MAX_SEND_SECONDS
    ) -> None:
        self._streams = streams
        self._connections = connections
        self._max_send_seconds = max_send_seconds
        self._abandoned: set[_AbandonedStream] = set()

    async def watch(self, listening_port: int) -> None:
        """Abandons the streams of slow readers, and closes their connections."""
        loop = asyncio.get_running_loop()
        while True:
            due_at = loop.time() + min(CHECK_SECONDS, self._max_send_seconds / 10)
            await asyncio.sleep(due_at - loop.time())
            now = loop.time()
            # A loop busy with thousands of ended streams hasn't yet processed that their readers received everything.
            with_ended = now - due_at < LATE_SECONDS
            for stream in self._streams:
                if (with_ended or stream.ended_at is None) and self._is_stuck(stream, now):
                    await self._abandon(stream)
            await self._close_unread(listening_port, with_ended=with_ended)

    def _is_stuck(self, stream: OpenStream, now: float) -> bool:
        if stream.abandoned or stream.sending_since is None:
            return False
        is_last = stream.ended_at is not None and now - stream.ended_at > MAX_LAST_SEND_SECONDS
        return now - stream.sending_since > (MAX_LAST_SEND_SECONDS if is_last else self._max_send_seconds)

    async def _abandon(self, stream: OpenStream) -> None:
        ended = stream.end_request.error
        abandoned = _AbandonedStream(
            stream.peer, None, ended is not None, CHECKS_UNTIL_ENDED_CLOSED if ended else CHECKS_UNTIL_CLOSED
        )
        self._abandoned.add(abandoned)
        if stream.headers_sent:
            abandoned.status = asyncio.create_task(_send_status(stream, ended or ConsumerTooSlow()))
            await asyncio.sleep(0)  # now gRPC has the status, and sends it however the task of the stream ends
        else:
            stream.abandoned = True
        if stream.abandoned:
            stream.task.cancel()

    async def _close_unread(self, listening_port: int, *, with_ended: bool) -> None:
        self._abandoned = {each for each in self._abandoned if each.status is None or not each.status.done()}
        stuck = Counter(each.peer for each in self._abandoned)
        closing: set[str] = set()
        for each in self._abandoned:
            each.checks_left -= with_ended or not each.ended
            needed_by_others = self._connections.calls(each.peer) and stuck[each.peer] < MAX_STUCK_STREAMS
            if each.checks_left <= 0 and not needed_by_others:
                closing.add(each.peer)
        self._abandoned = {each for each in self._abandoned if each.peer not in closing}
        for peer in closing:
            if await asyncio.to_thread(close, peer, listening_port):  # otherwise the client has closed it
                log.warning("slow_reader_closed", streams=stuck[peer])


async def _send_status(stream: OpenStream, error: DomainError) -> None:
    """Sends a stream's status behind its stuck response, and waits until the reader has received both.

    When this runs, the reader may already have received the response, or have disconnected.
    """
    if stream.sending_since is None or stream.task.done():
        return
    stream.abandoned = True
    with suppress(grpc.aio.AbortError, grpc.aio.BaseError):
        await refuse(stream.context, error)
