"""A page of a history reads the page, however long the past is: by the rows that PostgreSQL's plans really read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from domain.actors import BEFORE_ACTORS, ActorKind
from domain.enrollment.decisions import Enroll, GroupKey, Requester, RequesterRole, ScopedChange
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.history.entries import HistoryKind
from domain.identity import group_id
from domain.members import Facts, Member, MemberKind
from domain.membership import MembershipType
from operations.call import Call, Caller
from operations.core import core_on
from operations.history_entries import HistoryQuery, HistorySubject, list_history
from operations.paging import Page
from storage.history_entries import LocatedEntry
from storage.history_index import HistoryFilter, Position, Source, newest_positions
from storage.history_scope import of_group
from storage.postgres.database import Connection, Database
from storage.postgres.documents import change_request_to_document, contract_to_document, member_to_document
from storage.postgres.migrations import migrate
from tests.conftest import a_database
from tests.storage.test_schema import migrate_to
from tests.support.builders import a_contract, a_span, an_id

PAST = 10_000
PAGE = 20
MAX_ROWS = 150 * PAGE
"""Rows that a page may read in all tables together: a small number for each entry, and no part of the past."""

MAX_LEDGER_READS = 2
"""How often a page of this size can read a policy's ledger, to find out what was owed before computations."""

LONG_TABLES = {
    "contract_revision",
    "member_revision",
    "change_request",
    "recompute",
    "enrollment_revision",
    "enrollment_difference",
    "enrollment_period",
    "premium_stretch",
    "premium_invoice_mark",
    "accumulator_application",
    "accumulator_entry",
    "accumulator_reversal",
}

CONTRACT = a_contract()
PRIMARY, CHILD = an_id("primary"), an_id("child")
GROUP = group_id(CONTRACT.contract_id, PRIMARY)
KEY = GroupKey(CONTRACT.contract_id, PRIMARY)
MODULE = an_id("base")
START = datetime(2020, 1, 1, tzinfo=UTC)

FILL = """
INSERT INTO contract_revision (contract_id, revision, recorded_at, document)
    SELECT %(contract_id)s, n, %(start)s + n * interval '1 minute', %(contract)s FROM generate_series(1, %(past)s) n;
INSERT INTO member_revision (member_id, revision, recorded_at, document, kind)
    SELECT m, n, %(start)s + n * interval '1 minute' + interval '1 second',
        jsonb_set(jsonb_set(%(member)s, '{member_id}', to_jsonb(m)),
                  '{facts,born_on}', to_jsonb((date '1980-01-01' + n)::text)),
        CASE n %% 2 WHEN 0 THEN 'FACT' ELSE 'RECORD' END
    FROM unnest(%(members)s::uuid[]) m, generate_series(1, %(past)s) n;
INSERT INTO enrollment_group (group_id, contract_id, primary_id, revision, recorded_at)
    VALUES (%(group_id)s, %(contract_id)s, %(primary)s, %(past)s, %(start)s);
INSERT INTO group_member (member_id, group_key, recorded_at)
    SELECT m, group_key, %(start)s FROM unnest(%(members)s::uuid[]) m, enrollment_group;
INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)
    SELECT gen_random_uuid(), group_key, true, n, %(start)s + n * interval '1 minute' + interval '2 seconds',
        %(request)s || jsonb_build_object('revision', n)
    FROM enrollment_group, generate_series(1, %(past)s) n;
INSERT INTO enrollment_revision (group_key, revision, recorded_at, change_request_key, policy_event)
    SELECT group_key, revision, recorded_at, change_request_key, 'CHANGED' FROM change_request;
INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)
    SELECT revision_key, %(primary)s, %(module)s, %(module)s, 'PRIMARY', daterange('2026-01-01', NULL)
    FROM enrollment_revision;
INSERT INTO enrollment_difference (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)
    SELECT revision_key, group_key, %(primary)s, 'PRIMARY', %(module)s, '{STARTED}', '{[2026-01-01,)}', '{}'
    FROM enrollment_revision;
INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, done_at)
    SELECT gen_random_uuid(), group_key, 'FACTS', %(start)s + n * interval '1 minute' + interval '3 seconds',
        %(start)s + n * interval '1 minute' + interval '4 seconds'
    FROM enrollment_group, generate_series(1, %(past)s) n;
INSERT INTO premium_price (price_id, module_id, beneficiary_type, service_type, currency_code, contribution_types,
                           billed_entities, debtors, monthly_minor, document)
    VALUES (gen_random_uuid(), %(module)s, 'PRIMARY', 'BASE', 'EUR', '{COST}', '{PRIMARY}', '{PRIMARY}', '{100}', '{}');
INSERT INTO premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month, price_key,
                             version, revision, recorded_at)
    SELECT group_key, %(contract_id)s, gen_random_uuid(), %(primary)s, n, n, price_key, 1, 1,
        %(start)s + (n / 4) * interval '1 minute' + interval '5 seconds'
    FROM enrollment_group, premium_price, generate_series(1, %(past)s) n;
INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at, group_key)
    SELECT stretch_key, first_month, 'PRIMARY', 'invoice', recorded_at + interval '1 second', group_key
    FROM premium_stretch;
INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on, term_start, answer,
                                     recorded_at)
    SELECT gen_random_uuid(), '', %(group_id)s, %(primary)s, '2026-01-01', '2026-01-01', '{}',
        %(start)s + n * interval '1 minute' + interval '7 seconds'
    FROM generate_series(1, %(past)s) n;
INSERT INTO accumulator_entry (application_key, code, asked, applied, individual_used, family_used)
    SELECT application_key, 'DEDUCTIBLE', 1, 1, 1, 1 FROM accumulator_application;
INSERT INTO accumulator_reversal (application_key, answer, recorded_at, group_id)
    SELECT application_key, '{}', recorded_at + interval '1 second', group_id FROM accumulator_application;
INSERT INTO erasure (number, member_id, erased_on, periods_removed, recorded_at)
    SELECT n, %(child)s, '2026-01-01', false, %(start)s + n * interval '1 minute' + interval '9 seconds'
    FROM generate_series(1, 30) n;
INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)
    SELECT gen_random_uuid(), %(child)s, %(start)s + n * interval '1 minute' + interval '10 seconds', 'twice', '{}'
    FROM generate_series(1, 5) n;
INSERT INTO member_merge (from_member_id, into_member_id, recorded_at, reason, document)
    VALUES (%(child)s, %(primary)s, %(start)s, 'twice', '{}');
INSERT INTO legacy_identifier (country, kind, legacy_key, id) VALUES ('ES', 'CONTRACT', '17', %(contract_id)s);
INSERT INTO migration_change (country, to_stage, forced, reason, subject, recorded_at, actor)
    SELECT 'ES', 'CORE', false, '', 'ada', %(start)s + n * interval '1 minute' + interval '11 seconds',
        '{"kind": "ADMIN", "subject": "ada"}'
    FROM generate_series(1, 7) n;
"""


def request() -> ChangeRequest:
    """Returns a request that is stored as the document of every request; only its revision differs."""
    return ChangeRequest(
        change_request_id=an_id("request"),
        request_id=an_id("request id"),
        group_id=GROUP,
        key=KEY,
        requester=Requester(RequesterRole.ADMIN, "ada"),
        changes=(ScopedChange(Enroll(PRIMARY, MembershipType.PRIMARY, MODULE, a_span())),),
        overridden_rules=(),
        accept_consequences=False,
        verdict=Verdict.APPROVED,
        violations=(),
        notices=(),
        consequences=(),
        revision=1,
        made_revision=True,
        recorded_at=START,
        actor=BEFORE_ACTORS,
    )


def fill(url: str, past: int) -> None:
    """Records a number of entries of every source for a group and its members."""
    values = {
        "contract_id": CONTRACT.contract_id,
        "contract": Jsonb(contract_to_document(CONTRACT)),
        "member": Jsonb(member_to_document(Member(PRIMARY, MemberKind.PERSON, "", Facts()))),
        "members": [PRIMARY, CHILD],
        "primary": PRIMARY,
        "child": CHILD,
        "group_id": GROUP,
        "request": Jsonb(change_request_to_document(request())),
        "module": MODULE,
        "start": START,
        "past": past,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            for statement in FILL.split(";\n"):
                if statement.strip():
                    connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")


@pytest.fixture(scope="module")
def long_past(postgres_url: str) -> Iterator[str]:
    """A database in which a group has ten thousand entries of every source."""
    with a_database(postgres_url) as url:
        fill(url, PAST)
        yield url


@dataclass
class Reads:
    """What the statements of a connection read: rows by table, and the plans."""

    rows: dict[str, int] = field(default_factory=dict)
    sequential: set[str] = field(default_factory=set)

    def add(self, plan: dict[str, Any]) -> None:
        table = plan.get("Relation Name")
        if table:
            each = (
                plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
            )
            each += plan.get("Rows Removed by Index Recheck", 0)
            self.rows[table] = self.rows.get(table, 0) + round(each * plan["Actual Loops"])
            if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"]:
                self.sequential.add(table)
        for part in plan.get("Plans", ()):
            self.add(part)


class ExplainedConnection:
    """A connection that explains every statement before it executes it."""

    def __init__(self, connection: Connection, reads: Reads, row_factory: Any = None) -> None:
        self._connection, self._reads, self._row_factory = connection, reads, row_factory

    def cursor(self, *, row_factory: Any) -> "ExplainedConnection":
        return ExplainedConnection(self._connection, self._reads, row_factory)

    async def execute(self, statement: str, parameters: Any = ()) -> Any:
        explained: Any = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        cursor = await self._connection.cursor(row_factory=tuple_row).execute(explained, parameters)
        for (document,) in await cursor.fetchall():
            self._reads.add(document[0]["Plan"])
        executed: Any = statement
        if self._row_factory is not None:
            return await self._connection.cursor(row_factory=self._row_factory).execute(executed, parameters)
        return await self._connection.execute(executed, parameters)


class ExplainingDatabase(Database):
    """A database whose snapshots report what they read."""

    def __init__(self, url: str) -> None:
        super().__init__(url, 2)
        self.reads = Reads()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        async with super().snapshot() as connection:
            yield ExplainedConnection(connection, self.reads)


def page(
    url: str, subject: HistorySubject, after: Position | None, *kinds: HistoryKind
) -> tuple[list[LocatedEntry], Reads]:
    """Returns a page of a history, and what it read."""

    async def read() -> tuple[list[LocatedEntry], Reads]:
        database = ExplainingDatabase(url)
        await database.open()
        call = Call("call", Caller(ActorKind.ADMIN, "ada"), lambda: datetime.now(UTC))
        query = HistoryQuery(subject, frozenset(kinds))
        found, has_more = await list_history(core_on(database), call, query, Page(after, PAGE), 3_000_000)
        await database.close()
        assert has_more
        return found, database.reads

    return asyncio.run(read())


SUBJECTS = [
    HistorySubject(group_id=GROUP),
    HistorySubject(member_id=CHILD),
    HistorySubject(contract_id=CONTRACT.contract_id),
]


@pytest.mark.parametrize("subject", SUBJECTS, ids=["group", "member", "contract"])
@pytest.mark.parametrize("minutes", [None, PAST // 8, 30], ids=["newest", "middle", "oldest"])
def test_a_page_reads_a_bounded_number_of_rows(long_past: str, subject: HistorySubject, minutes: int | None) -> None:
    after = None
    if minutes is not None:
        seconds = minutes * 60
        instant = datetime.fromtimestamp(START.timestamp() + seconds, UTC)
        after = Position.from_json([instant.isoformat(), 1, [str(UUID(int=0)), 0]])
    found, reads = page(long_past, subject, after)
    assert len(found) == PAGE
    ledger = reads.rows.pop("premium_stretch", 0)
    reads.rows.pop("premium_price", None)
    assert sum(reads.rows.values()) < MAX_ROWS, reads.rows
    assert ledger <= MAX_LEDGER_READS * PAST + MAX_ROWS
    assert not reads.sequential & LONG_TABLES, reads.sequential


@pytest.mark.parametrize("kind", HistoryKind)
def test_a_page_of_one_kind_reads_a_bounded_number_of_rows(long_past: str, kind: HistoryKind) -> None:
    found, reads = page(long_past, SUBJECTS[0], None, kind)
    assert {entry.kind for _, entry in found} == {kind}
    ledger = reads.rows.pop("premium_stretch", 0)
    reads.rows.pop("premium_price", None)
    assert sum(reads.rows.values()) < MAX_ROWS, reads.rows
    assert ledger <= MAX_LEDGER_READS * PAST + MAX_ROWS
    assert kind is HistoryKind.PREMIUM or not ledger


def test_positions_survive_a_page_token() -> None:
    for source, key in ((1, [str(uuid4()), 3]), (5, [7]), (8, [7, "invoice / 17"])):
        document = ["2026-01-01T00:00:00.000001+00:00", source, key]
        assert Position.from_json(document).to_json() == document


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 100])
def test_entries_of_one_instant_are_each_on_one_page(own_database_url: str, page_size: int) -> None:
    fill(own_database_url, 3)
    with psycopg.connect(own_database_url) as connection:
        for table, column in INSTANTS.items():
            connection.execute(f"UPDATE {table} SET {column} = %s", [START])

    async def read() -> list[Position]:
        database = Database(own_database_url, 1)
        await database.open()
        which, found = HistoryFilter(frozenset(Source)), list[Position]()
        async with database.reading() as connection:
            scope = await of_group(connection, GROUP)
            while True:
                page = await newest_positions(connection, scope, which, found[-1] if found else None, page_size)
                found += page
                if len(page) < page_size:
                    break
        await database.close()
        return found

    found = asyncio.run(read())
    assert found == sorted(set(found), reverse=True)
    counts = {source: sum(position.source is source for position in found) for source in Source}
    three = {Source.CONTRACT, Source.CHANGE_REQUEST, Source.RECOMPUTE, Source.APPLICATION, Source.REVERSAL}
    # Half of the states of both members are facts. The rows of premiums and of the invoice are one entry each. The
    # merge of both members is one entry, too.
    expected = dict.fromkeys(three, 3) | {Source.FACT: 2, Source.RECORD: 4, Source.PREMIUM: 1, Source.INVOICE: 1}
    assert counts == expected | {Source.ERASURE: 30, Source.MERGE: 6, Source.MIGRATION: 7}


INSTANTS = {
    "contract_revision": "recorded_at",
    "member_revision": "recorded_at",
    "change_request": "recorded_at",
    "recompute": "done_at",
    "premium_stretch": "recorded_at",
    "premium_invoice_mark": "recorded_at",
    "accumulator_application": "recorded_at",
    "accumulator_reversal": "recorded_at",
    "erasure": "recorded_at",
    "member_merge": "recorded_at",
    "migration_change": "recorded_at",
}
"""The column with the instant of each table with entries."""


def test_the_migration_fills_what_histories_read_in_rows_from_before(postgres_url: str) -> None:
    states = [
        ("", "1980-01-01"),
        ("", "1981-01-01"),
        ("Ann", "1981-01-01"),
        ("Ann", "1981-01-01"),
    ]
    with a_database(postgres_url, migrated=False) as url:
        migrate_to(url, "0012")
        with psycopg.connect(url) as connection:
            for n, (name, born_on) in enumerate(states, start=1):
                member = Member(CHILD, MemberKind.PERSON, name, Facts(date.fromisoformat(born_on)))
                connection.execute(
                    "INSERT INTO member_revision (member_id, revision, recorded_at, document)"
                    " VALUES (%s, %s, now(), %s)",
                    [CHILD, n, Jsonb(member_to_document(member))],
                )
            connection.execute(OLD_ROWS)
        migrate(url)
        with psycopg.connect(url) as connection:
            kinds = connection.execute("SELECT kind FROM member_revision ORDER BY revision").fetchall()
            policies = connection.execute(
                "SELECT m.group_key = s.group_key, r.group_id = a.group_id"
                " FROM premium_invoice_mark m JOIN premium_stretch s USING (stretch_key),"
                " accumulator_reversal r JOIN accumulator_application a USING (application_key)"
            ).fetchall()
    # A state that changed nothing counts as recorded facts, which lead to recomputes.
    assert [kind for (kind,) in kinds] == ["RECORD", "FACT", "RECORD", "FACT"]
    assert policies == [(True, True)]


OLD_ROWS = """
INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)
    VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now());
INSERT INTO premium_price (price_id, module_id, beneficiary_type, service_type, currency_code, contribution_types,
                           billed_entities, debtors, monthly_minor, document)
    VALUES (gen_random_uuid(), gen_random_uuid(), '', '', 'EUR', '{}', '{}', '{}', '{}', '{}');
INSERT INTO premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month, price_key,
                             version, revision, recorded_at)
    SELECT group_key, contract_id, gen_random_uuid(), primary_id, 1, 1, price_key, 1, 1, now()
    FROM enrollment_group, premium_price;
INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at)
    SELECT stretch_key, 1, 'PRIMARY', 'invoice', now() FROM premium_stretch;
INSERT INTO accumulator_application (application_id, fingerprint, group_id, member_id, service_on, term_start, answer,
                                     recorded_at)
    SELECT gen_random_uuid(), '', group_id, primary_id, now(), now(), '{}', now() FROM enrollment_group;
INSERT INTO accumulator_reversal (application_key, answer, recorded_at)
    SELECT application_key, '{}', now() FROM accumulator_application
"""
