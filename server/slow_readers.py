"""Readers of streams that do not take what is sent: told so, and given up, before they cost anybody anything."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc

from domain.errors import ConsumerTooSlow
from server.interceptors.errors import refuse
from server.rpc_types import Context

MOST_SECONDS = 25.0


@dataclass(slots=True, eq=False)
class Reader:
    """One stream. `sending_since` is when the message went out that is on its way, by the loop's clock."""

    context: Context
    sending_since: float | None = None

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Around the `yield` of one message: it ends when the transport has taken the message."""
        self.sending_since = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            self.sending_since = None


class SlowReaders:
    """Knows every reader, until its call has ended: a context must not be touched after that."""

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._readers: set[Reader] = set()
        self._watching: asyncio.Task[None] | None = None

    def reader(self, context: Context) -> Reader:
        """Makes a stream known."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._give_up_for_ever())
        reader = Reader(context)
        self._readers.add(reader)
        when_ended(context, lambda: self._readers.discard(reader))
        return reader

    async def _give_up_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._most_seconds / 25)
            since = asyncio.get_running_loop().time() - self._most_seconds
            for reader in [r for r in self._readers if r.sending_since is not None and r.sending_since < since]:
                self._readers.discard(reader)
                # The status goes out behind what is stuck: whoever reads on is told. Until then this waits.
                giving_up = asyncio.create_task(_refuse(reader.context))
                when_ended(reader.context, giving_up.cancel)


def when_ended(context: Context, do: Callable[[], object]) -> None:
    """Does something when a call has ended, however it has."""
    callback: Any = lambda _: do()  # noqa: E731 (the types of gRPC know no function here)
    context.add_done_callback(callback)


async def _refuse(context: Context) -> None:
    with suppress(grpc.aio.AbortError):
        await refuse(context, ConsumerTooSlow())
