"""Consoles that print untrusted text safely.

Names, messages and notes come from files and other people. Markup is therefore off: pass styles as `Text` or with
`styled`. Control characters, which a terminal would execute, are shown as replacement characters.
"""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that move the cursor, change colors or reorder text, except tabs and line breaks."""
HANGING_INDENT = 4
"""Additional indent of the continuation of a wrapped line, in columns."""


class DataConsole(Console):
    """A console for untrusted text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints lines. On a terminal, long lines wrap between words, with an indent. Elsewhere, they never wrap."""
        if self.is_terminal:
            objects = tuple(self._wrapped(each) if isinstance(each, str | Text) else each for each in objects)
        super().print(*objects, **{"soft_wrap": not self.is_terminal, **options})

    def _wrapped(self, lines: str | Text) -> Text:
        text = lines if isinstance(lines, Text) else Text(lines)
        return Text("\n").join(part for line in text.split(allow_blank=True) for part in self._parts(line))

    def _parts(self, line: Text) -> list[Text]:
        line.expand_tabs(8)
        if line.cell_len <= self.width:
            return [line]
        indent = len(line.plain) - len(line.plain.lstrip())
        width = max(self.width - indent - HANGING_INDENT, 1)
        first, *others = parts = line[indent:].wrap(self, width, overflow="fold")
        for part in parts:
            part.rstrip()
        return [
            Text(" " * indent).append_text(first),
            *(Text(" " * (indent + HANGING_INDENT)).append_text(other) for other in others),
        ]


def visible(text: str) -> str:
    """Returns a text with its control characters replaced."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Returns a line made of plain texts and of (text, style) pairs."""
    return Text.assemble(*parts)


CONSOLE = DataConsole()
"""Results go to stdout."""

ERRORS = DataConsole(stderr=True)
"""Errors and progress go to stderr."""
