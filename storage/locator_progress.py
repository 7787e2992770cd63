"""Progress of storing locators: the mark of the contracts that they reflect, and when the last complete pass began."""

from storage.coverage import NAME
from storage.postgres.database import Connection
from storage.postgres.rows import find_value

LOCATORS = f"{NAME}.locators"
ALL_LOCATORS = f"{LOCATORS}.all"
"""The row of the last pass over all policies. A release that derives other locators must rename it."""
RUNNING, COMPLETE, INCOMPLETE = 0, 1, 2
"""States of the pass, stored as its position."""

_STORE = (
    "INSERT INTO projection_checkpoints AS c (name, generation, resume_token, position, moved_at)"
    " VALUES (%s, 0, '', %s, clock_timestamp()) ON CONFLICT (name) DO UPDATE SET"
)


async def located_mark(connection: Connection) -> int:
    """Returns the mark of the contracts (`StoredContracts.mark`) up to which records have locators."""
    statement = "SELECT position FROM projection_checkpoints WHERE name = %s"
    return await find_value(connection, int, statement, [LOCATORS]) or 0


async def move_located_mark(tx: Connection, mark: int) -> None:
    """Stores the mark, unless a later one is stored."""
    later = "position = greatest(c.position, excluded.position), moved_at = excluded.moved_at"
    await tx.execute(f"{_STORE} {later}", [LOCATORS, mark])


async def begin_pass(tx: Connection) -> None:
    """Records that a pass over all policies begins."""
    begun = "position = excluded.position, moved_at = excluded.moved_at"
    await tx.execute(f"{_STORE} {begun}", [ALL_LOCATORS, RUNNING])


async def end_pass(tx: Connection) -> None:
    """Records that the pass has stored all locators, unless some were missed since it began."""
    statement = "UPDATE projection_checkpoints SET position = %s WHERE name = %s AND position = %s"
    await tx.execute(statement, [COMPLETE, ALL_LOCATORS, RUNNING])


async def report_missed(tx: Connection) -> None:
    """Records that locators are missing because the contract of a policy couldn't be read."""
    await tx.execute(f"{_STORE} position = excluded.position", [ALL_LOCATORS, INCOMPLETE])


async def seconds_since_pass(connection: Connection, mark: int) -> float | None:
    """Returns how long ago the last pass began. Returns None if locators may be missing since, or if contracts have
    changed up to `mark` for which none were stored.
    """
    return await find_value(
        connection,
        float,
        "SELECT extract(epoch FROM clock_timestamp() - p.moved_at)::float FROM projection_checkpoints p"
        " JOIN projection_checkpoints m ON m.name = %s AND m.position = %s WHERE p.name = %s AND p.position = %s"
        " AND p.moved_at <= clock_timestamp()",
        [LOCATORS, mark, ALL_LOCATORS, COMPLETE],
    )
