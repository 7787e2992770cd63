"""Prints a family's timeline as text: bars on a common axis, and changes in words."""

from collections.abc import Sequence
from datetime import date

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from affilia_cli.console import CONSOLE
from affilia_cli.outlines import show_items
from affilia_cli.tables import ID_WIDTH, show_table
from affilia_views.change_words import change_items
from affilia_views.changes import Correction, changes_of, default_window
from affilia_views.server_names import ServerNames
from affilia_views.timeline import Row, Span, Window, axis, bar, days_in_words

DAYS_WIDTH, WHEN_WIDTH, MIN_BAR_WIDTH = len("until 2026-12-31"), len("before"), 16


def show_comparison(
    rows: Sequence[Row], names: ServerNames, title: str, today: date, corrections: Sequence[Correction] = ()
) -> None:
    """Prints compared rows before and after on a common axis, then a title and the changes in words."""
    show_timeline(rows, names, today, compare=True)
    show_changes(rows, names, title, corrections)


def show_timeline(
    rows: Sequence[Row], names: ServerNames, today: date, window: Window | None = None, *, compare: bool = False
) -> None:
    """Prints rows as bars, with an axis above and a mark for today below.

    With `compare`, a row that changed has two bars, one for before and one for after.
    """
    shown = [row for row in rows if row.spans or (compare and row.before)]
    if not shown:
        CONSOLE.print("Nobody is enrolled.")
        return
    window = window or default_window(rows, today)
    label_width = min(2 + ID_WIDTH, max(2 + cell_len(names.module(row.module_id)) for row in shown))
    width = CONSOLE.width - label_width - DAYS_WIDTH - 2 - (1 + WHEN_WIDTH if compare else 0)
    picture = _Picture(label_width, max(MIN_BAR_WIDTH, width), compare=compare)
    picture.line("", "", Text(axis(window, picture.width), "dim"))
    member_id = ""
    for row in shown:
        if row.member_id != member_id:
            picture.flush()
            CONSOLE.print(Text(names.member(row.member_id), style="bold"))
            member_id = row.member_id
        picture.row(row, f"  {names.module(row.module_id)}", window)
    if window.first_on <= today <= window.last_on:
        picture.flush()
        column = picture.left + int(window.share_of(today) * picture.width)
        CONSOLE.print(Text(_pointing_at(column, f"today, {today}", CONSOLE.width), "dim"))
    picture.flush()
    scale = (
        f"One character is {window.num_days / picture.width:.1f} days. ▐ starts, ▌ ends, ▒ partly enrolled, ▶ continues"
    )
    CONSOLE.print(Text(scale, style="dim"))


class _Picture:
    """Aligned lines, each with a label, a state, a bar and days."""

    def __init__(self, label_width: int, width: int, *, compare: bool) -> None:
        self.width = width
        self.left = label_width + 1 + (WHEN_WIDTH + 1 if compare else 0)
        self._label_width, self._compare = label_width, compare
        self._table = self._new_table()

    def _new_table(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column(width=self._label_width, overflow="fold")
        if self._compare:
            table.add_column(width=WHEN_WIDTH)
        table.add_column(width=self.width, no_wrap=True)
        table.add_column(width=DAYS_WIDTH)
        return table

    def row(self, row: Row, label: str, window: Window) -> None:
        """Adds a row. A row that changed and had days before takes two lines."""
        if self._compare and row.changed and row.before:
            self.spans(label, "before", row.before, window)
            self.spans("", "after", row.spans, window)
        else:
            self.spans(label, "new" if self._compare and row.changed else "", row.spans, window)

    def spans(self, label: str, when: str, spans: Sequence[Span], window: Window) -> None:
        self.line(label, when, Text(bar(spans, window, self.width), style="cyan"), "\n".join(days_in_words(spans)))

    def line(self, label: str, when: str, bar_or_axis: Text, days: str = "") -> None:
        cells = [Text(label), *([Text(when, style="dim")] if self._compare else []), bar_or_axis, Text(days)]
        self._table.add_row(*cells)

    def flush(self) -> None:
        """Prints the lines added since the last call."""
        if self._table.row_count:
            show_table(self._table)
            self._table = self._new_table()


def _pointing_at(column: int, label: str, width: int) -> str:
    """Returns a line that points at a column of the line above, with a label on whichever side has room."""
    rightwards = " " * column + f"^ {label}"
    return rightwards if len(rightwards) <= width else f"{label} ^".rjust(column + 1)


def show_changes(rows: Sequence[Row], names: ServerNames, title: str, corrections: Sequence[Correction] = ()) -> None:
    """Prints a title, and in words what compared rows gained, lost and moved, and which types were corrected."""
    changes = changes_of(rows, names.slots(row.module_id for row in rows))
    CONSOLE.print(Text(f"\n{title}" if changes or corrections else "\nNo enrolled days change.", style="bold"))
    show_items(change_items(changes, corrections, names), "  ")
    if corrections and not changes:
        CONSOLE.print("  No enrolled days change.")
