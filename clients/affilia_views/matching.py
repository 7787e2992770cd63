"""Matches what people type against names, ignoring case and accents. Words can be shortened."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Match:
    """Something that a text can refer to."""

    kind: str
    """What it is: member, family, contract, module or capability."""
    id: str
    description: str
    """How it is listed if several things match."""
    names: tuple[str, ...]


def closest(text: str, matches: Sequence[Match]) -> list[Match]:
    """Returns the matches with exactly this name or, if there are none, those with the same words, or else all."""
    words = sorted(_words(text))
    identical = [match for match in matches if text in match.names]
    whole = [match for match in matches if words and any(sorted(_words(name)) == words for name in match.names)]
    return identical or whole or list(matches)


def begins_words(text: str, match: Match) -> bool:
    """Returns whether the text is one of the names, or each of its words is a prefix of a word of one name."""
    words = _words(text)
    if text in match.names:
        return True
    return bool(words) and any(
        all(any(of_name.startswith(word) for of_name in _words(name)) for word in words) for name in match.names
    )


def _words(text: str) -> list[str]:
    """Returns the words of a text in lower case, without accents."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(each if each.isalnum() else " " for each in letters).casefold().split()
