"""Where a relay of the feed stands, and that only one of a name runs, however many servers there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import psycopg

from domain.enrollment.events import FeedPlace
from domain.errors import DatabaseUnavailable
from storage.database import Connection
from storage.requests import lock_key

AGAIN_SECONDS = 0.5


@asynccontextmanager
async def leading(url: str, name: str) -> AsyncIterator[Connection]:
    """Waits until no other server runs the relay, and keeps it so while the connection lasts that is yielded.

    Raises DatabaseUnavailable, also when the connection is lost: the relay is another server's then.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name="affilia-relay", keepalives_idle=10
        )
        async with connection:
            # Asked again and again: a statement that waits for the lock would keep vacuum from everything newer.
            while not await _leads(connection, name):  # noqa: ASYNC110 (nobody rings when another server lets go)
                await asyncio.sleep(AGAIN_SECONDS)
            yield connection
    except psycopg.OperationalError as away:
        raise DatabaseUnavailable from away


async def _leads(connection: Connection, name: str) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [lock_key("relay", name.encode())])
    row = await cursor.fetchone()
    return bool(row and row[0])


async def relay_place(connection: Connection, name: str) -> FeedPlace | None:
    """Up to where the relay has handed the feed on; None: it has never run."""
    cursor = await connection.execute("SELECT feed_id, position, event_id FROM feed_relay WHERE name = %s", [name])
    row: tuple[UUID, int, UUID | None] | None = await cursor.fetchone()
    return FeedPlace(*row) if row else None


async def move_relay(connection: Connection, name: str, place: FeedPlace) -> None:
    """Says that the relay has handed on everything up to a place."""
    await connection.execute(
        "INSERT INTO feed_relay (name, feed_id, position, event_id, moved_at) VALUES (%s, %s, %s, %s, now())"
        " ON CONFLICT (name) DO UPDATE SET feed_id = excluded.feed_id, position = excluded.position,"
        " event_id = excluded.event_id, moved_at = excluded.moved_at",
        [name, place.feed_id, place.position, place.event_id],
    )
