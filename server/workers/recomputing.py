"""The worker that does recomputes: of this process's own writes at once, of other servers' writes within a second."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from domain.errors import DomainError, NotNow
from server import metrics
from server.log import where
from server.operations.call import Call
from server.operations.core import Core
from server.operations.recomputes import count_failure, recompute_groups
from storage.recomputes import due_groups

POLL_SECONDS = 1.0
BATCH = 200
PORTION = 25
AT_ONCE = 4

log = structlog.get_logger()


async def recompute_for_ever(core: Core, call: Call, pauses: Sequence[float]) -> None:
    """Takes waiting groups, the longest waiting first, until cancelled. What is left waits in the database."""
    while True:
        core.recompute_wanted.clear()
        if await _recompute_due(core, call, pauses) < BATCH:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(core.recompute_wanted.wait(), min(POLL_SECONDS, *pauses))


async def _recompute_due(core: Core, call: Call, pauses: Sequence[float]) -> int:
    """Does one batch, in portions of which several run at once; says how many groups there were."""
    try:
        async with core.database.reading() as connection:
            due = await due_groups(connection, BATCH)
    except DomainError as away:
        log.warning("recompute_postponed", reason=away.reason)
        return 0
    metrics.RECOMPUTES_WAITING.set(len(due))
    portions = [due[i : i + PORTION] for i in range(0, len(due), PORTION)]
    places = asyncio.Semaphore(AT_ONCE)

    async def do(portion: list[int]) -> None:
        async with places:
            await _recompute(core, call, portion, pauses)

    await asyncio.gather(*(do(portion) for portion in portions))
    return len(due)


async def _recompute(core: Core, call: Call, portion: list[int], pauses: Sequence[float]) -> None:
    """Does some groups in one transaction; where that fails, each alone, so that one group stops no other."""
    try:
        await recompute_groups(core, call, portion)
    except NotNow:
        # Nothing is wrong with the groups: they stay as they are, and are taken up again when the database is back.
        await asyncio.sleep(POLL_SECONDS)
    except Exception as error:
        if len(portion) > 1:
            for group_key in portion:
                await _recompute(core, call, [group_key], pauses)
            return
        with contextlib.suppress(NotNow):
            pause = await count_failure(core, call, portion[0], pauses)
            told = {"group_key": portion[0], "error": type(error).__name__, "where": where(error)}
            log.warning("recompute_failed", retry_seconds=pause, given_up=pause is None, **told)
