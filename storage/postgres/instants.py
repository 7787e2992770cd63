"""Instants of recording, chosen so that reads as of a past instant never change, even if the database's clock is set
back.

The row of `clock_guard` holds the latest instant as of which anybody may have read. Everything is recorded later than
that (`recorded_now` in migration 0008), and a read as of a later instant raises it first. Writers only read the row. So
if the clock is set back, new states are recorded just after what has been read, not before it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from storage.postgres.database import Connection, Database
from storage.postgres.rows import fetch_column, fetch_value

NOW = "recorded_now()"
"""SQL for the instant of recording."""

LATER_THAN = "recorded_now(%s)"
"""SQL for the instant of recording, which is later than the previous state's."""

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1


Newest = Callable[[Connection], Awaitable[datetime | None]]
"""Returns when the newest state of what is to be read was recorded, or None if there is none."""


async def settled_until(database: Database, instant: datetime | None, newest: Newest | None = None) -> None:
    """Waits until no running transaction can record anything at an instant or before, so that a read as of it is final.

    It only has to wait for instants that have just passed or are in the future. With `newest`, it doesn't wait for an
    instant before the newest state either, since each state is recorded later than the one before. So the past of one
    group, member or contract can be read even if the clock was set back to before it.

    Take a connection for the read afterwards: no connection is held while waiting for other transactions.
    """
    waiting_for: set[int] | None = None
    pause = FIRST_PAUSE_SECONDS
    while instant is not None:
        async with database.reading() as connection:
            if newest and (recorded_at := await newest(connection)) and instant <= recorded_at:
                return
            waiting_for = await _writers_before(connection, instant, waiting_for)
        if waiting_for is not None and not waiting_for:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _writers_before(connection: Connection, instant: datetime, among: set[int] | None) -> set[int] | None:
    """Returns the ids of transactions that can still record something at an instant or before; None if the instant is
    in the future. `among` is the result of the previous call.

    The first call raises the guard in a transaction of its own. Transactions that get an id later read the raised
    guard, so later calls only consider those of `among`. A transaction that began after the instant records later than
    it.
    """
    if among is None:
        is_reached = await fetch_value(connection, bool, "SELECT reached >= %s FROM clock_guard", [instant])
        if not is_reached and not await fetch_value(connection, bool, "SELECT reach_instant(%s)", [instant]):
            return None
    rows = await fetch_column(
        connection,
        int,
        "SELECT backend_xid::text::bigint FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND coalesce(xact_start <= %s, true)",
        [instant],
    )
    writing = set(rows)
    return writing if among is None else writing & among


async def follow_clock(connection: Connection) -> datetime:
    """Lets the guard follow the database's clock, at a limited pace. Returns the clock's time."""
    return await fetch_value(connection, datetime, "SELECT follow_clock()")
