"""Shows many items one after the other: page by page on an interactive terminal, otherwise all of them."""

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

from affilia_cli.console import CONSOLE
from affilia_cli.tables import wants_more

Item = TypeVar("Item")
PAGE_SIZE = 10
"""Small, because each item takes several lines."""


def show_each(items: Iterable[Item], show: Callable[[Item], None], *, nothing: str) -> None:
    """Shows items as they arrive, or prints `nothing` if there are none."""
    asks = CONSOLE.is_terminal and sys.stdin.isatty()
    shown = 0
    for item in items:
        if asks and shown and shown % PAGE_SIZE == 0 and not wants_more(shown):
            return
        show(item)
        shown += 1
    if not shown:
        CONSOLE.print(nothing)
