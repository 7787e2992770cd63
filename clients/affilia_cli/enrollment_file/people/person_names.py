"""Compares the names in a file with display names, which have the first name first: "Marie-Claire Dupont"."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

WORD = re.compile(r"\w+")


@lru_cache(maxsize=4096)
def name_words(text: str) -> tuple[str, ...]:
    """Returns the words of a name, without case and accents. "Dupont, Marie-Claire" is read from the first name on."""
    last, comma, first = text.partition(",")
    decomposed = unicodedata.normalize("NFKD", f"{first} {last}" if comma else text)
    plain = "".join(each for each in decomposed if not unicodedata.combining(each))
    return tuple(WORD.findall(plain.casefold()))


def starts_with(display_name: Sequence[str], first_name: Sequence[str]) -> bool:
    """Returns whether the words of a display name begin with those of a first name, which may not be empty."""
    return bool(first_name) and tuple(display_name[: len(first_name)]) == tuple(first_name)
