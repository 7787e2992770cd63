"""A clock that a test can move, for the database functions that read the clock of PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

import psycopg

SHIFTED_CLOCK = """
CREATE SCHEMA shifted;
CREATE TABLE shifted.clock (ahead interval NOT NULL);
INSERT INTO shifted.clock VALUES ('0');
CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + ahead FROM shifted.clock $$;
CREATE FUNCTION shifted.transaction_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.transaction_timestamp() + ahead FROM shifted.clock $$;
GRANT USAGE ON SCHEMA shifted TO PUBLIC;
GRANT SELECT ON shifted.clock TO PUBLIC;
"""

READS_CLOCK = ("recorded_now(timestamptz)", "reach_instant(timestamptz)", "follow_clock()")


def make_shiftable(connection: "psycopg.Connection[Any]") -> None:
    """Makes the functions of a database use the clock of the test."""
    connection.execute(SHIFTED_CLOCK)
    for function in READS_CLOCK:
        connection.execute(f"ALTER FUNCTION {function} SET search_path = shifted, pg_catalog, public, pg_temp")


def set_ahead(connection: "psycopg.Connection[Any]", ahead: timedelta) -> None:
    """Sets how far the clock is ahead of that of PostgreSQL."""
    connection.execute("UPDATE shifted.clock SET ahead = %s", [ahead])


def present(connection: "psycopg.Connection[Any]") -> datetime:
    """Returns the time of the clock."""
    row = connection.execute("SELECT shifted.clock_timestamp()").fetchone()
    assert row
    instant: datetime = row[0]
    return instant
