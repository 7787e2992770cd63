"""Works on the families of a file concurrently, as many as the server serves one caller without rejecting calls."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from affilia_cli.enrollment_file.applying.retrying import Retrier

Item = TypeVar("Item")

MAX_IN_FLIGHT = 16


class Workers(Generic[Item]):
    """Threads that take one item after another until none is left or the import is over."""

    def __init__(self, work: Callable[[Item], None], items: Iterable[Item], retrier: Retrier) -> None:
        self._do = work
        self._items = iter(items)
        self._taking = threading.Lock()
        self._retrier = retrier
        pool = ThreadPoolExecutor(MAX_IN_FLIGHT, "affilia-import")
        self._threads: list[Future[None]] = [pool.submit(self._work) for _ in range(MAX_IN_FLIGHT)]
        pool.shutdown(wait=False)  # The threads end on their own.

    def join(self) -> None:
        """Waits until all work is done or the import is over. Can be called again after a KeyboardInterrupt.

        If one item raises an exception, no further items are taken, and the exception is raised here.
        """
        done, _ = wait(self._threads, return_when=FIRST_EXCEPTION)
        for thread in done:
            if thread.exception():
                self._retrier.stop()
                wait(self._threads)
            thread.result()

    def _work(self) -> None:
        while not self._retrier.is_over:
            with self._taking:
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            self._do(item)
