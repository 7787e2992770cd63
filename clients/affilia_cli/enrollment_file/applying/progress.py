"""How an import reports its progress. `affilia_cli/import_progress.py` shows it on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Receives progress, from several threads."""

    def task(self, description: str, total: int | None = None) -> AbstractContextManager[Callable[[], None]]:
        """Begins a task and returns the function to call after each of its `total` items."""

    def note(self, text: str) -> None:
        """Reports an event, such as that the server is unavailable."""


class _Silent:
    @contextmanager
    def task(self, description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        yield lambda: None

    def note(self, text: str) -> None:
        pass


SILENT: Progress = _Silent()
"""Reports nothing."""
