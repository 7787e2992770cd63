"""How much at once: calls that would have to wait are told at once to come again, so that the others stay quick.

Health is left out: who asks it must hear that the server lives. Streams count for their caller only; open ones cost
little.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.errors import Overloaded
from server import metrics
from server.errors import TooManyOfCaller
from server.interceptors.methods import HEALTH, LASTING_METHODS
from server.operations.call import CallerKind, current_call
from server.rpc_types import Context

TICK_SECONDS = 0.02
"""How often it is looked how late the loop is."""
LATE_SECONDS = 0.25
"""A loop that is later than this has more to do than it can."""


@dataclass(slots=True, eq=False)
class Load:
    """What one process is doing, over all its listeners."""

    most_calls: int
    running: int = 0
    lag_seconds: float = 0.0

    async def watch_for_ever(self) -> None:
        """Measures how late the loop is."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(TICK_SECONDS)
            self.lag_seconds = loop.time() - began - TICK_SECONDS
            metrics.LOOP_LAG.set(self.lag_seconds)

    def is_too_much(self, method: str) -> bool:
        """Whether a call of a method that begins now would be one too many."""
        if self.running < self.most_calls and self.lag_seconds < LATE_SECONDS:
            return False
        return not (method.endswith(LASTING_METHODS) or method.startswith(HEALTH))

    @asynccontextmanager
    async def bounded(self, method: str, context: Context) -> AsyncIterator[None]:
        """Around every call. Raises Overloaded."""
        if method.endswith(LASTING_METHODS) or method.startswith(HEALTH):
            yield
            return
        if self.is_too_much(method):
            metrics.SHED.inc()
            raise Overloaded
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


@dataclass(slots=True, eq=False)
class OfEachCaller:
    """What each caller has open on one listener. Those who are let in by where they are cannot be told apart."""

    most_calls: int
    most_streams: int
    _calls: Counter[str] = field(default_factory=Counter)
    _streams: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def bounded(self, method: str, context: Context) -> AsyncIterator[None]:
        """Around every call, inside identity. Raises TooManyOfCaller."""
        caller = current_call().caller
        if method.startswith(HEALTH) or caller.kind is CallerKind.SYSTEM:
            yield
            return
        lasting = method.endswith(LASTING_METHODS)
        counts, most = (self._streams, self.most_streams) if lasting else (self._calls, self.most_calls)
        subject = caller.subject
        if counts[subject] >= most:
            raise TooManyOfCaller("streams" if lasting else "calls", most)
        counts[subject] += 1
        try:
            yield
        finally:
            counts[subject] -= 1
            if not counts[subject]:
                del counts[subject]
