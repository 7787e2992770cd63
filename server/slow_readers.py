"""Readers of streams that do not take what is sent: told so, and given up, before they cost anybody anything."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import grpc

from domain.errors import ConsumerTooSlow
from server.interceptors.errors import refuse
from server.rpc_types import Context

MOST_SECONDS = 25.0
LOOK_SECONDS = 1.0


class SlowReaders:
    """Knows every message that is on its way, and since when."""

    def __init__(self) -> None:
        self._sending: dict[Context, float] = {}
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def sending(self, context: Context) -> Iterator[None]:
        """Around the `yield` of one message: it ends when the transport has taken the message."""
        loop = asyncio.get_running_loop()
        if self._watching is None:
            self._watching = loop.create_task(self._give_up_for_ever())
        self._sending[context] = loop.time()
        try:
            yield
        finally:
            self._sending.pop(context, None)

    async def _give_up_for_ever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            since = asyncio.get_running_loop().time() - MOST_SECONDS
            for context in [context for context, began in self._sending.items() if began < since]:
                del self._sending[context]
                # The status goes out behind what is stuck: whoever reads on is told. The writing of the message itself
                # then fails, and ends the call.
                await asyncio.gather(asyncio.create_task(_refuse(context)), return_exceptions=True)


async def _refuse(context: Context) -> None:
    with suppress(grpc.aio.AbortError):
        await refuse(context, ConsumerTooSlow())
