"""A health check of the database: whether it accepts writes, and whether background work makes progress."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import psycopg

from storage import coverage
from storage.outbox import PENDING_SECONDS
from storage.postgres.database import Connection
from storage.postgres.database_errors import translated
from storage.postgres.leases import VACANT_SECONDS
from storage.postgres.rows import fetch_one


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """The result of a health check.

    `pending_seconds` is for how long the oldest event has been waiting for its position. `vacant_seconds` is for how
    long each lease has had no holder, by name; leases that were never taken are omitted.
    """

    takes_writes: bool
    pending_seconds: float
    projection_is_stuck: bool
    vacant_seconds: Mapping[str, float]


async def vital_signs(connection: Connection, leases: Collection[str]) -> VitalSigns:
    """Runs the health check. Raises DatabaseUnavailable, including if the database ends every transaction early."""
    with translated():
        takes_writes = await _takes_writes(connection)
        return await fetch_one(
            connection,
            VitalSigns,
            f"SELECT %s::boolean AS takes_writes, coalesce(({PENDING_SECONDS}), 0) AS pending_seconds,"
            f" coalesce(({coverage.IS_STUCK}), false) AS projection_is_stuck, ({VACANT_SECONDS}) AS vacant_seconds",
            [takes_writes, list(leases)],
        )


async def _takes_writes(connection: Connection) -> bool:
    """Returns whether a statement can lock a row, which PostgreSQL rejects in read-only transactions.

    Renewals of leases don't wait for this lock.
    """
    try:
        await connection.execute("SELECT FROM lease ORDER BY name LIMIT 1 FOR KEY SHARE SKIP LOCKED")
    except psycopg.errors.ReadOnlySqlTransaction:
        return False
    return True
