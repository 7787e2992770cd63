"""Recomputes the stale premiums of followed contracts, on one server at a time.

What is stale is in the database (`storage/premium_stale.py`). After a crash, the policies of the last batch are still
stale.
"""

from operations.core import Core
from operations.premium_following import follow_due
from server.system import own_call
from server.workers.leadership import run_as_leader
from storage.postgres.leases import Lease

NAME = "premiums"


async def follow_premiums(core: Core, url: str) -> None:
    """Keeps the premiums of followed contracts up to date as the leader."""

    async def work(_: Lease) -> None:
        call = own_call("premium-following")
        while True:
            core.premiums_stale.clear()
            if not await follow_due(core, call):
                await core.premiums_stale.wait()

    await run_as_leader(url, NAME, work)
