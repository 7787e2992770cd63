"""Escapes and measures the texts of drawings. Widths are estimates, rounded up, so that names are never cut off."""

import re
from collections.abc import Iterator
from html import escape
from unicodedata import combining, east_asian_width

NOT_XML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Characters that XML doesn't allow, and characters that reorder text."""
NARROW, WIDE = frozenset("iljtfrI.,:;'|!()[] -"), frozenset("mwMW@%")
FONT_SIZE = 13.0


def xml_text(text: str) -> str:
    """Returns a text as XML, for content and attributes."""
    return escape(NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def width_of(text: str) -> float:
    """Returns the width of a text in pixels."""
    return sum(map(_character_width, text)) * FONT_SIZE


def _character_width(character: str) -> float:
    """Returns the width of a character, as a share of the font size."""
    if combining(character):
        return 0.0
    if east_asian_width(character) in "WF":
        return 1.05
    if character in NARROW:
        return 0.38
    if character in WIDE:
        return 1.0
    return 0.8 if character.isupper() else 0.64


def wrapped(text: str, max_width: float) -> list[str]:
    """Returns a text as lines of a maximum width in pixels. Words that are wider are split."""
    lines = [""]
    for word in _pieces(text, max_width):
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer) <= max_width:
            lines[-1] = longer
        elif lines[-1]:
            lines.append(word)
        else:
            lines[-1] = word
    return lines


def _pieces(text: str, max_width: float) -> Iterator[str]:
    for word in text.split():
        piece = ""
        for character in word:
            if piece and width_of(piece + character) > max_width:
                yield piece
                piece = ""
            piece += character
        yield piece
