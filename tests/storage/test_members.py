"""Members as stored: statements read only the rows that they need, and servers of an earlier release lose nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from domain.actors import BEFORE_ACTORS
from domain.errors import IdentifierTaken
from domain.members import Facts, Identifier, Member, MemberKind
from storage.member_identifiers import owners_of
from storage.members import MemberChange, StoredMembers, record_member
from storage.postgres.database import Connection
from storage.postgres.documents import Document, member_to_document
from tests.conftest import a_database
from tests.support.guarded import application_url

INSERT = (
    "INSERT INTO member_revision (member_id, revision, recorded_at, document) VALUES (%s, %s, clock_timestamp(), %s)"
    " RETURNING document->'identifiers'"
)
MEMBERS, REVISIONS = 20_000, 3
CALLS = 12
"""More calls than psycopg and PostgreSQL plan with the actual values: the last ones use prepared, generic plans."""

ROWS_READ = (
    "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname = ANY(%(tables)s))"
    " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = ANY(%(tables)s))"
)
TABLES = {"tables": ["member_revision", "member_identifier"]}

Work = Callable[[Connection, int], Awaitable[object]]
"""Something that reads or writes members, given the number of a member."""


def test_a_server_that_does_not_know_identifiers_keeps_them(own_database_url: str) -> None:
    """The server has the role of the application, which owns nothing."""
    with psycopg.connect(application_url(own_database_url)) as connection:
        keeps_identifiers(connection)


def keeps_identifiers(connection: psycopg.Connection) -> None:
    member = Member(uuid4(), MemberKind.PERSON, "", Facts(), (Identifier("payroll", "7"),))
    document = member_to_document(member)
    without = {key: value for key, value in document.items() if key != "identifiers"}

    def stored(revision: int, document: Document) -> list[Document]:
        row = connection.execute(INSERT, [member.member_id, revision, Jsonb(document)]).fetchone()
        assert row
        identifiers: list[Document] = row[0]
        return identifiers

    assert stored(1, without) == []
    assert stored(2, document) == [{"system": "payroll", "value": "7"}]
    assert stored(3, without) == [{"system": "payroll", "value": "7"}]
    assert stored(4, {**document, "identifiers": []}) == []
    assert stored(5, without) == []


@pytest.fixture(scope="module")
def crowded_url(postgres_url: str) -> Iterator[str]:
    """A database with many members, each with several states and an identifier."""
    member = member_to_document(Member(UUID(int=0), MemberKind.PERSON, "", Facts()))
    with a_database(postgres_url) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO member_revision (member_id, revision, recorded_at, document)"
                " SELECT md5(m::text)::uuid, r, now() + r * interval '1 second',"
                " %s || jsonb_build_object('member_id', md5(m::text)::uuid, 'identifiers',"
                " jsonb_build_array(jsonb_build_object('system', 'crowd', 'value', m::text)))"
                " FROM generate_series(1, %s) AS m, generate_series(1, %s) AS r",
                [Jsonb(member), MEMBERS, REVISIONS],
            )
            connection.execute(
                "INSERT INTO member_identifier (system, value, member_id)"
                " SELECT 'crowd', m::text, md5(m::text)::uuid FROM generate_series(1, %s) AS m",
                [MEMBERS],
            )
            connection.execute("VACUUM ANALYZE member_revision, member_identifier")
        yield url


def an_id(n: int) -> UUID:
    return UUID(md5(str(n).encode(), usedforsecurity=False).hexdigest())


async def rows_read(tx: Connection) -> int:
    """Returns how many rows and index entries of members have been read, including those of this session."""
    await tx.commit()
    await tx.execute("SELECT pg_stat_force_next_flush()")
    await tx.commit()
    cursor = await tx.execute(ROWS_READ, TABLES)
    row = await cursor.fetchone()
    await tx.commit()
    assert row
    return int(row[0])


async def upsert(tx: Connection, n: int) -> None:
    current = await StoredMembers().recorded(tx, an_id(n))
    assert current
    identifiers = (Identifier("badge", str(n)), Identifier("crowd", str(n)))
    await record_member(
        tx, replace(current.member, identifiers=identifiers[:1]), current, MemberChange.RECORD, BEFORE_ACTORS
    )
    current = await StoredMembers().recorded(tx, an_id(n))
    assert current
    await record_member(
        tx, replace(current.member, identifiers=identifiers), current, MemberChange.RECORD, BEFORE_ACTORS
    )


async def take(tx: Connection, n: int) -> None:
    member = Member(uuid4(), MemberKind.PERSON, "", Facts(), (Identifier("crowd", str(n)),))
    with pytest.raises(IdentifierTaken) as taken:
        await record_member(tx, member, None, MemberChange.RECORD, BEFORE_ACTORS)
    assert taken.value.facts["member_id"] == str(an_id(n))


async def owners(tx: Connection, n: int) -> None:
    known = [Identifier("crowd", str(m)) for m in range(n, n + 900)]
    found = await owners_of(tx, [*known, *(Identifier("badge", f"unknown {m}") for m in range(100))])
    assert found == {identifier: an_id(int(identifier.value)) for identifier in known}


STORED = StoredMembers()


@pytest.mark.parametrize(
    ("work", "max_rows"),
    [
        (lambda tx, n: STORED.recorded(tx, an_id(n)), 2),
        (lambda tx, n: STORED.recorded(tx, an_id(n), datetime.now(UTC)), 2 * REVISIONS),
        (lambda tx, n: STORED.state(tx, an_id(n), 2), 2),
        (lambda tx, n: STORED.current_facts(tx, map(an_id, range(n, n + 5)), hold=True), 2 * 5),
        (lambda tx, n: STORED.newest_up_to(tx, list(map(an_id, range(n, n + 100))), 10**6), 2 * 100),
        (lambda tx, n: STORED.listed(tx, an_id(n), 20), 2 * 20 * REVISIONS),
        (lambda tx, n: STORED.listed(tx, None, 20), 2 * 20 * REVISIONS),
        (upsert, 20),
        (take, 5),
        (owners, 2 * 1000),
    ],
    ids=["newest", "as of", "state", "facts", "batch", "list", "first page", "upsert", "identifier taken", "owners"],
)
def test_statements_read_only_the_rows_that_they_need(crowded_url: str, work: Work, max_rows: int) -> None:
    async def scenario() -> int:
        async with await psycopg.AsyncConnection.connect(crowded_url) as tx:
            before = await rows_read(tx)
            for n in range(1, CALLS + 1):
                await work(tx, n)
                await tx.commit()
            return await rows_read(tx) - before

    assert 0 < asyncio.run(scenario()) <= CALLS * max_rows
