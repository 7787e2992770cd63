"""Bringing a database to the newest schema, once, whoever starts first.

Migrations are Alembic's; SQLAlchemy and Alembic are only loaded when there is something to migrate, because loading
them takes longer than everything else that a start does.
"""

from pathlib import Path

import psycopg

from domain.errors import DatabaseUnavailable

HEAD = "0004"
"""The newest migration; a test compares it with the files."""

MIGRATIONS = Path(__file__).parent

OLDEST_SERVER = 150_000
"""15.0, as libpq counts: the first with all that we do with multiranges."""

MIGRATION_LOCK = 0x6166_6669
"""Any number that nobody else uses for an advisory lock."""


class DatabaseTooOld(Exception):
    """The server cannot do what the schema needs."""


def migrate(url: str) -> bool:
    """Migrates a database to the newest schema; says whether there was anything to do.

    Raises DatabaseUnavailable, DatabaseTooOld.

    Servers that start at once wait for each other. `url` is a libpq connection string.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as away:
        raise DatabaseUnavailable from away
    with connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise DatabaseTooOld(
                f"PostgreSQL {connection.info.server_version // 10_000} is too old; 15 or later is needed"
            )
        if _current(connection) == HEAD:
            return False
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        if _current(connection) == HEAD:
            return False
        _upgrade(url)
        return True


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
