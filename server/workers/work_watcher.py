"""The worker that wakes the others for work that is due: of other servers, left by a failure, or after a pause."""

import asyncio
from collections.abc import Sequence

from operations.core import Core
from storage.due_work import due_work

POLL_SECONDS = 1.0


async def watch_work(core: Core, recompute_pauses: Sequence[float]) -> None:
    """Checks once a second, or more often if the pauses before recomputes are retried are shorter."""
    while True:
        async with core.database.reading() as connection:
            due = await due_work(connection)
        woken = {
            core.recompute_wanted: due.recomputes,
            core.premiums_stale: due.premiums,
            core.runs_wanted: due.run_parts,
            core.indexing_wanted: due.members,
        }
        for wanted, is_due in woken.items():
            if is_due:
                wanted.set()
        await asyncio.sleep(min(POLL_SECONDS, *recompute_pauses))
