"""Picks the match that a text refers to. If several match, asks which one, or reports them."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from affilia_cli.console import ERRORS
from affilia_views.matching import Match, closest


class NothingMatches(Exception):
    """No member, family, contract or module matches a text. The message says what was searched for."""


@dataclass
class SeveralMatch(Exception):
    """Several things match, and there is no terminal on which to ask."""

    text: str
    matches: Sequence[Match]
    has_more: bool

    def __str__(self) -> str:
        return f"{self.text!r} matches several. Give more of the name, an identifier, or an id:"

    def show(self) -> None:
        """Prints the matches to stderr, numbered."""
        ERRORS.print(str(self))
        for number, match in enumerate(self.matches, 1):
            ERRORS.print(f"{number:>3}  {match.description}")
        if self.has_more:
            ERRORS.print("     and more")


def one_of(text: str, matches: Sequence[Match], searched: str, *, has_more: bool = False) -> Match:
    """Returns the match that the text refers to. If there are several, asks which one on a terminal.

    Raises NothingMatches, with what was searched for, and SeveralMatch.
    """
    nearest = closest(text, matches)
    if not nearest:
        raise NothingMatches(f"Nothing matches {text!r}. Searched {searched}.")
    if len(nearest) == 1:
        return nearest[0]
    several = SeveralMatch(text, nearest, has_more and len(nearest) == len(matches))
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise several
    several.show()
    number = 0
    while not 1 <= number <= len(nearest):
        number = int(typer.prompt(f"Number from 1 to {len(nearest)}", type=int, err=True))
    return nearest[number - 1]
