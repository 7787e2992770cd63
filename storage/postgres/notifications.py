"""Waits for notifications of PostgreSQL on a separate session, so that many concurrent calls can't delay them."""

from collections.abc import AsyncGenerator

from storage.postgres.bounded_connection import BoundedConnection
from storage.postgres.database_errors import translated
from storage.postgres.sessions import SessionKind, connect


async def notified(url: str, kind: SessionKind, channel: str, poll_seconds: float) -> AsyncGenerator[BoundedConnection]:
    """Yields its connection immediately, then at every notification on a channel, and at least every `poll_seconds`.

    Raises DatabaseUnavailable when the connection is lost. Then call it again.
    """
    with translated():
        connection = await connect(url, kind)
        async with connection:
            await connection.execute(f"LISTEN {channel}")
            yield connection
            while True:
                async for _ in connection.notifies(timeout=poll_seconds, stop_after=1):
                    pass
                yield connection
