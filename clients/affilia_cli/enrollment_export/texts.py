"""Texts in the characters that X12 files can contain, and names in their parts.

The separators of a file aren't allowed in values. They are fixed, so that a file can be written while it is read.
"""

import unicodedata
from dataclasses import dataclass

ELEMENT, SEGMENT, COMPONENT, REPETITION = "*", "~", ":", "^"
SEPARATORS = (ELEMENT, SEGMENT, COMPONENT, REPETITION)

MAX_LAST_NAME, MAX_FIRST_NAME, MAX_MIDDLE_NAME = 60, 35, 25
"""Maximum lengths of NM103, NM104 and NM105."""

_PLAIN_LETTERS = str.maketrans(
    {
        **{"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ħ": "h", "Ħ": "H"},
        **{"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th", "ß": "ss", "\u0131": "i"},
        **{"\u2018": "'", "\u2019": "'", "\u2010": "-", "\u2013": "-"},
    }
)
"""Replacements for characters that Unicode doesn't decompose: letters, curly quotes, hyphens and dashes."""


@dataclass(frozen=True, slots=True)
class NameParts:
    """NM103 to NM105. Joined with spaces, first, middle and last name are the name."""

    last: str
    first: str = ""
    middle: str = ""


def is_sendable(text: str) -> bool:
    """Returns whether a text can be written as it is: printable ASCII characters other than the separators."""
    return text.isascii() and text.isprintable() and not any(each in text for each in SEPARATORS)


def plain(text: str) -> str:
    """Returns a text with accents removed, and with spaces instead of separators and runs of spaces.

    Letters of other scripts stay, so the result isn't always sendable.
    """
    decomposed = unicodedata.normalize("NFKD", text.translate(_PLAIN_LETTERS))
    kept = "".join(each for each in decomposed if unicodedata.category(each) not in ("Mn", "Cf"))
    return " ".join("".join(" " if each in SEPARATORS else each for each in kept).split())


def name_parts(name: str) -> NameParts | None:
    """Splits a name: the last word is the last name, all others are the first name.

    Words that don't fit into the first name are the middle name, and then belong to the last name. An import joins the
    parts to the same name again. Returns None if the name is empty or doesn't fit.
    """
    words = name.split()
    if not words:
        return None
    first, rest = _take(words[:-1], MAX_FIRST_NAME)
    middle, rest = _take(rest, MAX_MIDDLE_NAME)
    last = " ".join([*rest, words[-1]])
    return NameParts(last, first, middle) if len(last) <= MAX_LAST_NAME else None


def _take(words: list[str], max_characters: int) -> tuple[str, list[str]]:
    """Returns as many words as fit, joined, and the words after them."""
    count = len(words)
    while len(" ".join(words[:count])) > max_characters:
        count -= 1
    return " ".join(words[:count]), words[count:]
