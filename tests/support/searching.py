"""Searches all tables of a database for words."""

import psycopg
from psycopg import sql

TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
)


def tables_with(url: str, *words: str) -> dict[str, set[str]]:
    """Returns each word that is found in a table, as text in any case or as bytes, with the names of the tables."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            query = sql.SQL("SELECT FROM {} t WHERE t::text ILIKE ANY(%s) LIMIT 1").format(
                sql.Identifier(schema, table)
            )
            for word in words:
                if connection.execute(query, [[f"%{word}%", f"%{word.encode().hex()}%"]]).fetchone() is not None:
                    found.setdefault(word, set()).add(table)
    return found
