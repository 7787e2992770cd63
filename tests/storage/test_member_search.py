"""Searches among 50 000 members: they find exactly what a model finds, page by page, and read few rows by index."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import pytest

from domain.errors import RequestMalformed
from domain.identity import group_id
from domain.member_search import Match, Query, Rank, parsed_query, rank
from domain.names import normalized_name
from storage.member_groups import groups_of_members
from storage.member_search import MAX_CANDIDATES, IdentifierFilter, SearchFilters, find
from storage.name_search import CHUNK, MAX_CHUNKS, MAX_RARE
from storage.postgres.day_types import register_day_types
from tests.conftest import a_database
from tests.support import people

T = TypeVar("T")

NUMBER = 50_000
MAX_ROWS = 2 * max(MAX_RARE, CHUNK) + 200
"""Rows that a statement may read for one page of a search by name."""


@dataclass(frozen=True, slots=True)
class Book:
    url: str
    contract_id: UUID
    members: list[people.Person]
    names: list[str]
    """The normalized names of the members."""

    def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], connect: Any = psycopg.AsyncConnection) -> T:
        async def connected() -> T:
            async with await connect.connect(self.url, autocommit=True) as connection:
                register_day_types(connection)
                return await work(connection)

        return asyncio.run(connected())

    def found(self, filters: SearchFilters, page_size: int = 50, pages: int = 1000) -> list[Match]:
        """Returns the matches of the first pages."""

        async def work(connection: psycopg.AsyncConnection) -> list[Match]:
            matches: list[Match] = []
            after = None
            for _ in range(pages):
                page = await find(connection, filters, after, page_size)
                assert len(page.matches) <= page_size
                matches += page.matches
                after = page.resume_after
                if after is None:
                    break
            return matches

        return self.run(work)

    def ids(self, one: people.Person) -> set[UUID]:
        """Returns the ids of a member and their group."""
        primary = self.members[one.number // people.FAMILY * people.FAMILY]
        return {one.member_id, group_id(self.contract_id, primary.member_id)}

    def model(self, filters: SearchFilters) -> list[Match]:
        """Compares every member."""
        matches = []
        for one, name in zip(self.members, self.names, strict=True):
            identifier = f"E{one.number:09}"
            if filters.born_on and one.born_on != filters.born_on:
                continue
            if filters.contract_id and filters.contract_id != self.contract_id:
                continue
            if filters.identifier and filters.identifier != IdentifierFilter("payroll", identifier):
                continue
            found = (
                rank(filters.query, name, self.ids(one) if filters.query.ids else (), {identifier})
                if filters.query
                else Rank.PREFIXES
            )
            if found is not None:
                matches.append(Match(found, name, one.member_id))
        return sorted(matches)


@pytest.fixture(scope="module")
def book(postgres_url: str) -> Iterator[Book]:
    with a_database(postgres_url) as url:
        contract_id = people.load(url, NUMBER)
        with psycopg.connect(url, autocommit=True) as connection:  # of others, so that PostgreSQL plans for many merges
            connection.execute(
                "INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)"
                " SELECT md5('from ' || n)::uuid, md5('into ' || n)::uuid, now(), '', '{}'"
                " FROM generate_series(1, 20000) AS n"
            )
            connection.execute("VACUUM ANALYZE member_merge")
        members = list(people.people(NUMBER))
        yield Book(url, contract_id, members, [normalized_name(one.name) for one in members])


def by(query: str, **more: Any) -> SearchFilters:
    return SearchFilters(parsed_query(query), **more)


QUERIES = [
    "marie", "Marie Martin", "martin marie", "marie-claire", "mar", "ma", "m", "x", "du ma", "dup ma", "dupont m",
    "m d",
    "jean pierre martin", "martin jean pierre", "thomas thomas", "mart marti martin", "xavier", "xav mathieu", "zoe",
    "müller", "GARCIA", "nguyen mohamed", "be be", "quatsch", "quatsch marie", "q z", "e", "é", "bernard bernard",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_searches_by_name_find_what_the_model_finds(book: Book, query: str) -> None:
    assert book.found(by(query), page_size=200) == book.model(by(query))


def test_searches_by_parts_of_random_names_find_what_the_model_finds(book: Book) -> None:
    draw = random.Random(5)
    for _ in range(40):
        words = normalized_name(draw.choice(book.members).name).split()
        draw.shuffle(words)
        kept = words[: draw.randint(1, len(words))]
        filters = by(" ".join(word[: draw.choice((1, 2, 3, 5, 99))] for word in kept))
        expected = book.model(filters)
        assert book.found(filters, page_size=7, pages=30) == expected[: 7 * 30], filters


def test_pages_of_any_size_have_the_same_matches(book: Book) -> None:
    expected = book.model(by("marie b"))
    assert 100 < len(expected) < 1000
    for page_size in (1, 3, 50, 200):
        assert book.found(by("marie b"), page_size) == expected


def test_searches_by_date_of_birth_identifier_and_id_find_what_the_model_finds(book: Book) -> None:
    for one in random.Random(6).sample(book.members, 10):
        first, last = normalized_name(one.name).split()[0], normalized_name(one.name).split()[-1]
        identifier, number = IdentifierFilter("payroll", f"E{one.number:09}"), f"E{one.number:09}"
        for filters in (
            SearchFilters(born_on=one.born_on),
            by(first[:2], born_on=one.born_on),
            by(f"{last} {first}", born_on=one.born_on),
            by(number),
            by(f"{number} {first}"),
            by(f"{number} quatsch"),
            by(number, born_on=one.born_on),
            by(number, born_on=date(1800, 1, 1)),
            SearchFilters(identifier=identifier),
            SearchFilters(identifier=identifier, born_on=one.born_on),
            SearchFilters(parsed_query(first), identifier=identifier),
            SearchFilters(parsed_query("quatsch"), identifier=identifier),
            SearchFilters(identifier=IdentifierFilter("badge", number)),
            by(str(one.member_id).upper()),
            by(f"{{{one.member_id}}} {last}"),
            by(f"{one.member_id} {people.Person(NUMBER + 1, '', one.born_on).member_id}"),
            by(str(group_id(book.contract_id, book.members[one.number // 4 * 4].member_id))),
            by(f"{group_id(book.contract_id, book.members[one.number // 4 * 4].member_id)} {first}"),
            by(first, contract_id=book.contract_id, born_on=one.born_on),
            by(first, contract_id=UUID(int=5)),
        ):
            ids = [match.member_id for match in book.found(filters)]
            assert ids == [match.member_id for match in book.model(filters)], filters


def test_an_identifier_without_a_system_is_found_in_any(book: Book) -> None:
    number = f"E{book.members[3].number:09}"
    (match,) = book.found(SearchFilters(identifier=IdentifierFilter("", number)))
    assert match.member_id == book.members[3].member_id


def test_a_contract_restricts_a_search_by_name(book: Book) -> None:
    filters = by("marie", contract_id=book.contract_id)
    assert book.found(filters, pages=2) == book.model(filters)[:100]


class ReadingPlans(psycopg.AsyncConnection):
    """Runs each statement with EXPLAIN ANALYZE first, and keeps the plans."""

    plans: list[dict[str, Any]]

    async def execute(self, query: Any, params: Any = None, **how: Any) -> Any:
        self.plans = getattr(self, "plans", [])
        explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}"
        row = await (await super().execute(explained, params, prepare=False)).fetchone()
        assert row
        self.plans.append(row[0][0]["Plan"])
        return await super().execute(query, params, **how)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def plans_of(book: Book, filters: SearchFilters) -> list[dict[str, Any]]:
    async def work(connection: Any) -> list[dict[str, Any]]:
        page = await find(connection, filters, None, 50)
        ids = [match.member_id for match in page.matches]
        await groups_of_members(connection, ids, 20)
        if page.resume_after:
            await find(connection, filters, page.resume_after, 50)
        plans: list[dict[str, Any]] = connection.plans
        return plans

    return book.run(work, ReadingPlans)


FILTERS = {
    **{query: by(query) for query in QUERIES},
    "five words": by("jean pierre martin dupont durand"),
    "date": SearchFilters(born_on=date(1980, 2, 29)),
    "date and name": by("marie", born_on=date(1980, 2, 29)),
    "identifier": SearchFilters(identifier=IdentifierFilter("payroll", "E000000007")),
    "any identifier": SearchFilters(identifier=IdentifierFilter("", "E000000007")),
    "identifier in query": by("E000000007 marie"),
    "id": by(str(people.Person(7, "", date.min).member_id)),
    "unknown id": by(str(UUID(int=7))),
}


@pytest.mark.parametrize("vacuumed", [True, False])
def test_no_search_reads_a_table_sequentially(book: Book, vacuumed: bool) -> None:
    if not vacuumed:  # then rows have to be looked up in the table, which makes indexes look more expensive
        with psycopg.connect(book.url, autocommit=True) as connection:
            connection.execute("UPDATE member_search SET name = name WHERE term IN ('', '*ma', 'martin', 'marie')")
            connection.execute("ANALYZE member_search")
    contract = {"contract": by("marie", contract_id=book.contract_id), "other": by("ma", contract_id=UUID(int=5))}
    for name, filters in (FILTERS | contract).items():
        for plan in plans_of(book, filters):
            for node in nodes(plan):
                assert node["Node Type"] != "Seq Scan", (name, node)
    if not vacuumed:
        with psycopg.connect(book.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE member_search")


def test_no_search_by_name_reads_many_rows(book: Book) -> None:
    for name, filters in FILTERS.items():
        for plan in plans_of(book, filters):
            for node in nodes(plan):
                if "Scan" in node["Node Type"]:
                    rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                    assert rows <= MAX_ROWS, (name, node)


def test_a_call_compares_a_limited_number_of_names_and_the_next_page_goes_on(postgres_url: str) -> None:
    number = CHUNK * MAX_CHUNKS + 2 * CHUNK
    with a_database(postgres_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO member_search SELECT term, 'a' || lpad(n::text, 7, '0') || ' b', md5(n::text)::uuid"
                " FROM generate_series(1, %s) AS n, unnest(ARRAY['', 'a', 'b']) AS term",
                [number],
            )
            connection.execute(
                "INSERT INTO member_search SELECT term, 'ax bx c', md5('last')::uuid"
                " FROM unnest(ARRAY['', 'a', 'b', 'c']) AS term"
            )
            connection.execute(
                "INSERT INTO member_search SELECT 'c', 'c', md5(n::text)::uuid FROM generate_series(1, %s) AS n",
                [MAX_RARE],
            )
        unfiltered = Book(url, UUID(int=1), [], [])

        async def pages(connection: psycopg.AsyncConnection) -> list[int]:
            first = await find(connection, by("a b c"), None, 50)
            assert first.resume_after
            second = await find(connection, by("a b c"), first.resume_after, 50)
            assert second.resume_after is None
            return [len(first.matches), len(second.matches)]

        assert unfiltered.run(pages) == [0, 1]


def test_too_many_members_with_an_identifier_are_not_compared(postgres_url: str) -> None:
    with a_database(postgres_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO member_identifier SELECT 's' || n, '1', md5(n::text)::uuid FROM generate_series(1, %s) n",
                [MAX_CANDIDATES + 1],
            )
        several = Book(url, UUID(int=1), [], [])
        for filters, field in (
            (by("1"), "query"),
            (SearchFilters(identifier=IdentifierFilter("", "1")), "identifier"),
        ):
            with pytest.raises(RequestMalformed) as rejected:
                several.found(filters)
            assert [violation.field for violation in rejected.value.violations] == [field]
        assert len(several.found(SearchFilters(identifier=IdentifierFilter("s7", "1")))) == 1


def test_queries_are_compared_as_text_and_never_as_patterns(book: Book) -> None:
    for text in ("%a", "_a", "a%", "\\a", "'a", '"a', "a\u202e", "🎉a"):
        query = parsed_query(text)
        assert isinstance(query, Query)
        assert book.found(by(text), pages=1) == book.model(by("a"))[:50]
