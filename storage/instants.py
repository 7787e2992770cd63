"""Instants: what was recorded when, such that an answer as of the past never changes."""

import asyncio
from datetime import datetime

from storage.database import Connection

LATER_THAN = "greatest(clock_timestamp(), %s::timestamptz + interval '1 microsecond')"
"""SQL for the instant of recording: now, but always later than the state before, whatever the clock does."""

LOOK_AGAIN_SECONDS = 0.005


async def settled_until(connection: Connection, instant: datetime | None) -> None:
    """Waits until no transaction that began before an instant is still writing: only then the answer as of that
    instant is final. Immediate but for instants that have only just passed."""
    while instant is not None:
        cursor = await connection.execute(
            "SELECT %s >= clock_timestamp() OR EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_xid IS NOT NULL AND xact_start <= %s)",
            [instant, instant],
        )
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
