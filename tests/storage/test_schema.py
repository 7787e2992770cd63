"""The schema: migrations create the declared tables, and constraints reject invalid histories."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from storage.postgres import migrations
from storage.postgres.tables import metadata

EDITED = Path(__file__).parent / "edited_migrations"
"""Earlier versions of migrations that were edited after databases had been created with them."""

MEMBER, MODULE, OTHER_MODULE, SLOT = (UUID(int=n) for n in range(1, 5))


def test_the_migrations_create_the_tables_as_declared(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_the_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(migrations.MIGRATIONS))
    assert scripts.get_current_head() == migrations.HEAD


def test_migrating_again_does_nothing(database_url: str) -> None:
    assert migrations.migrate(database_url) is False


def _fingerprint(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the columns, indexes, constraints, functions and privileges of the schema."""
    queries = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "functions": "SELECT proname, pg_get_functiondef(oid), proacl::text FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"
        " AND oid NOT IN (SELECT objid FROM pg_depend WHERE deptype = 'e')",
    }
    with psycopg.connect(url) as connection:
        return {name: sorted(connection.execute(query).fetchall()) for name, query in queries.items()}


@pytest.mark.parametrize("text", ["first", "second"])
def test_databases_migrated_by_an_earlier_version_of_0005_get_the_same_schema(
    postgres_url: str, own_database_url: str, text: str
) -> None:
    name = f"affilia_test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
    try:
        migrate_to(url, "0004")
        with psycopg.connect(url) as connection:
            connection.execute((EDITED / f"0005_{text}.sql").read_text())
            connection.execute("UPDATE alembic_version SET version_num = '0005'")
        assert migrations.migrate(url) is True
        assert _fingerprint(url) == _fingerprint(own_database_url)
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate_to(url: str, revision: str) -> None:
    """Migrates to an older schema, without the rows that the newest schema adds."""
    config = Config()
    config.set_main_option("script_location", str(migrations.MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def _pretend_newer(url: str, serves_since: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE schema_compatibility SET serves_since = %s", [serves_since])


def test_a_newer_incompatible_schema_is_rejected_and_not_changed(own_database_url: str) -> None:
    _pretend_newer(own_database_url, "9999")
    before = _fingerprint(own_database_url)
    with pytest.raises(migrations.SchemaTooNew, match="schema 9999"):
        migrations.migrate(own_database_url)
    assert _fingerprint(own_database_url) == before


def test_a_newer_compatible_schema_is_served(own_database_url: str) -> None:
    _pretend_newer(own_database_url, migrations.HEAD)
    assert migrations.migrate(own_database_url) is False


def test_a_migration_records_which_servers_can_serve_it(own_database_url: str) -> None:
    with psycopg.connect(own_database_url) as connection:
        row = connection.execute("SELECT serves_since FROM schema_compatibility").fetchone()
    assert row == (migrations.SERVES_SINCE,)
    assert int(migrations.SERVES_SINCE) <= int(migrations.HEAD)


def a_revision(connection: psycopg.Connection) -> int:
    """Inserts a group with one revision, and returns the key of the revision."""
    row = connection.execute(
        "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
        " VALUES (%s, %s, %s, now()) RETURNING group_key",
        [uuid4(), uuid4(), uuid4()],
    ).fetchone()
    assert row
    request = connection.execute(
        "INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)"
        " VALUES (%s, %s, true, 1, now(), '{}') RETURNING change_request_key",
        [uuid4(), row[0]],
    ).fetchone()
    assert request
    revision = connection.execute(
        "INSERT INTO enrollment_revision (group_key, revision, recorded_at, change_request_key, policy_event)"
        " VALUES (%s, 1, now(), %s, 'CHANGED') RETURNING revision_key",
        [row[0], request[0]],
    ).fetchone()
    assert revision
    key: int = revision[0]
    return key


def add_period(
    connection: psycopg.Connection, revision_key: int, days: str, module: UUID = MODULE, slot: UUID = SLOT
) -> None:
    connection.execute(
        "INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)"
        " VALUES (%s, %s, %s, %s, 'PRIMARY', %s)",
        [revision_key, MEMBER, module, slot, days],
    )


def test_two_periods_of_one_module_cannot_share_a_day(connection: psycopg.Connection) -> None:
    revision = a_revision(connection)
    add_period(connection, revision, "[2026-01-01,2026-02-01)")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        add_period(connection, revision, "[2026-01-31,)")


def test_two_modules_of_one_slot_cannot_share_a_day(connection: psycopg.Connection) -> None:
    revision = a_revision(connection)
    add_period(connection, revision, "[2026-01-01,2026-02-01)")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        add_period(connection, revision, "[2026-01-31,2026-03-01)", module=OTHER_MODULE)


def test_periods_of_one_module_cannot_share_a_day_even_with_different_slots(connection: psycopg.Connection) -> None:
    revision = a_revision(connection)
    add_period(connection, revision, "[2026-01-01,2026-02-01)")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        add_period(connection, revision, "[2026-01-31,2026-03-01)", slot=OTHER_MODULE)


def test_overlapping_periods_of_one_statement_are_rejected(connection: psycopg.Connection) -> None:
    first, second = a_revision(connection), a_revision(connection)
    with pytest.raises(psycopg.errors.ExclusionViolation, match=f"periods of revision {second} overlap"):
        connection.execute(
            "INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)"
            " SELECT key, %s, %s, %s, 'PRIMARY', days::daterange FROM (VALUES (%s, '[2026-01-01,2026-01-05)'),"
            " (%s, '[2026-01-01,)'), (%s, '[2026-03-01,2026-04-01)')) AS p (key, days)",
            [MEMBER, MODULE, SLOT, first, second, second],
        )


def test_a_period_cannot_be_moved_onto_another(connection: psycopg.Connection) -> None:
    revision = a_revision(connection)
    add_period(connection, revision, "[2026-01-01,2026-02-01)")
    add_period(connection, revision, "[2026-02-01,)")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute("UPDATE enrollment_period SET days = '[2026-01-31,)' WHERE lower(days) = '2026-02-01'")


def test_adjacent_periods_and_periods_of_other_revisions_are_allowed(connection: psycopg.Connection) -> None:
    first, second = a_revision(connection), a_revision(connection)
    add_period(connection, first, "[2026-01-01,2026-02-01)")
    add_period(connection, first, "[2026-02-01,)", module=OTHER_MODULE)
    add_period(connection, second, "[2026-01-01,)")


def test_a_revision_has_exactly_one_cause(connection: psycopg.Connection) -> None:
    a_revision(connection)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "INSERT INTO enrollment_revision (group_key, revision, recorded_at, policy_event)"
            " SELECT group_key, 2, now(), 'CHANGED' FROM enrollment_group LIMIT 1"
        )


def test_the_revisions_of_a_group_are_unique(connection: psycopg.Connection) -> None:
    key = a_revision(connection)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO enrollment_revision (group_key, revision, recorded_at, change_request_key, policy_event)"
            " SELECT group_key, revision, now(), change_request_key, 'CHANGED' FROM enrollment_revision"
            " WHERE revision_key = %s",
            [key],
        )


def test_at_most_one_recompute_waits_per_group(connection: psycopg.Connection) -> None:
    a_revision(connection)
    again = (
        "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at)"
        " SELECT gen_random_uuid(), max(group_key), 'ADMIN', now() FROM enrollment_group"
    )
    connection.execute(again)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(again)
