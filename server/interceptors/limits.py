"""Limits how many calls and streams one caller has open on one listener."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.actors import ActorKind
from operations.call import current_call
from server.errors import TooManyOfCaller
from server.methods import HEALTH, LASTING_METHODS
from server.rpc_types import Context


@dataclass(slots=True, eq=False)
class CallerLimits:
    """Maximum numbers of open calls and streams per subject.

    They don't apply to callers without a subject, who are admitted on the loopback interface or with `--dev`.
    """

    max_calls: int
    max_streams: int
    _calls: Counter[str] = field(default_factory=Counter)
    _streams: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def bounded(self, method: str, context: Context) -> AsyncIterator[None]:
        """Wraps every call, inside the identity interceptor. Raises TooManyOfCaller."""
        caller = current_call().caller
        if method.startswith(HEALTH) or caller.kind is ActorKind.SYSTEM:
            yield
            return
        streaming = method.endswith(LASTING_METHODS)
        counts, maximum = (self._streams, self.max_streams) if streaming else (self._calls, self.max_calls)
        subject = caller.subject
        if counts[subject] >= maximum:
            raise TooManyOfCaller("streams" if streaming else "calls", maximum)
        counts[subject] += 1
        try:
            yield
        finally:
            counts[subject] -= 1
            if not counts[subject]:
                del counts[subject]
