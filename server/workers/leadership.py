"""Runs work on one server of a deployment at a time: the one that holds the lease."""

from collections.abc import Awaitable, Callable

import structlog

from storage.postgres.leases import Lease, LeaseLost, leading

log = structlog.get_logger()


async def run_as_leader(url: str, name: str, work: Callable[[Lease], Awaitable[None]]) -> None:
    """Waits for the lease `name`, then runs `work` until it ends or the lease is lost.

    Raises DatabaseUnavailable, and what `work` raises.
    """
    try:
        async with leading(url, name) as lease:
            await work(lease)
    except LeaseLost:
        log.warning("lease_lost", lease=name)
