"""The worker that clears this process's caches after any server has erased a member."""

from contextlib import aclosing
from uuid import UUID, uuid4

from operations.core import Core
from operations.erasure_lease import steady_seconds
from storage import erasures
from storage.postgres.database import Connection
from storage.postgres.database_errors import translated

POLL_SECONDS = 1.0
"""A fifth of the lease, so that several polls can fail before the caches can't be used."""


class ErasureWatcher:
    """Registers this server under one id, so that an erasure can wait until the server has cleared its caches."""

    def __init__(self, core: Core, url: str) -> None:
        self._core = core
        self._url = url
        self._server_id = uuid4()

    async def run(self) -> None:
        """Checks for erasures when notified, and at least every second. Raises DatabaseUnavailable."""
        async with aclosing(erasures.changes(self._url, POLL_SECONDS)) as changes:
            async for connection in changes:
                with translated():
                    await check(self._core, connection, self._server_id)


async def check(core: Core, connection: Connection, server_id: UUID) -> None:
    """Clears caches if members were erased since the last check, records that in the database, and renews the lease.

    The order matters. The server is registered before it checks: an erasure that the check misses is committed later,
    and then finds the server registered. The server records that its caches are cleared only after clearing them.
    """
    lease, checked_at = core.lease, steady_seconds()
    await erasures.record_cleared_caches(connection, server_id, lease.number)
    if head := await erasures.read_head(connection, lease.number):
        lease.forget(head.number, head.without_periods)
        core.feed.forget()
        core.members.clear()
        core.groups.forget()
        core.eligibility.findings.clear()
        await erasures.record_cleared_caches(connection, server_id, lease.number)
    lease.renew(checked_at)
