"""Bringing a database to the newest schema, once, whoever starts first.

Migrations are Alembic's; SQLAlchemy and Alembic are only loaded when there is something to migrate, because loading
them takes longer than everything else that a start does.
"""

from pathlib import Path

import psycopg

HEAD = "0001"
"""The newest migration; a test compares it with the files."""

MIGRATIONS = Path(__file__).parent

MIGRATION_LOCK = 0x6166_6669
"""Any number that nobody else uses for an advisory lock."""


def migrate(url: str) -> bool:
    """Migrates a database to the newest schema; says whether there was anything to do.

    Servers that start at once wait for each other. `url` is a libpq connection string.
    """
    with psycopg.connect(url, autocommit=True) as connection:
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
