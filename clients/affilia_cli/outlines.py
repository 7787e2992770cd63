"""Prints sentences with indented details below them."""

from collections.abc import Iterable

from affilia_cli.console import CONSOLE, styled
from affilia_views.outline import Item, Style

INDENT = "  "
STYLES = {
    Style.PLAIN: "",
    Style.STRONG: "bold",
    Style.GOOD: "green",
    Style.BAD: "red",
    Style.WARN: "yellow",
    Style.NOTE: "dim",
}


def show_items(items: Iterable[Item], indent: str = "") -> None:
    """Prints items, with the details of each below it."""
    for each in items:
        CONSOLE.print(styled(indent, *((text, STYLES[style]) for text, style in each.styled)))
        show_items(each.below, indent + INDENT)
