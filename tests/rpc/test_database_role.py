"""What the application's database role can't do with records, and how it adds audit entries."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from storage.postgres.migrations import migrate
from storage.postgres.privileges import FUNCTIONS, PRIVILEGES
from storage.postgres.tables import metadata
from tests.conftest import ServerProcess, a_database
from tests.support.guarded import application_url
from tests.support.identities import FLAGS, VARIABLES


def test_privileges_are_declared_for_every_table() -> None:
    assert set(PRIVILEGES) == {*metadata.tables, "alembic_version"}


RECORDED = [
    "contract_revision",
    "member_revision",
    "change_request",
    "enrollment_revision",
    "enrollment_period",
    "enrollment_difference",
    "event",
    "premium_price",
    "premium_stretch",
    "premium_invoice_mark",
    "accumulator_application",
    "accumulator_reversal",
    "accumulator_entry",
    "audit_entry",
    "audit_entry_id",
    "erasure",
    "migration_change",
    "legacy_identifier",
]

FORGED = {
    "audit_entry": "(recorded_at, call_id, method, caller_kind, subject, ids, outcome)"
    " VALUES ('2020-01-01', 'x', '/x', 'ADMIN', 'alice', '{}', 'OK')",
    "audit_entry_id": "(named_id, entry_key) VALUES (gen_random_uuid(), 1)",
    "erasure": "(number, member_id, erased_on, periods_removed, recorded_at)"
    " VALUES (1, gen_random_uuid(), '2020-01-01', false, now())",
}


@pytest.mark.parametrize("table", RECORDED)
def test_the_application_role_cannot_change_or_remove_records(own_url: str, table: str) -> None:
    with psycopg.connect(own_url, autocommit=True) as connection:
        for statement in (
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"UPDATE {table} SET {list(metadata.tables[table].columns)[-1].name} = NULL",
            f"ALTER TABLE {table} ADD COLUMN x integer",
            f"DROP TABLE {table}",
            f"GRANT ALL ON {table} TO PUBLIC",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        ):
            if statement.startswith("GRANT"):
                with suppress(psycopg.errors.InsufficientPrivilege):  # or PostgreSQL only warns, and grants nothing
                    connection.execute(statement)
                continue
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM audit_entry")


@pytest.mark.parametrize("table", FORGED)
def test_the_application_role_cannot_add_audit_entries_directly(own_url: str, table: str) -> None:
    with (
        psycopg.connect(own_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"INSERT INTO {table} {FORGED[table]}")


ENTRY = ("call", "/affilia.test.v1.Probe/Down", "ADMIN", "alice", "bob", "{}", 0, "OK")
OLDER_ENTRY = (*ENTRY[:4], *ENTRY[5:])
"""The arguments of a server of an earlier release."""


def add_entry(url: str, *values: Any) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        places = ", ".join("%s::jsonb" if n == len(values) - 3 else "%s" for n in range(len(values)))
        row = connection.execute(f"SELECT add_audit_entry({places})", values).fetchone()
    assert row
    key: int = row[0]
    return key


@pytest.mark.parametrize(("before_ids", "on_behalf_of"), [(ENTRY[:5], "bob"), (OLDER_ENTRY[:4], "")])
def test_an_audit_entry_has_the_instant_and_role_of_the_database(
    own_url: str, own_owner_url: str, before_ids: tuple[str, ...], on_behalf_of: str
) -> None:
    named = str(uuid4())
    key = add_entry(own_url, *before_ids, f'{{"member_id": "{named}"}}', 0, "OK")
    with psycopg.connect(own_owner_url) as connection:
        row = connection.execute(
            "SELECT now() - recorded_at < interval '1 minute', database_role, subject, on_behalf_of FROM audit_entry"
            " JOIN audit_entry_id USING (entry_key) WHERE named_id = %s AND entry_key = %s",
            [named, key],
        ).fetchone()
    assert row == (True, "affilia_test_application", "alice", on_behalf_of)


@pytest.mark.parametrize(
    ("position", "value"),
    [(1, "no method"), (1, None), (2, "ROOT"), (3, None), (4, None), (4, "x" * 201), (5, "[]"), (5, None),
     (5, '{"member_id": "Melusine"}'), (5, '{"a": {"b": "c"}}'), (6, -1), (6, None), (7, "fine, it seems"), (7, None)],
)  # fmt: skip
def test_malformed_audit_entries_are_rejected(own_url: str, position: int, value: Any) -> None:
    with pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.DataError)):
        add_entry(own_url, *ENTRY[:position], value, *ENTRY[position + 1 :])


@pytest.mark.parametrize(
    "arguments",
    ["NULL, NULL, NULL", "NULL, NULL, 0", "NULL, NULL, 1001", "now(), NULL, 10", "NULL, 1, 10"],
)
def test_the_audit_log_is_only_listed_in_pages(own_url: str, arguments: str) -> None:
    with (
        psycopg.connect(own_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.IntegrityError),
    ):
        connection.execute(f"SELECT * FROM list_audit_entries(NULL, NULL, NULL, NULL, NULL, NULL, {arguments})")


@pytest.mark.parametrize("actor", ["{}", '{"kind": "ROOT", "subject": "a"}', '{"kind": "ADMIN", "subject": ""}'])
def test_an_erasure_without_an_actor_is_rejected(own_url: str, actor: str) -> None:
    with (
        psycopg.connect(own_url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.DataError, match="actor"),
    ):
        connection.execute("SELECT erase_member(%s, '2026-01-01', false, 'a call', %s)", [uuid4(), actor])


MAPPED = "SELECT legacy_key FROM legacy_identifier WHERE country = 'XX' ORDER BY legacy_key"


def test_the_products_of_a_mapped_contract_can_be_replaced(own_url: str) -> None:
    with psycopg.connect(own_url) as connection:
        connection.execute(
            "INSERT INTO legacy_identifier (country, kind, legacy_key, id)"
            " SELECT 'XX', 'CONTRACT', n, gen_random_uuid() FROM unnest('{1,17}'::text[]) AS n"
        )
        replaces = "SELECT map_legacy_products('XX', %s, %s::text[], %s::uuid[])"
        module_id = uuid4()
        connection.execute(replaces, ["17", ["FLEX", "A/B"], [module_id, module_id]])
        connection.execute(replaces, ["1", ["FLEX"], [module_id]])
        connection.execute(replaces, ["17", ["DENTAL"], [module_id]])
        keys = [key for (key,) in connection.execute(MAPPED)]
        assert keys == ["1", "1/FLEX", "17", "17/DENTAL"]
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(replaces, ["2", [], []])
        connection.rollback()


def test_a_start_revokes_privileges_that_an_older_release_granted(own_url: str, own_owner_url: str) -> None:
    with psycopg.connect(own_owner_url, autocommit=True) as connection:
        connection.execute("GRANT INSERT ON audit_entry TO affilia_test_application")
        connection.execute(f"REVOKE ALL ON FUNCTION {FUNCTIONS[0]} FROM affilia_test_application")
    migrate(own_owner_url, "affilia_test_application")
    test_the_application_role_cannot_add_audit_entries_directly(own_url, "audit_entry")
    assert add_entry(own_url, *ENTRY)


@pytest.fixture(scope="module")
def own_owner_url(postgres_url: str) -> Iterator[str]:
    """A new database, as its owner."""
    with a_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def own_url(own_owner_url: str) -> str:
    """The same database, as the role of the application."""
    return application_url(own_owner_url)


def test_a_server_refuses_a_role_that_owns_the_tables(own_database_url: str, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("owner")
    with pytest.raises(RuntimeError, match="AFFILIA_MIGRATION_URL"):
        ServerProcess(folder, *FLAGS, "--database-url", own_database_url, environment=VARIABLES)
