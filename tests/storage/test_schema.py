"""The schema: what the migrations make is what the tables say, and the database itself refuses broken histories."""

from uuid import UUID, uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from storage import migrations
from storage.tables import metadata

MEMBER, MODULE, OTHER_MODULE, SLOT = (UUID(int=n) for n in range(1, 5))


def test_migrations_make_what_the_tables_say(database_url: str) -> None:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, metadata) == []


def test_the_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(migrations.MIGRATIONS))
    assert scripts.get_current_head() == migrations.HEAD


def test_migrating_again_does_nothing(database_url: str) -> None:
    assert migrations.migrate(database_url) is False


def a_revision(connection: psycopg.Connection) -> int:
    """A group with one revision, made without the application."""
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


def test_one_module_cannot_share_a_day_by_pretending_another_slot(connection: psycopg.Connection) -> None:
    revision = a_revision(connection)
    add_period(connection, revision, "[2026-01-01,2026-02-01)")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        add_period(connection, revision, "[2026-01-31,2026-03-01)", slot=OTHER_MODULE)


def test_periods_that_touch_or_stand_in_other_revisions_are_fine(connection: psycopg.Connection) -> None:
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


def test_a_group_has_each_revision_once(connection: psycopg.Connection) -> None:
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
