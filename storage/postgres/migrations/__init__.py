"""Migrates a database to the newest schema. If several servers start at the same time, only one of them does.

The migrations use Alembic. SQLAlchemy and Alembic are only imported if there is something to migrate, because importing
them takes longer than the rest of a start.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from storage.postgres import privileges
from storage.postgres.locks import try_migration_lock
from storage.postgres.sessions import MIGRATION, connect_blocking

HEAD = "0026"
"""The newest migration. A test compares it with the files."""

SERVES_SINCE = "0023"
"""The oldest schema version whose servers can serve this schema. Set it to HEAD with every migration that does more
than expand the schema; then older servers refuse to start on the migrated database."""

MIGRATIONS = Path(__file__).parent

OLDEST_SERVER = 150_000
"""15.0 in the format of libpq: the first version with all operations on multiranges that we use."""

OTHERS_MIGRATE_SECONDS = 600.0
TRY_SECONDS = 0.5
ATTEMPTS = 5
"""A migration locks tables in its own order, so it can deadlock with working servers. Nothing is lost then."""


class DatabaseTooOld(Exception):
    """The version of PostgreSQL is too old for the schema."""


class SchemaTooNew(Exception):
    """A newer release has migrated the database to a schema that this release cannot serve."""


class MigrationBlocked(Exception):
    """Other sessions prevent the migration."""


class RoleTooWeak(Exception):
    """The schema must be migrated, but the role doesn't own the tables."""


class RoleTooStrong(Exception):
    """The application's role could change what must never change."""


def migrate(url: str, role: str = "") -> bool:
    """Migrates a database to the newest schema. Returns whether there was anything to migrate.

    `url` is a libpq connection string of the owner of the tables. `role`, if any, is another role, which gets the
    privileges of the application. Waits for other servers that migrate. A newer schema is left as it is. Raises
    DatabaseRefused, DatabaseTooOld, SchemaTooNew, MigrationBlocked, RoleTooWeak.
    """
    with connected(url) as connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise DatabaseTooOld(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old. Version 15 or later is required."
            )
        if _is_ready(connection, role):
            return False
        _lock(connection)
        if _is_ready(connection, role):
            return False
        behind = _current(connection) != HEAD
        if behind:
            _upgrade(url)
        if role and not privileges.are_granted(connection, role):
            privileges.grant(connection, role)
        return behind


def _is_ready(connection: psycopg.Connection, role: str) -> bool:
    """Returns whether there is nothing to migrate or to grant. Raises SchemaTooNew."""
    current = _current(connection)
    if current is not None and int(current) > int(HEAD):
        _refuse_incompatible(connection, current)
        return True
    return current == HEAD and (not role or privileges.are_granted(connection, role))


def _refuse_incompatible(connection: psycopg.Connection, current: str) -> None:
    row = connection.execute("SELECT serves_since FROM schema_compatibility").fetchone()
    if row is None or int(row[0]) > int(HEAD):
        raise SchemaTooNew(
            f"The database has schema {current} of a newer release, and this release supports schemas up to {HEAD}."
            " Start the newer release, or restore a backup from before the upgrade."
        )


def make_application_role(url: str, role: str) -> None:
    """Creates a role for the application, if it does not exist. Raises DatabaseRefused."""
    with connected(url) as connection:
        privileges.make_role(connection, role)


def refuse_owner(url: str) -> None:
    """Raises RoleTooStrong if the role of a connection string owns tables or is a superuser; DatabaseRefused."""
    with connected(url) as connection:
        if privileges.owns_tables(connection):
            raise RoleTooStrong(
                f"The role {connection.info.user} of AFFILIA_DATABASE_URL owns tables, so it could alter the ledger."
                " Use a role that owns nothing in AFFILIA_DATABASE_URL, and the owner in AFFILIA_MIGRATION_URL."
            )


def role_of(url: str) -> str:
    """Returns the role of a connection string. Raises DatabaseRefused."""
    with connected(url) as connection:
        return connection.info.user


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Yields a session for a migration. Raises DatabaseRefused, DatabaseUrlMalformed."""
    with connect_blocking(url, MIGRATION) as connection:
        yield connection


def _lock(connection: psycopg.Connection) -> None:
    """Waits until no other server migrates. Raises MigrationBlocked."""
    until = time.monotonic() + OTHERS_MIGRATE_SECONDS
    while not try_migration_lock(connection):
        if time.monotonic() > until:
            raise MigrationBlocked(
                f"Another server has been migrating the database for {OTHERS_MIGRATE_SECONDS:.0f} s."
                " Check whether it hangs."
            )
        time.sleep(TRY_SECONDS)


def _current(connection: psycopg.Connection) -> str | None:
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return None
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return version[0] if version else None


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import OperationalError, ProgrammingError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes.update(url=url, serves_since=SERVES_SINCE)
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, OperationalError) and _was_deadlock(error.orig)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(0, TRY_SECONDS),
        reraise=True,
    )
    try:
        retrying(command.upgrade, config, "head")
    except OperationalError as failed:
        if _was_deadlock(failed.orig):
            raise MigrationBlocked(
                f"A migration was ended {ATTEMPTS} times because of deadlocks with other sessions. Start the server"
                " again when there is less load."
            ) from None
        if isinstance(failed.orig, psycopg.errors.LockNotAvailable):
            raise MigrationBlocked(
                "A migration waits for a table that other sessions keep locked. End their long transactions, then start"
                " the server again."
            ) from None
        raise
    except ProgrammingError as failed:
        if isinstance(failed.orig, psycopg.errors.InsufficientPrivilege):
            raise RoleTooWeak(_why_too_weak(url, failed.orig)) from None
        raise


def _was_deadlock(error: BaseException | None) -> bool:
    return isinstance(error, psycopg.errors.DeadlockDetected)


def _why_too_weak(url: str, denied: psycopg.Error) -> str:
    with connected(url) as connection:
        is_new = _current(connection) is None
    if is_new:
        return (
            f"This role can't create the tables: {denied.diag.message_primary}. Run `affilia migrate` with a role in"
            " AFFILIA_MIGRATION_URL that has the privilege CREATE on the schema, then start again."
        )
    return (
        f"The schema must be migrated to {HEAD}, but this role doesn't own the tables. Run `affilia migrate` with the"
        " owner in AFFILIA_MIGRATION_URL, then start again."
    )
