"""Lists across all groups, compared with a sort of all rows, and the plans of their queries on many rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.change_request_lists import CHANGE_REQUESTS
from storage.listing import ListFilter, Listing, RowPosition, page_of
from storage.postgres.sessions import POOL, connect_blocking
from storage.premium_runs import RUNS
from storage.premiums import EntryFilter, EntryKey, page_of_entries
from storage.recomputes import NEXT_DUE, RECOMPUTES
from tests.conftest import a_database
from tests.support.plans import scans

GROUPS, ROWS, MANY_MARKS = 4_000, 20_000, 30_000
CONTRACTS = [UUID(int=n) for n in range(1, 5)]
START = datetime(2026, 1, 1, tzinfo=UTC)
LAST = START + timedelta(seconds=ROWS // 3)
LISTINGS = {listing.table: listing for listing in (CHANGE_REQUESTS, RECOMPUTES, RUNS)}

FILL = """
INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)
    SELECT gen_random_uuid(), (%(contracts)s::uuid[])[1 + n %% 4], gen_random_uuid(), now()
    FROM generate_series(1, %(groups)s) AS n;
INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)
    SELECT gen_random_uuid(), 1 + n * 7919 %% %(groups)s, n %% 500 <> 0, 1,
        %(start)s + make_interval(secs => n / 3), '{}'
    FROM generate_series(1, %(rows)s) AS n;
INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, done_at, failed_at)
    SELECT gen_random_uuid(), 1 + n %% %(groups)s, 'ADMIN', %(start)s + make_interval(secs => n / 3),
        CASE WHEN n > 100 AND n %% 700 <> 0 THEN now() END, CASE WHEN n %% 700 = 0 THEN now() END
    FROM generate_series(1, %(rows)s) AS n;
INSERT INTO premium_run (run_id, fingerprint, contract_id, first_month, last_month, stopped, policies, done,
        recorded_at)
    SELECT gen_random_uuid(), '', (%(contracts)s::uuid[])[1 + n %% 5], 0, 0, n %% 11 = 0, 2,
        CASE WHEN n %% 300 = 0 THEN 1 ELSE 2 END, %(start)s + make_interval(secs => n / 3)
    FROM generate_series(1, %(rows)s) AS n;
INSERT INTO premium_price (price_id, module_id, beneficiary_type, service_type, currency_code, contribution_types,
        billed_entities, debtors, monthly_minor, document)
    VALUES (gen_random_uuid(), gen_random_uuid(), 'PRIMARY', 'BASE', 'EUR', '{COST}', '{COMPANY}', '{COMPANY}', '{1}',
        '{}');
INSERT INTO premium_stretch (group_key, contract_id, enrollment_id, member_id, first_month, last_month, price_key,
        version, revision, recorded_at)
    SELECT 1 + n %% %(groups)s, %(contract)s, gen_random_uuid(), gen_random_uuid(), 24000, 24011, 1, 1, 1, now()
    FROM generate_series(1, %(marks)s / 12) AS n;
INSERT INTO premium_invoice_mark (stretch_key, month, debtor, invoice_id, recorded_at)
    SELECT stretch_key, month, debtor, 'I' || stretch_key %% 3 || '-' || month, now()
    FROM premium_stretch, generate_series(24000, 24011) AS month, unnest('{COMPANY,PRIMARY}'::text[]) AS debtor;
"""


@dataclass(frozen=True)
class Row:
    """A row of a list, as the database has it."""

    position: RowPosition
    contract_id: UUID | None
    state: str


@dataclass(frozen=True)
class Filled:
    connection: "psycopg.Connection[Any]"
    rows: dict[str, list[Row]]


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Filled]:
    """A database with many rows in few states, and with several rows of the same instant."""
    with a_database(postgres_url) as url, psycopg.connect(url, autocommit=True) as connection:
        values = {
            "groups": GROUPS, "rows": ROWS, "marks": MANY_MARKS, "start": START, "contracts": CONTRACTS,
            "contract": CONTRACTS[0],
        }  # fmt: skip
        for statement in FILL.strip().split(";\n"):
            connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
        yield Filled(connection, {table: _rows(connection, listing) for table, listing in LISTINGS.items()})


def _rows(connection: "psycopg.Connection[Any]", listing: Listing) -> list[Row]:
    states = [state for state, conditions in listing.states.items() for _ in conditions]
    conditions = ", ".join(condition for of_state in listing.states.values() for condition in of_state)
    found = connection.execute(f"SELECT {listing.at}, {listing.key}, contract_id, {conditions} FROM {listing.table}")
    rows = []
    for at, key, contract_id, *holds in found:
        (state,) = (state for state, is_true in zip(states, holds, strict=True) if is_true)
        rows.append(Row(RowPosition(at.astimezone(UTC), key), contract_id, state))
    return rows


def expected(rows: list[Row], listing: Listing, which: ListFilter) -> list[RowPosition]:
    """Returns the positions of all rows that a filter selects, in the order of the list."""
    chosen = (
        row.position
        for row in rows
        if which.state in (None, row.state)
        and which.contract_id in (None, row.contract_id)
        and (which.since is None or row.position.at >= which.since)
        and (which.before is None or row.position.at < which.before)
    )
    return sorted(chosen, reverse=listing.newest_first)


def page(
    connection: "psycopg.Connection[Any]", listing: Listing, which: ListFilter, after: RowPosition | None, limit: int
) -> list[RowPosition]:
    query, values = page_of(listing, which, after, limit)
    statement = f"SELECT {listing.at}, {listing.key} FROM ({query}) AS page"
    return [RowPosition(at.astimezone(UTC), key) for at, key in connection.execute(statement, values)]


INSTANTS = st.none() | st.integers(-5, ROWS // 3 + 5).map(lambda seconds: START + timedelta(seconds=seconds))


@given(st.data())
def test_pages_have_every_row_of_the_filter_once_and_in_order(filled: Filled, data: st.DataObject) -> None:
    listing = data.draw(st.sampled_from(list(LISTINGS.values())))
    which = ListFilter(
        contract_id=data.draw(st.none() | st.sampled_from([*CONTRACTS, uuid4()])),
        state=data.draw(st.none() | st.sampled_from(list(listing.states))),
        since=data.draw(INSTANTS),
        before=data.draw(INSTANTS),
    )
    rest = expected(filled.rows[listing.table], listing, which)
    limit = data.draw(st.integers(1, 20))
    after: RowPosition | None = None
    if rest and (begin := data.draw(st.integers(-1, len(rest) - 1))) >= 0:
        after, rest = rest[begin], rest[begin + 1 :]
    for _ in range(3):
        found = page(filled.connection, listing, which, after, limit)
        assert found == rest[:limit]
        if len(found) < limit:
            break
        after, rest = found[-1], rest[limit:]


# -------------------------------------------------------------------------------------------------- plans

LIMIT = 50


CONDITIONS = list(product([None, CONTRACTS[1]], [None, LAST - timedelta(seconds=3000)], [None, LAST], [False, True]))


@pytest.mark.parametrize(("table", "state"), [(t, s) for t, one in LISTINGS.items() for s in (None, *one.states)])
def test_a_page_reads_only_its_own_rows_through_an_index(filled: Filled, table: str, state: str | None) -> None:
    listing = LISTINGS[table]
    for contract_id, since, before, is_later_page in CONDITIONS:
        which = ListFilter(contract_id=contract_id, state=state, since=since, before=before)
        every = expected(filled.rows[table], listing, which)
        after = every[len(every) // 2] if is_later_page and every else None
        query, values = page_of(listing, which, after, LIMIT)
        kind, read = scans(filled.connection, query, values)[table]
        combinations = sum(len(of) for name, of in listing.states.items() if state in (None, name))
        assert kind in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"), which
        assert read <= combinations * LIMIT, which


def test_the_next_recomputes_are_read_without_those_that_wait_behind_them(filled: Filled) -> None:
    with connect_blocking(filled.connection.info.dsn, POOL) as of_server:
        kind, read = scans(of_server, NEXT_DUE, {"limit": LIMIT})["recompute"]
    assert kind == "Index Scan"
    assert read == LIMIT


@pytest.mark.parametrize("live_only", [False, True])
@pytest.mark.parametrize("is_later_page", [False, True])
def test_a_page_of_an_invoice_reads_only_its_own_rows_through_an_index(
    filled: Filled, live_only: bool, is_later_page: bool
) -> None:
    invoice = "I1-24005"
    every = [
        EntryKey(key, 24005)
        for (key,) in filled.connection.execute(
            "SELECT DISTINCT stretch_key FROM premium_invoice_mark WHERE invoice_id = %s ORDER BY 1", [invoice]
        )
    ]
    assert len(every) > 10 * LIMIT
    after = every[len(every) // 2] if is_later_page else EntryKey(0, 0)
    query, values = page_of_entries(EntryFilter(invoice_id=invoice), live_only=live_only, after=after, limit=LIMIT)
    begin = len(every) // 2 + 1 if is_later_page else 0
    rows = filled.connection.execute(query, values).fetchall()
    assert [row[0] for row in rows] == [key.stretch_key for key in every[begin : begin + LIMIT]]
    read = scans(filled.connection, query, values)
    assert {kind for kind, _ in read.values()} <= {"Index Scan", "Index Only Scan"}
    debtors = 2
    assert read["premium_stretch"][1] <= LIMIT + 1
    assert read["premium_invoice_mark"][1] <= 2 * debtors * (LIMIT + 1)
