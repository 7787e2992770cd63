"""Migrations while other sessions read and write the same tables."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from storage.postgres import migrations
from tests.conftest import a_database
from tests.storage.test_upgrades import upgraded_to_just_before
from tests.support.waiting import wait_until

WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = %s::regclass)"


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    with a_database(postgres_url, migrated=False) as url:
        upgraded_to_just_before(url, "_periods_are_checked_by_statement.py")
        yield url


def until_waiting(url: str, table: str) -> None:
    with psycopg.connect(url, autocommit=True) as observer:
        wait_until(lambda: observer.execute(WAITS, [table]).fetchone() == (True,), f"a session waits for {table}")


def test_a_session_that_has_read_a_table_can_write_it_while_a_migration_waits(url: str) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as session:
        session.execute("SELECT FROM enrollment_period")
        migrating = pool.submit(migrations.migrate, url)
        until_waiting(url, "enrollment_period")
        session.execute("UPDATE enrollment_period SET member_id = member_id")
        session.commit()
        assert migrating.result()


def test_a_migration_that_is_ended_because_of_a_deadlock_is_repeated(url: str) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(url) as session:
        name = session.info.dbname
        session.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '5s'")
        session.commit()
        session.execute("SET deadlock_timeout = '1h'")  # so that PostgreSQL ends the migration
        session.execute("LOCK TABLE alembic_version IN SHARE MODE")
        migrating = pool.submit(migrations.migrate, url)
        until_waiting(url, "alembic_version")
        session.execute("SELECT FROM enrollment_period")
        session.commit()
        assert migrating.result()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (migrations.HEAD,)
