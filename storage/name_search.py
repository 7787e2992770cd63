"""Finds members by name and date of birth in the search index (`domain/member_search.py` describes its terms).

A search reads one range of the index, in the order of the response:

- the rows for the date of birth, or for the first letters of two words, most of which match;
- the rows for a word that few names have;
- otherwise, the rows for the first letters of the longest word, ordered by name, until the page is full.

Whole names are looked up first. The duration of a search therefore depends on the page, not on the number of members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from domain.member_search import (
    EVERY_NAME,
    INITIALS_LENGTH,
    Match,
    Query,
    Rank,
    birth_term,
    initials_term,
    pair_terms,
    spellings,
    word_term,
)
from storage.postgres.database import Connection

MAX_RARE = 4000
"""A word is rare if fewer rows of the index have a term that begins with it."""
CHUNK = 2000
"""Number of rows that one statement reads while walking through names. It is small enough that PostgreSQL reads them in
index order instead of sorting them."""
MAX_CHUNKS = 50
"""Maximum number of chunks that one call reads."""

AFTER_EVERY_LETTER = "\U0010ffff"
FIRST_ID = UUID(int=0)


class FoundPage(NamedTuple):
    """The next matches in order, and the position after which the search continues, or None if there are no more.

    A page can have fewer matches than requested, or none, even if there are more.
    """

    matches: list[Match]
    resume_after: Match | None


async def unprepared(connection: Connection, statement: LiteralString, parameters: Any) -> list[Any]:
    """Returns the rows of a statement without preparing it.

    PostgreSQL then plans it for these parameters. The best plan depends on how frequent a term is.
    """
    cursor = await connection.execute(statement, parameters, prepare=False)
    return await cursor.fetchall()


_CONDITIONS: LiteralString = (
    "' ' || name LIKE ALL(%(patterns)s::text[]) AND member_id <> ALL(%(except_ids)s::uuid[])"
    # OFFSET prevents PostgreSQL from reading all members of the contract.
    " AND (%(contract)s::uuid IS NULL OR EXISTS ("
    "SELECT FROM group_member m JOIN enrollment_group g USING (group_key)"
    " WHERE m.member_id = s.member_id AND g.contract_id = %(contract)s OFFSET 0))"
)

_WHOLE_NAMES: LiteralString = (
    "SELECT s.name, s.member_id FROM unnest(%(spellings)s::text[]) AS spelling, LATERAL ("
    "SELECT name, member_id FROM member_search AS s WHERE term = %(term)s AND name = spelling"
    " AND (name, member_id) > (%(name)s, %(member_id)s)"
    f" AND {_CONDITIONS} ORDER BY name, member_id LIMIT %(limit)s) AS s ORDER BY s.name, s.member_id LIMIT %(limit)s"
)

_RARE_WORD: LiteralString = (
    "SELECT DISTINCT name, member_id FROM member_search AS s WHERE term >= %(term)s AND term < %(end)s"
    f" AND (name, member_id) > (%(name)s, %(member_id)s) AND {_CONDITIONS} AND {{condition}}"
    " ORDER BY name, member_id LIMIT %(limit)s"
)

_CHUNK: LiteralString = (
    "WITH walked AS MATERIALIZED (SELECT name, member_id FROM member_search"
    " WHERE term = %(term)s AND (name, member_id) > (%(name)s, %(member_id)s)"
    " ORDER BY name, member_id LIMIT %(chunk)s)"
    f" (SELECT name, member_id, true FROM walked AS s WHERE {_CONDITIONS} AND {{condition}})"
    " UNION ALL (SELECT name, member_id, false FROM walked OFFSET %(chunk)s - 1)"
)

_WORDS: LiteralString = "(SELECT array_agg(word ORDER BY word) FROM unnest(string_to_array(name, ' ')) AS word)"

_COUNT: LiteralString = (
    "(SELECT count(*) FROM (SELECT FROM member_search WHERE term >= %s AND term < %s"
    " ORDER BY term, name, member_id LIMIT %s) AS counted)"
)


@dataclass(frozen=True, slots=True)
class _Range:
    """The range of the index that a search reads: the rows for one term, or for all terms from `term` to `end`."""

    term: str
    end: str | None = None


@dataclass(frozen=True, slots=True)
class NameSearch:
    """A search by the words of a query, a date of birth, or both. It excludes the members `except_ids`."""

    connection: Connection
    query: Query | None
    born_on: date | None
    contract_id: UUID | None
    except_ids: Sequence[UUID]

    async def find(self, after: Match | None, limit: int) -> FoundPage:
        """Returns matches after a position: first those whose whole name is the query, then the others."""
        whole = FoundPage([], None)
        if self.query and (after is None or after.rank <= Rank.WHOLE_NAME):
            whole = await self._whole_names(_only(after, Rank.WHOLE_NAME), limit)
            if whole.resume_after:
                return whole
        rest = await self._others(_only(after, Rank.PREFIXES), limit - len(whole.matches))
        return FoundPage([*whole.matches, *rest.matches], rest.resume_after)

    async def _whole_names(self, after: Match | None, limit: int) -> FoundPage:
        if self._spellings is None:
            return await self._matching(after, limit, Rank.WHOLE_NAME, f"{_WORDS} = %(words)s")
        term = birth_term(self.born_on) if self.born_on else EVERY_NAME
        rows = await unprepared(self.connection, _WHOLE_NAMES, self._parameters(after) | {"term": term, "limit": limit})
        return _full_page(Rank.WHOLE_NAME, rows, limit)

    async def _others(self, after: Match | None, limit: int) -> FoundPage:
        condition: LiteralString = "name <> ALL(%(spellings)s::text[])"
        if self.query and self._spellings is None:
            condition = f"{_WORDS} IS DISTINCT FROM %(words)s"
        return await self._matching(after, limit, Rank.PREFIXES, condition)

    async def _matching(self, after: Match | None, limit: int, rank: Rank, condition: LiteralString) -> FoundPage:
        """Returns members whose names meet a condition and have words that start with the words of the query."""
        chosen = await self._range()
        if chosen.end is None:
            return await self._walk(chosen.term, after, limit, rank, condition)
        parameters = self._parameters(after) | {"term": chosen.term, "end": chosen.end, "limit": limit}
        rows = await unprepared(self.connection, _RARE_WORD.replace("{condition}", condition), parameters)
        return _full_page(rank, rows, limit)

    async def _walk(
        self, term: str, after: Match | None, limit: int, rank: Rank, condition: LiteralString
    ) -> FoundPage:
        """Reads the rows for one term in chunks until the page is full."""
        matches: list[Match] = []
        statement = _CHUNK.replace("{condition}", condition)
        chunk = min(CHUNK, 4 * limit)
        for _ in range(MAX_CHUNKS):
            rows = await unprepared(
                self.connection, statement, self._parameters(after) | {"term": term, "chunk": chunk}
            )
            matches += sorted(Match(rank, name, member_id) for name, member_id, is_match in rows if is_match)
            if len(matches) >= limit:
                return FoundPage(matches[:limit], matches[limit - 1])
            after = next((Match(rank, name, member_id) for name, member_id, is_match in rows if not is_match), None)
            if after is None:
                return FoundPage(matches, None)
            chunk = CHUNK
        return FoundPage(matches, after)

    async def _range(self) -> _Range:
        """Returns a range of the index that includes every match and few other members."""
        if self.born_on:
            return _Range(birth_term(self.born_on))
        prefixes = self.query.prefixes if self.query else []
        if pairs := sorted(pair_terms(prefixes)):
            counts = await self._counts(pairs) if len(pairs) > 1 else [0]
            return _Range(pairs[counts.index(min(counts))])
        longest = max(prefixes, key=len)
        if len(prefixes) > 1 or len(longest) != INITIALS_LENGTH:  # otherwise, all rows for the initials match
            counts = await self._counts(list(map(word_term, prefixes)))
            if min(counts) < MAX_RARE:
                rarest = word_term(prefixes[counts.index(min(counts))])
                return _Range(rarest, rarest + AFTER_EVERY_LETTER)
        return _Range(initials_term(longest) if len(longest) >= INITIALS_LENGTH else EVERY_NAME)

    async def _counts(self, terms: Sequence[str]) -> list[int]:
        """Returns the number of rows whose terms begin with each given term, up to `MAX_RARE`."""
        statement = f"SELECT {', '.join([_COUNT] * len(terms))}"
        parameters = [value for term in terms for value in (term, term + AFTER_EVERY_LETTER, MAX_RARE)]
        (counts,) = await unprepared(self.connection, statement, parameters)
        return list(counts)

    @property
    def _spellings(self) -> list[str] | None:
        return spellings(self.query.words) if self.query else []

    def _parameters(self, after: Match | None) -> dict[str, Any]:
        prefixes = self.query.prefixes if self.query else []
        return {
            "patterns": [f"% {prefix}%" for prefix in prefixes],  # only letters and digits: nothing to escape
            "except_ids": list(self.except_ids),
            "contract": self.contract_id,
            "spellings": self._spellings or [],
            "words": sorted(self.query.words) if self.query else [],
            "name": after.name if after else "",
            "member_id": after.member_id if after else FIRST_ID,
        }


def _only(after: Match | None, rank: Rank) -> Match | None:
    """Returns the position if it is among matches of this rank, or else None."""
    return after if after is not None and after.rank is rank else None


def _full_page(rank: Rank, rows: Sequence[Any], limit: int) -> FoundPage:
    matches = [Match(rank, name, member_id) for name, member_id in rows]
    return FoundPage(matches, matches[-1] if len(matches) == limit else None)
