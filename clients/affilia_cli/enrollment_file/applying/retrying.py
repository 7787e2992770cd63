"""Repeats calls that the server asks to repeat, and calls that reach no server, until the deadline of the import.

`affilia_client` retries a call within the call's own deadline. An import of many families continues for longer: a
server that restarts or sheds load for minutes must not make it fail. Every write has a derived request id, so that
repeating it is safe.
"""

import random
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

from affilia_cli.enrollment_file.applying.progress import Progress
from affilia_client import CallFailed, Cancelled, Unavailable

Response = TypeVar("Response")

CALL_SECONDS = 30.0
"""Deadline of one call, including the retries of the client library."""
MIN_CALL_SECONDS = 5.0
"""Deadline of calls shortly before the deadline of the import and after it, so that families under way are finished."""
LOST_SERVER = (Unavailable, Cancelled)
"""Failures of calls that no server answered, or that ended because a server shut down."""
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 10.0


class Stopped(Exception):
    """The import was stopped while a call waited to be repeated. The call may have succeeded."""


class Retrier:
    """Makes the calls of one import. Thread-safe."""

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._ends = time.monotonic() + seconds
        self._progress = progress
        self._stopped = threading.Event()
        self._failing = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether to begin nothing new: the import was stopped, or its deadline has passed."""
        return self._stopped.is_set() or time.monotonic() >= self._ends

    def stop(self) -> None:
        """Ends all pauses. Calls in progress continue."""
        self._stopped.set()

    def call(self, send: Callable[..., Response], request: Any) -> Response:
        """Makes a call, and repeats it after the delay that the server asks for. Raises CallFailed if it failed for
        another reason or the deadline would pass, and Stopped if the import was stopped."""
        for attempt in count():
            try:
                seconds = min(CALL_SECONDS, max(MIN_CALL_SECONDS, self._ends - time.monotonic()))
                response = send(request, timeout=seconds)
            except CallFailed as failed:
                if not _is_repeatable(failed):
                    raise
                self._pause(failed, attempt)
                continue
            self._failing.clear()
            return response
        raise AssertionError("unreachable")

    def _pause(self, failed: CallFailed, attempt: int) -> None:
        seconds = failed.retry_after_seconds or min(MIN_PAUSE_SECONDS * 2 ** min(attempt, 10), MAX_PAUSE_SECONDS)
        seconds *= random.uniform(1, 1.25)  # noqa: S311 (to spread load, not to keep a secret)
        if time.monotonic() + seconds >= self._ends:
            raise failed
        if not self._failing.is_set():
            self._failing.set()
            self._progress.note(f"The server is unavailable or overloaded. Retrying: {failed}")
        if self._stopped.wait(seconds):
            raise Stopped from failed


class Stopping:
    """Stops an import from another thread, whichever of its retriers is making calls at the time."""

    def __init__(self) -> None:
        self._retriers: list[Retrier] = []
        self.is_requested = False

    def request(self) -> None:
        """Stops all retriers, including those that are added later."""
        self.is_requested = True
        for retrier in list(self._retriers):
            retrier.stop()

    def stops(self, retrier: Retrier) -> Retrier:
        """Adds a retrier of the import and returns it."""
        self._retriers.append(retrier)
        if self.is_requested:
            retrier.stop()
        return retrier


def _is_repeatable(failed: CallFailed) -> bool:
    return failed.retry_after_seconds > 0 or isinstance(failed, LOST_SERVER)
