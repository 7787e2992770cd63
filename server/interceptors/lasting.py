"""Streams without an end of their own: they end when the server drains, or when their caller's right to them does.

Else each would hold up the drain to its last second, and a token that has expired, or whose key was taken back, would
go on reading for as long as its stream.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog

from domain.errors import DomainError, ShuttingDown
from server.errors import Unauthenticated
from server.identity.callers import Callers, Credentials
from server.interceptors.methods import LASTING_METHODS
from server.log import where
from server.rpc_types import Context

AUTHORISED_SECONDS = 60.0
LOOK_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Open:
    """One stream: how it is ended, why it was, and when its caller is next to be looked at."""

    ending: asyncio.Timeout
    why: DomainError | None = None
    callers: Callers | None = None
    credentials: Credentials | None = None
    look_at: float = float("inf")


_this: ContextVar[_Open | None] = ContextVar("open_stream", default=None)


class LastingCalls:
    """Knows the open ones of one listener. Stands inside the translation of errors."""

    def __init__(self, authorised_seconds: float = AUTHORISED_SECONDS, clock: Callable[[], float] = time.time) -> None:
        self._open: set[_Open] = set()
        self._authorised_seconds = authorised_seconds
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def end(self) -> None:
        """Ends those that are open, with UNAVAILABLE."""
        if self._looking:
            self._looking.cancel()
        for stream in self._open:
            _end(stream, ShuttingDown())

    @asynccontextmanager
    async def until_drained(self, method: str, context: Context) -> AsyncIterator[None]:
        """Around every call; does nothing to those that end by themselves."""
        if not method.endswith(LASTING_METHODS):
            yield
            return
        stream = _Open(asyncio.timeout(None))
        _this.set(stream)
        try:
            async with stream.ending:
                self._open.add(stream)
                try:
                    yield
                finally:
                    self._open.discard(stream)
        except TimeoutError as ended:
            if stream.why is not None:
                raise stream.why from ended
            raise

    @contextmanager
    def authorised_again(
        self, context: Context, callers: Callers, credentials: Credentials, expires_at: float | None
    ) -> Iterator[None]:
        """Has the caller of a lasting stream looked at again, every minute and when the token expires."""
        stream = _this.get()
        if stream is None:
            yield
            return
        stream.callers, stream.credentials = callers, credentials
        self._next_look(stream, expires_at)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_for_ever())
        yield

    def _next_look(self, stream: _Open, expires_at: float | None) -> None:
        soon = self._clock() + self._authorised_seconds
        stream.look_at = soon if expires_at is None else min(soon, expires_at)

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self._authorised_seconds))
            now = self._clock()
            for stream in [stream for stream in self._open if stream.look_at <= now]:
                try:
                    await self._look(stream)
                except Exception as error:
                    log.error("authorisation_failed", error=type(error).__name__, where=where(error))
                    _end(stream, Unauthenticated("It could not be found out whether the token still holds."))

    async def _look(self, stream: _Open) -> None:
        if stream.callers is None or stream.credentials is None:
            return
        try:
            _, expires_at = await stream.callers.caller(stream.credentials)
        except DomainError as refused:
            if stream in self._open:
                _end(stream, refused)
            return
        # Within the leeway an expired token is believed: until then it is looked at every second.
        self._next_look(stream, None if expires_at is None else max(expires_at, self._clock() + LOOK_SECONDS))


def _end(stream: _Open, why: DomainError) -> None:
    stream.why = stream.why or why
    stream.ending.reschedule(asyncio.get_running_loop().time())
