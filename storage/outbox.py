"""Events on their way into the feed: written in the transaction of the change, then given their positions.

A sequence number is drawn when a row is written, not when it commits: a reader that asks for what is greater than the
last number it saw misses what commits late. So a business transaction leaves its event pending, and a sequencer moves
what is committed into the feed under dense positions. The sequencer holds the row lock of the feed's head, and looks
for pending events only then, in a statement of its own: nobody else can append meanwhile, and everything that was
committed before is seen. Any number of servers may run one; the lock makes it safe.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from domain.enrollment.events import EventType
from storage.database import Connection

CHANNEL = "affilia_feed"
"""What PostgreSQL notifies on when the feed has moved: by the sequencer only, since notifying serialises commits."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    recompute_key: int
    failed_attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened, whom it concerns, and where the rest of it stands: exactly one of the three."""

    type: EventType
    member_ids: Collection[UUID]
    revision_key: int | None = None
    change_request_key: int | None = None
    failed_attempt: FailedAttempt | None = None


async def add_event(tx: Connection, group_key: int, event: NewEvent, recorded_at: datetime) -> None:
    """Appends an event of a group that is locked, in the transaction of what it tells."""
    failed = event.failed_attempt
    await tx.execute(
        "WITH added AS (INSERT INTO event (event_id, group_key, kind, revision_key, change_request_key, recompute_key,"
        " failed_attempts, next_attempt_at, recorded_at, member_ids)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING event_key, recorded_at)"
        " INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM added",
        [
            uuid4(),
            group_key,
            event.type.value,
            event.revision_key,
            event.change_request_key,
            failed.recompute_key if failed else None,
            failed.failed_attempts if failed else None,
            failed.next_attempt_at if failed else None,
            recorded_at,
            sorted(event.member_ids),
        ],
    )


async def pending_seconds(connection: Connection) -> float | None:
    """For how many seconds the oldest pending event has been waiting; None: there is none."""
    cursor = await connection.execute(
        "SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM feed_pending"
        " ORDER BY event_key LIMIT 1"
    )
    row = await cursor.fetchone()
    return max(0.0, row[0]) if row else None


async def sequence(tx: Connection, limit: int) -> int:
    """Moves pending events into the feed, at most so many; says how many there were.

    Each group's stay in the order in which they were written: its row was locked from before an event's key was drawn
    until the event was committed.
    """
    await tx.execute("SELECT FROM feed_head FOR UPDATE")
    cursor = await tx.execute(
        "WITH taken AS (DELETE FROM feed_pending WHERE event_key IN"
        " (SELECT event_key FROM feed_pending ORDER BY event_key LIMIT %s) RETURNING event_key),"
        " appended AS (INSERT INTO feed_entry (position, event_key, appended_at)"
        " SELECT h.position + row_number() OVER (ORDER BY t.event_key), t.event_key, clock_timestamp()"
        " FROM taken t CROSS JOIN feed_head h RETURNING position)"
        " UPDATE feed_head h SET position = a.last FROM (SELECT max(position) AS last FROM appended) a"
        " WHERE a.last IS NOT NULL RETURNING (SELECT count(*) FROM appended), pg_notify(%s, '')",
        [limit, CHANNEL],
    )
    row = await cursor.fetchone()
    return row[0] if row else 0


async def trim(tx: Connection, keep_days: float, limit: int) -> int:
    """Ends the feed's memory of what is older than so many days, at most so many entries; says how many there were.

    The events themselves stay; only their places in the feed go. The last one that went is remembered, so that a token
    of exactly that place is still good.
    """
    await tx.execute("SELECT FROM feed_head FOR UPDATE")
    cursor = await tx.execute(
        "SELECT least(h.trimmed_position + %(limit)s, coalesce((SELECT f.position FROM feed_entry f"
        " WHERE f.appended_at >= clock_timestamp() - make_interval(secs => %(keep)s * 86400.0)"
        " ORDER BY f.position LIMIT 1) - 1, h.position)) AS last, h.trimmed_position FROM feed_head h",
        {"keep": keep_days, "limit": limit},
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (the migration made the head)
    last, trimmed = row
    if last > trimmed:
        await tx.execute(
            "UPDATE feed_head SET trimmed_position = %s, trimmed_event_id ="
            " (SELECT e.event_id FROM feed_entry f JOIN event e USING (event_key) WHERE f.position = %s)",
            [last, last],
        )
        await tx.execute("DELETE FROM feed_entry WHERE position <= %s", [last])
    return max(0, int(last - trimmed))
