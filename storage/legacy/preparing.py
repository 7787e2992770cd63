"""What a server needs in legacy tables: privileges of its role, and triggers that keep others from writing.

If the role that migrates the schema also owns the legacy tables, as in the embedded database, it adds both when a
server starts. Otherwise the owner of the tables does.
"""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from storage.legacy.source import LegacySource
from storage.postgres.database import Connection
from storage.postgres.locks import MIGRATION_LOCK
from storage.postgres.migrations import MigrationBlocked
from storage.postgres.rows import fetch_column

GUARD = "only_the_core_writes"
"""The name of the triggers."""

_NAMED = (
    "unnest(%(tables)s::text[]) WITH ORDINALITY AS n(name, position) JOIN pg_namespace s"
    " ON s.nspname = split_part(n.name, '.', 1) JOIN pg_class c"
    " ON c.relnamespace = s.oid AND c.relname = split_part(n.name, '.', 2)"
)
_HAS_GUARD = f"EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = '{GUARD}')"


async def missing_privileges(connection: Connection, source: LegacySource) -> list[str]:
    """Returns the privileges that the connection's role lacks, such as `SELECT ON legacy_es.es_user`, in order."""
    needed = [(table, privilege) for table, privileges in source.privileges.items() for privilege in privileges]
    granted = await fetch_column(
        connection,
        str,
        f"SELECT p.privilege || ' ON ' || n.name FROM {_NAMED}"
        " CROSS JOIN unnest('{SELECT,INSERT,UPDATE}'::text[]) AS p(privilege)"
        " WHERE has_schema_privilege(s.oid, 'USAGE') AND has_table_privilege(c.oid, p.privilege)",
        {"tables": list(source.privileges)},
    )
    wanted = [f"{privilege} ON {table}" for table, privilege in needed]
    return [each for each in wanted if each not in granted]


async def unguarded_tables(connection: Connection, source: LegacySource) -> list[str]:
    """Returns the tables that others could write in every stage, because they lack the trigger, in order."""
    statement = f"SELECT n.name FROM {_NAMED} WHERE {_HAS_GUARD}"
    guarded = await fetch_column(connection, str, statement, {"tables": list(source.guarded_tables)})
    return [table for table in source.guarded_tables if table not in guarded]


def prepare_tables(connection: psycopg.Connection, sources: Iterable[LegacySource], role: str) -> None:
    """Adds missing triggers, and grants the privileges to a role, on all tables that the connection's role owns.

    Raises MigrationBlocked.
    """
    for source in sources:
        if _owns(connection, source):
            _guard(connection, source)
            if role:
                _grant(connection, source, role)


def _owns(connection: psycopg.Connection, source: LegacySource) -> bool:
    """Returns whether all tables exist and belong to the connection's role, or to one of its roles."""
    owned = f"SELECT count(*) FROM {_NAMED} WHERE pg_has_role(c.relowner, 'USAGE')"
    return connection.execute(owned.encode(), {"tables": list(source.privileges)}).fetchone() == (
        len(source.privileges),
    )


def _guard(connection: psycopg.Connection, source: LegacySource) -> None:
    missing = f"SELECT n.name FROM {_NAMED} WHERE NOT {_HAS_GUARD}"
    parameters = {"tables": list(source.guarded_tables)}
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])  # of other servers that start
            if connection.execute(missing.encode(), parameters).fetchone():
                connection.execute(source.guard.read_text().encode())
    except psycopg.errors.LockNotAvailable:
        raise MigrationBlocked(
            f"Adding triggers to {', '.join(source.guarded_tables)} waits for other sessions that write these tables."
            " End their long transactions, then start the server again."
        ) from None


def _grant(connection: psycopg.Connection, source: LegacySource, role: str) -> None:
    to = sql.Identifier(role)
    for table, privileges in source.privileges.items():
        schema, name = table.split(".")
        listed = sql.SQL(", ").join(map(sql.SQL, privileges))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(sql.Identifier(schema), to))
        connection.execute(sql.SQL("GRANT {} ON {} TO {}").format(listed, sql.Identifier(schema, name), to))
