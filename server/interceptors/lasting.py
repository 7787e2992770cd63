"""Streams without an end of their own end when the server drains; else each would hold it up to the last second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.errors import ShuttingDown
from server.interceptors.errors import LASTING_METHODS
from server.rpc_types import Context


class LastingCalls:
    """Knows the open ones of one listener. Stands inside the translation of errors."""

    def __init__(self) -> None:
        self._open: set[asyncio.Timeout] = set()

    def end(self) -> None:
        """Ends those that are open, with UNAVAILABLE."""
        now = asyncio.get_running_loop().time()
        for ending in self._open:
            ending.reschedule(now)

    @asynccontextmanager
    async def until_drained(self, method: str, context: Context) -> AsyncIterator[None]:
        """Around every call; does nothing to those that end by themselves."""
        if not method.endswith(LASTING_METHODS):
            yield
            return
        ending = asyncio.timeout(None)
        try:
            async with ending:
                self._open.add(ending)
                try:
                    yield
                finally:
                    self._open.discard(ending)
        except TimeoutError as ended:
            if ending.expired():
                raise ShuttingDown from ended
            raise
