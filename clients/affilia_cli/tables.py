"""Tables that never truncate cells. On a terminal, cells wrap to fit its width; elsewhere, each row is one line."""

import sys
from collections.abc import Iterable, Sequence
from itertools import islice

from rich.table import Table
from rich.text import Text

from affilia_cli.console import CONSOLE, ERRORS, DataConsole

ID_WIDTH = 36
"""Width of a column of UUIDs, which must not be wrapped on a terminal: people copy them."""
BATCH = 200
"""Number of rows that are aligned together when a long table isn't written to a terminal."""
UNLIMITED = 1_000_000

Cell = str | Text


def new_table(*titles: str, ids: Sequence[str] = (), title: str = "") -> Table:
    """Returns a table with columns of these titles. Columns in `ids` contain UUIDs."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title or None, title_justify="left")
    for name in titles:
        table.add_column(name, overflow="fold", width=ID_WIDTH if name in ids else None)
    return table


def show_table(table: Table, console: DataConsole = CONSOLE) -> None:
    """Prints a table without truncating it."""
    target = whole(console)
    with target.capture() as captured:
        target.print(table)
    lines = captured.get().splitlines()
    target.file.write("".join(f"{line if console.is_terminal else line.rstrip()}\n" for line in lines))
    target.file.flush()


def whole(console: DataConsole) -> DataConsole:
    """Returns the console if it is a terminal, or else a console of unlimited width that writes to the same file."""
    return console if console.is_terminal else DataConsole(file=console.file, width=UNLIMITED)


def show_rows(titles: Sequence[str], rows: Iterable[Sequence[str]], *, ids: Sequence[str] = ()) -> None:
    """Prints many rows as they arrive: page by page on an interactive terminal, otherwise all of them."""
    asks = CONSOLE.is_terminal and sys.stdin.isatty()
    remaining = iter(rows)
    page = list(islice(remaining, page_rows() if asks else BATCH))
    widths = [len(name) for name in titles]
    shown = 0
    while page or not shown:
        table = new_table(*titles, ids=ids)
        table.show_header = asks or not shown
        widths = [max(width, *(len(row[n]) for row in page), 0) for n, width in enumerate(widths)]
        for column, width in zip(table.columns, widths, strict=True):
            column.min_width = None if CONSOLE.is_terminal else width
        for row in page:
            table.add_row(*map(Text, row))
        show_table(table)
        shown += len(page)
        page = list(islice(remaining, page_rows() if asks else BATCH))
        if not page or (asks and not wants_more(shown)):
            return


def page_rows() -> int:
    """Returns how many rows fit on the terminal, in addition to the header and the prompt."""
    return max(5, CONSOLE.height - 3)


def wants_more(shown: int) -> bool:
    """Asks whether to show more, and returns the answer."""
    ERRORS.print(f"{shown} shown. Press Enter for more, or q and Enter to stop.", style="dim")
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip()
