"""Authorizes the callers of open streams again, every minute and when their token expires.

Otherwise a stream could outlast its token's expiry or the withdrawal of its key.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from domain.errors import DomainError
from operations.failures import described
from server.errors import Unauthenticated
from server.identity.authenticators import Authenticator, Credentials
from server.streams import OpenStream, OpenStreams

REAUTHORIZE_SECONDS = 60.0
CHECK_SECONDS = 1.0
CHECKS_IN_A_ROW = 100
"""The worker yields to other tasks after this many checks: thousands of tokens can expire in the same second."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reauthorization:
    """Reauthorizes the streams of one listener."""

    streams: OpenStreams
    authenticator: Authenticator
    clock: Callable[[], float] = time.time

    def begin(self, stream: OpenStream, credentials: Credentials, expires_at: float | None) -> None:
        """Starts to reauthorize the caller of a stream."""
        stream.credentials = credentials
        stream.reauthorize_at = self._next(expires_at)

    def _next(self, expires_at: float | None) -> float:
        soon = self.clock() + REAUTHORIZE_SECONDS
        return soon if expires_at is None else min(soon, expires_at)

    async def watch(self) -> None:
        """Ends the streams whose callers are no longer allowed to read."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = self.clock()
            due = [stream for stream in self.streams if stream.reauthorize_at <= now]
            for i, stream in enumerate(due):
                await self._check(stream)
                if i % CHECKS_IN_A_ROW == 0:
                    await asyncio.sleep(0)

    async def _check(self, stream: OpenStream) -> None:
        if stream.credentials is None or stream.ended_at is not None:
            return
        try:
            _, expires_at = await self.authenticator.authenticate(stream.credentials)
            # An expired token is valid within the leeway: until that ends, it is checked every second.
            stream.reauthorize_at = self._next(
                None if expires_at is None else max(expires_at, self.clock() + CHECK_SECONDS)
            )
        except DomainError as refused:
            stream.end(refused)
        except Exception as error:
            log.error("authorization_failed", **described(error))
            stream.end(Unauthenticated("Could not verify that the token is still valid."))
