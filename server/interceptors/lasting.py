"""Streams without an end of their own end when the server drains; else each would hold it up to the last second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from domain.errors import ShuttingDown
from server.interceptors.errors import LASTING_METHODS
from server.interceptors.wrapping import AroundInterceptor
from server.rpc_types import Context, Continuation


class LastingCalls(AroundInterceptor):
    """Knows the open ones of one listener. Stands inside the errors interceptor."""

    def __init__(self) -> None:
        super().__init__(self._until_drained)
        self._open: set[asyncio.Timeout] = set()

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        if not handler_call_details.method.endswith(LASTING_METHODS):
            return await continuation(handler_call_details)
        return await super().intercept_service(continuation, handler_call_details)

    def end(self) -> None:
        """Ends those that are open, with UNAVAILABLE."""
        now = asyncio.get_running_loop().time()
        for ending in self._open:
            ending.reschedule(now)

    @asynccontextmanager
    async def _until_drained(self, method: str, context: Context) -> AsyncIterator[None]:
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
