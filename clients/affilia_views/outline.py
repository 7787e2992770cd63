"""Sentences with details below them, which the command line indents and the console shows as nested lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Style(StrEnum):
    """How a part of a sentence is emphasized. The values are class names of the console."""

    PLAIN = "plain"
    STRONG = "strong"
    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    NOTE = "note"


Part = str | tuple[str, Style]


@dataclass(frozen=True, slots=True)
class Item:
    """A sentence made of parts, and the details below it."""

    parts: tuple[Part, ...]
    below: tuple["Item", ...] = ()

    @property
    def styled(self) -> list[tuple[str, Style]]:
        """Returns the parts, each with its style."""
        return [(part, Style.PLAIN) if isinstance(part, str) else part for part in self.parts]

    @property
    def text(self) -> str:
        """Returns the sentence without styles."""
        return "".join(text for text, _ in self.styled)


def item(*parts: Part, below: Iterable[Item] = ()) -> Item:
    """Returns an item made of these parts."""
    return Item(parts, tuple(below))


def more(omitted: int, things: str) -> list[Item]:
    """Returns an item that says how much the server omitted, if anything."""
    return [item(f"and {omitted} more {things}".rstrip())] if omitted else []
