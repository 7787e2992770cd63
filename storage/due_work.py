"""Which background work is due, in one statement, so that an idle server hardly uses the database."""

from dataclasses import dataclass

from storage import premium_runs, premium_stale, recomputes
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_one


@dataclass(frozen=True, slots=True)
class DueWork:
    """Whether there are recomputes to run, premiums to compute, parts of premium runs, and members to index."""

    recomputes: bool
    premiums: bool
    run_parts: bool
    members: bool


async def due_work(connection: Connection) -> DueWork:
    """Returns which work is due now, including what other servers have enqueued or left."""
    return await fetch_one(
        connection,
        DueWork,
        f"SELECT EXISTS (SELECT {recomputes.DUE}) AS recomputes, EXISTS (SELECT {premium_stale.DUE}) AS premiums,"
        f" EXISTS (SELECT {premium_runs.LEFT}) AS run_parts, EXISTS (SELECT FROM member_to_index) AS members",
    )
