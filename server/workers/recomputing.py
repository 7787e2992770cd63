"""The worker that does recomputes: of this process's own writes at once, of other servers' writes within a second."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from domain.errors import DatabaseUnavailable, DomainError
from server.log import where
from server.operations.call import Call
from server.operations.core import Core
from server.operations.recomputes import count_failure, recompute_group
from storage.recomputes import due_groups

POLL_SECONDS = 1.0
BATCH = 100
AT_ONCE = 8

log = structlog.get_logger()


async def recompute_for_ever(core: Core, call: Call, pauses: Sequence[float]) -> None:
    """Takes waiting groups, the longest waiting first, until cancelled. What is left waits in the database."""
    while True:
        core.recompute_wanted.clear()
        if await _recompute_due(core, call, pauses) < BATCH:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(core.recompute_wanted.wait(), min(POLL_SECONDS, *pauses))


async def _recompute_due(core: Core, call: Call, pauses: Sequence[float]) -> int:
    """Does one batch, several groups at once; says how many there were."""
    try:
        async with core.database.reading() as connection:
            due = await due_groups(connection, BATCH)
    except DomainError as away:
        log.warning("recompute_postponed", reason=away.reason)
        return 0
    places = asyncio.Semaphore(AT_ONCE)

    async def do(group_key: int) -> None:
        async with places:
            await _recompute(core, call, group_key, pauses)

    await asyncio.gather(*(do(group_key) for group_key in due))
    return len(due)


async def _recompute(core: Core, call: Call, group_key: int, pauses: Sequence[float]) -> None:
    """Does one group; a failure is counted and retried later, and must not stop the others."""
    try:
        await recompute_group(core, call, group_key)
    except DatabaseUnavailable:
        # Nothing is wrong with the group: it stays as it is, and is taken up again when the database is back.
        await asyncio.sleep(POLL_SECONDS)
    except Exception as error:
        with contextlib.suppress(DatabaseUnavailable):
            pause = await count_failure(core, call, group_key, pauses)
            told = {"group_key": group_key, "error": type(error).__name__, "where": where(error)}
            log.warning("recompute_failed", retry_seconds=pause, given_up=pause is None, **told)
