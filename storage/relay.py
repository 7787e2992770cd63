"""The position in the feed up to which each relay has forwarded events."""

from domain.enrollment.events import FeedPosition
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_first


async def relay_position(connection: Connection, name: str) -> FeedPosition | None:
    """Returns the position up to which a relay has forwarded the feed, or None if it has never run."""
    statement = "SELECT feed_id, position, event_id FROM feed_relay WHERE name = %s"
    return await fetch_first(connection, FeedPosition, statement, [name])


async def move_relay(connection: Connection, name: str, position: FeedPosition) -> None:
    """Stores that a relay has forwarded everything up to a position."""
    await connection.execute(
        "INSERT INTO feed_relay (name, feed_id, position, event_id, moved_at) VALUES (%s, %s, %s, %s, now())"
        " ON CONFLICT (name) DO UPDATE SET feed_id = excluded.feed_id, position = excluded.position,"
        " event_id = excluded.event_id, moved_at = excluded.moved_at",
        [name, position.feed_id, position.position, position.event_id],
    )
