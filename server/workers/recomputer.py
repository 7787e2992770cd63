"""The worker that runs recomputes: this process's own immediately, others when `work_watcher.py` finds them."""

import asyncio
from collections.abc import Sequence

import structlog

from domain.errors import NotNow
from operations.call import Call
from operations.core import Core
from operations.failures import described
from operations.recomputes import count_failure, recompute_groups
from server.telemetry import metrics
from storage.recomputes import due_groups

BATCH_SIZE = 400
PORTION_SIZE = 100
MAX_CONCURRENT_PORTIONS = 2

log = structlog.get_logger()


async def recompute(core: Core, call: Call, pauses: Sequence[float]) -> None:
    """Recomputes waiting groups, the longest waiting first. The rest waits in the database. Raises NotNow."""
    while True:
        core.recompute_wanted.clear()
        if await _recompute_due(core, call, pauses) < BATCH_SIZE:
            await core.recompute_wanted.wait()


async def _recompute_due(core: Core, call: Call, pauses: Sequence[float]) -> int:
    """Recomputes one batch, in portions of which several run concurrently. Returns the number of groups."""
    async with core.database.reading() as connection:
        due = await due_groups(connection, BATCH_SIZE)
    metrics.RECOMPUTES_WAITING.set(len(due))
    portions = [due[i : i + PORTION_SIZE] for i in range(0, len(due), PORTION_SIZE)]
    slots = asyncio.Semaphore(MAX_CONCURRENT_PORTIONS)

    async def run(portion: list[int]) -> None:
        async with slots:
            await _recompute(core, call, portion, pauses)

    results = await asyncio.gather(*(run(portion) for portion in portions), return_exceptions=True)
    for error in results:
        if error is not None:
            raise error  # after all portions have ended, so that none runs beside the next batch
    return len(due)


async def _recompute(core: Core, call: Call, portion: list[int], pauses: Sequence[float]) -> None:
    """Recomputes a portion in one transaction, and each long-running group in its own.

    If that fails, each group is recomputed alone, so that one damaged group doesn't block the others. Raises NotNow:
    then the groups are unchanged, and still due.
    """
    try:
        for group_key in await recompute_groups(core, call, portion):
            await _recompute(core, call, [group_key], pauses)
    except NotNow:
        raise
    except Exception as error:
        if len(portion) > 1:
            for group_key in portion:
                await _recompute(core, call, [group_key], pauses)
            return
        pause = await count_failure(core, portion[0], pauses)
        failure = {"group_key": portion[0], **described(error)}
        log.warning("recompute_failed", retry_seconds=pause, given_up=pause is None, **failure)
