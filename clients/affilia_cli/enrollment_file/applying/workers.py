"""Works on the families of a file concurrently, as many as the server serves one caller without rejecting calls."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from affilia_cli.enrollment_file.applying.retrying import Retrier

Item = TypeVar("Item")

MAX_IN_FLIGHT = 16

SECONDS_BETWEEN_SIGNALS = 1.0
"""A signal that arrives just before the main thread waits is only handled when the wait ends."""


class Workers(Generic[Item]):
    """Threads that take one item after another until none is left or the import is over."""

    def __init__(self, work: Callable[[Item], None], items: Iterable[Item], retrier: Retrier) -> None:
        self._do = work
        self._items = iter(items)
        self._taking = threading.Lock()
        self._retrier = retrier
        self._ended: list[BaseException | None] = []
        # A KeyboardInterrupt can leave the locks of futures locked, but not those of this queue.
        self._wakeups: SimpleQueue[None] = SimpleQueue()
        for number in range(MAX_IN_FLIGHT):
            threading.Thread(target=self._run, name=f"affilia-import-{number}").start()

    def join(self) -> None:
        """Waits until all work is done or the import is over. Can be called again after a KeyboardInterrupt.

        If one item raises an exception, no further items are taken, and the exception is raised here.
        """
        while len(self._ended) < MAX_IN_FLIGHT:
            with suppress(Empty):
                self._wakeups.get(timeout=SECONDS_BETWEEN_SIGNALS)
        if failure := next(filter(None, self._ended), None):
            raise failure

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._work()
        except BaseException as raised:
            failure = raised  # raised again by join()
            self._retrier.stop()
        self._ended.append(failure)
        self._wakeups.put(None)

    def _work(self) -> None:
        while not self._retrier.is_over:
            with self._taking:
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            self._do(item)
