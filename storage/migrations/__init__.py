"""Bringing a database to the newest schema, once, whoever starts first.

Migrations are Alembic's; SQLAlchemy and Alembic are only loaded when there is something to migrate, because loading
them takes longer than everything else that a start does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from domain.errors import DatabaseUnavailable
from storage import privileges

HEAD = "0005"
"""The newest migration; a test compares it with the files."""

MIGRATIONS = Path(__file__).parent

OLDEST_SERVER = 150_000
"""15.0, as libpq counts: the first with all that we do with multiranges."""

MIGRATION_LOCK = 0x6166_6669
"""Any number that nobody else uses for an advisory lock."""


class DatabaseTooOld(Exception):
    """The server cannot do what the schema needs."""


class RoleTooStrong(Exception):
    """The application's role could alter what must never change."""


def migrate(url: str, role: str = "") -> bool:
    """Migrates a database to the newest schema; says whether there was anything to do. `url` is a libpq connection
    string of who owns the tables, or will.

    `role`, if any, is another role: it gets the privileges of the application. Servers that start at once wait for each
    other. Raises DatabaseUnavailable, DatabaseTooOld.
    """
    with connected(url) as connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise DatabaseTooOld(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old; 15 or later is needed"
            )
        if _current(connection) == HEAD and (not role or privileges.are_granted(connection, role)):
            return False
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        behind = _current(connection) != HEAD
        if behind:
            _upgrade(url)
        if role and not privileges.are_granted(connection, role):
            privileges.grant(connection, role)
        return behind


def make_application_role(url: str, role: str) -> None:
    """Makes a role for the application, where it is not there yet. Raises DatabaseUnavailable."""
    with connected(url) as connection:
        privileges.make_role(connection, role)


def refuse_owner(url: str) -> None:
    """Raises RoleTooStrong where the role of a connection string owns tables or is a superuser; DatabaseUnavailable."""
    with connected(url) as connection:
        if privileges.owns_tables(connection):
            raise RoleTooStrong(
                f"the role {connection.info.user} of AFFILIA_DATABASE_URL owns the tables and could alter the ledger;"
                " give AFFILIA_DATABASE_URL a role that owns nothing, and AFFILIA_MIGRATION_URL the owner's"
            )


def role_of(url: str) -> str:
    """Which role a connection string means. Raises DatabaseUnavailable."""
    with connected(url) as connection:
        return connection.info.user


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """A connection of its own. Raises DatabaseUnavailable."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as away:
        raise DatabaseUnavailable from away
    with connection:
        yield connection


def _current(connection: psycopg.Connection) -> str | None:
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return None
    version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return version[0] if version else None


def _upgrade(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, "head")
