"""Parses queries for members, ranks matches, and defines the terms of the search index.

The index has one row per term of a member. A term is one of

- `""`, for every member with a name;
- a word of the name;
- `*` and the first two letters of a word;
- `+` and the first three letters of two words of at least three letters each, in alphabetical order;
- `=` and the date of birth.

Words consist of letters and digits, so the kinds of terms can't collide.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from itertools import combinations, permutations
from typing import NamedTuple
from uuid import UUID

from domain.errors import FieldViolation, RequestMalformed
from domain.members import Member
from domain.names import normalized_name, words_of

MAX_WORDS = 10
MAX_SPELLED_WORDS = 4
"""Whole names with up to this many words are looked up in every word order."""

MAX_TERM_LENGTH = 50
INITIALS_LENGTH = 2
PAIR_LENGTH = 3

EVERY_NAME = ""

_ID = re.compile(r"\{?(?:urn:uuid:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a query between spaces: the text, its words and, if it is an id, the id."""

    text: str
    words: tuple[str, ...]
    id: UUID | None


@dataclass(frozen=True, slots=True)
class Query:
    """A query with at least one token that has a word or an id."""

    text: str
    tokens: tuple[Token, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in order."""
        return tuple(word for token in self.tokens for word in token.words)

    @property
    def ids(self) -> list[UUID]:
        return [token.id for token in self.tokens if token.id]

    def with_ids(self, other: Mapping[UUID, UUID]) -> "Query":
        """Returns the query with some ids replaced by others."""
        tokens = (replace(token, id=other.get(token.id, token.id)) if token.id else token for token in self.tokens)
        return replace(self, tokens=tuple(tokens))

    @property
    def values(self) -> list[str]:
        """The texts to look up as identifiers."""
        return [self.text, *(token.text for token in self.tokens if token.text != self.text)]

    @property
    def prefixes(self) -> list[str]:
        """The words that aren't prefixes of other words. Each is a prefix of a different word of a match."""
        words = sorted(set(self.words))
        return [word for word in words if not any(other != word and other.startswith(word) for other in words)]


def parsed_query(text: str) -> Query:
    """Returns a query. Raises RequestMalformed if it has no words or ids, or more than `MAX_WORDS`."""
    tokens = tuple(_token(part) for part in text.split())
    query = Query(text.strip(), tokens)
    number = len(query.words) + len(query.ids)
    if not number:
        raise RequestMalformed([FieldViolation("query", "must have at least one letter or digit")])
    if number > MAX_WORDS:
        raise RequestMalformed([FieldViolation("query", f"must have at most {MAX_WORDS} words, got {number}")])
    return query


def _token(text: str) -> Token:
    found = _ID.fullmatch(text)
    return Token(text, (), UUID(found[1])) if found else Token(text, words_of(text), None)


class Rank(IntEnum):
    """How well a member matches, best first."""

    ID = 0
    """An identifier or id matches."""
    WHOLE_NAME = 1
    """The query has the same words as the name, in any order."""
    PREFIXES = 2
    """Each word of the query is a prefix of a word of the name."""


class Match(NamedTuple):
    """A member who matches. Matches sort in the order of the fields. `name` is normalized."""

    rank: Rank
    name: str
    member_id: UUID


def rank(query: Query, name: str, ids: Collection[UUID], values: Collection[str]) -> Rank | None:
    """Returns how well a member matches, or None if it doesn't.

    `name` must be normalized. `ids` has the ids of the member and their groups, and `values` the values of the
    member's identifiers.
    """
    if query.text in values:
        return Rank.ID
    named = [token for token in query.tokens if token.id in ids or token.text in values]
    others = [token for token in query.tokens if token not in named]
    if any(token.id for token in others) or not has_prefixes(name, (word for token in others for word in token.words)):
        return None
    if named:
        return Rank.ID
    return Rank.WHOLE_NAME if sorted(query.words) == sorted(name.split()) else Rank.PREFIXES


def has_prefixes(name: str, prefixes: Iterable[str]) -> bool:
    """Returns whether each prefix begins a word of a normalized name."""
    return all(f" {prefix}" in f" {name}" for prefix in prefixes)


def spellings(words: Collection[str]) -> list[str] | None:
    """Returns every name that consists of these words, or None if there would be too many."""
    if len(words) > MAX_SPELLED_WORDS:
        return None
    return sorted({" ".join(ordered) for ordered in permutations(words)})


class IndexEntry(NamedTuple):
    """A row of the search index, without the member's id."""

    term: str
    name: str


def index_entries(member: Member) -> set[IndexEntry]:
    """Returns the rows of a member in the search index, or none if the member was erased."""
    if member.facts.erased_on:
        return set()
    name = normalized_name(member.display_name)
    words = set(name.split())
    terms = {*map(word_term, words), *map(initials_term, words), *pair_terms(words)}
    if words:
        terms.add(EVERY_NAME)
    if member.facts.born_on:
        terms.add(birth_term(member.facts.born_on))
    return {IndexEntry(term, name) for term in terms}


def word_term(word: str) -> str:
    return word[:MAX_TERM_LENGTH]


def initials_term(word: str) -> str:
    return f"*{word[:INITIALS_LENGTH]}"


def pair_terms(words: Iterable[str]) -> set[str]:
    """Returns the terms of all pairs of different words that are long enough."""
    long_enough = sorted({word for word in words if len(word) >= PAIR_LENGTH})
    return {f"+{a[:PAIR_LENGTH]} {b[:PAIR_LENGTH]}" for a, b in combinations(long_enough, 2)}


def birth_term(born_on: date) -> str:
    return f"={born_on.isoformat()}"
