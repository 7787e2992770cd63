"""Shows the progress of an import on stderr: as a bar on a terminal, otherwise as a line from time to time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from affilia_cli.console import ERRORS, DataConsole

SECONDS_BETWEEN_LINES = 10.0


class ImportProgress:
    """Shows one task at a time. Thread-safe."""

    def __init__(self, console: DataConsole = ERRORS, seconds_between_lines: float = SECONDS_BETWEEN_LINES) -> None:
        self._console = console
        self._seconds = seconds_between_lines

    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Shows a task while it runs. Yields the function to call after each of its items."""
        with (self._bar if self._console.is_terminal else self._lines)(description, total) as advance:
            yield advance

    def note(self, text: str) -> None:
        self._console.print(text)

    @contextmanager
    def _bar(self, description: str, total: int | None) -> Iterator[Callable[[], None]]:
        counts = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if total is not None else ()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), *counts)
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(description, total=total)
            yield lambda: bar.advance(task)

    @contextmanager
    def _lines(self, description: str, total: int | None) -> Iterator[Callable[[], None]]:
        lock, done, shown_at = threading.Lock(), 0, time.monotonic()

        def advance() -> None:
            nonlocal done, shown_at
            with lock:
                done += 1
                if time.monotonic() - shown_at < self._seconds:
                    return
                shown_at = time.monotonic()
                self._console.print(f"{description}: {done} of {total}")

        yield advance
