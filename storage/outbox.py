"""The outbox: events are stored in the transaction of the change, and get their positions in the feed afterwards.

A sequence number is assigned when a row is inserted, not when it is committed. A reader that queries numbers greater
than the last one it has seen therefore misses rows that are committed late. So a transaction only stores its event as
pending. The sequencer later appends committed events to the feed under positions without gaps.

The sequencer locks the row of the feed's head and then, in a separate statement, looks for pending events. While it
holds the lock, nobody else can append, and it sees everything that was committed before. So any number of servers can
run a sequencer. Sequencing and trimming are functions of the database (migration 0008), and the application's role
can't change the feed in any other way.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid4

from domain.enrollment.events import EventType
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_one, fetch_value, find_value

CHANNEL = "affilia_feed"
"""The channel on which PostgreSQL announces new entries. Only the sequencer notifies, because a NOTIFY serializes
commits."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    recompute_key: int
    failed_attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to store: the members it concerns and exactly one of the three references to its details."""

    type: EventType
    member_ids: Collection[UUID]
    revision_key: int | None = None
    change_request_key: int | None = None
    failed_attempt: FailedAttempt | None = None


async def add_event(tx: Connection, group_key: int, event: NewEvent, recorded_at: datetime) -> None:
    """Stores an event in the transaction of the change. Its group must be locked."""
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


PENDING_SECONDS: LiteralString = (
    "SELECT greatest(0, extract(epoch FROM clock_timestamp() - recorded_at))::float8 FROM feed_pending"
    " ORDER BY event_key LIMIT 1"
)


async def pending_seconds(connection: Connection) -> float | None:
    """Returns for how many seconds the oldest pending event has been waiting, or None if there is none."""
    return await find_value(connection, float, PENDING_SECONDS)


async def sequence(connection: Connection, limit: int) -> int:
    """Appends up to `limit` pending events to the feed. Returns how many it has appended.

    The events of each group stay in order, because the group is locked from before an event gets its key until it is
    committed.
    """
    return await fetch_value(connection, int, "SELECT sequence_feed(%s)", [limit])


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The number of entries that were removed, and how far trimming lags behind because its pace is limited."""

    entries: int
    held_back: timedelta


async def trim(connection: Connection, keep_days: float, limit: int) -> Trimmed:
    """Removes up to `limit` entries that are older than `keep_days` from the feed.

    The events stay; only their positions are removed. The last removed position is stored, so that a resume token of
    exactly that position stays valid. If the clock jumps ahead, at most ten minutes' worth of entries are removed per
    minute, which gives an operator time to correct the clock.
    """
    statement = "SELECT removed AS entries, held_back FROM trim_feed(%s, %s)"
    return await fetch_one(connection, Trimmed, statement, [timedelta(keep_days), limit])
