"""The deadlines of calls: the caller's own, or else a default."""

import asyncio
from types import TracebackType

from server.methods import Method
from server.rpc_types import Context
from server.streams import OpenStream


def deadline_of(method: Method, context: Context, stream: OpenStream | None, default_seconds: float) -> "Deadline":
    """Returns the deadline of a call, to enter around its work.

    Long-lived streams have no default deadline, but their database reads do. A stream enforces its deadline itself,
    because an interruption around it could hit a response that is being sent.
    """
    seconds = context.time_remaining()
    if seconds is None and not method.is_lasting:
        seconds = default_seconds
    if stream is None:
        return Deadline(seconds)
    stream.limit_to(seconds)
    return NO_DEADLINE


class Deadline:
    """Interrupts the task that enters it after some seconds, and then raises TimeoutError. None: never.

    Replaces `asyncio.timeout`, which can be rescheduled and is a coroutine. It takes more time than all other parts of
    this package that every call needs.
    """

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._expired = False

    def __enter__(self) -> None:
        if self._seconds is None:
            return
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(loop)
        assert self._task is not None  # noqa: S101 (gRPC runs every call in a task)
        self._cancelling = self._task.cancelling()
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is None or self._task is None:
            return
        self._timer.cancel()
        if not self._expired:
            return
        was_cancelled_by_others = self._task.uncancel() > self._cancelling
        if kind is asyncio.CancelledError and not was_cancelled_by_others:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()


NO_DEADLINE = Deadline(None)
"""Does nothing, so all streams share it."""
