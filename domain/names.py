"""Normalizes names into words, so that they can be compared regardless of case, accents and punctuation."""

import unicodedata

MAX_NAME_LENGTH = 500
"""Maximum number of characters in a normalized name. Normalization can expand one character to many. Ordinary names are
far shorter."""

_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
"""Replacements for letters that people often can't type and Unicode doesn't decompose. U+0131 is the dotless i."""


def words_of(text: str) -> tuple[str, ...]:
    """Returns the words of a text, in order. They are in lower case and have only letters and digits, without accents.

    Everything that is neither a letter nor a digit separates words, so text without separators, such as a Chinese name,
    is one word. Invisible formatting characters are ignored. Normalizing words again doesn't change them.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_PLAIN_LETTERS)
    kept = (c if c.isalnum() else " " for c in folded if not _is_ignored(c))
    return tuple("".join(kept).split())


def normalized_name(name: str) -> str:
    """Returns the words of a name, separated by single spaces."""
    return " ".join(words_of(name))[:MAX_NAME_LENGTH].rstrip()


def _is_ignored(character: str) -> bool:
    """Returns whether a character is an invisible formatting character, or a mark on the preceding letter."""
    category = unicodedata.category(character)
    return category[0] == "M" or category == "Cf"
