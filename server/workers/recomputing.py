"""The worker that does recomputes: of this process's own writes at once, of other servers' writes within a second."""

import asyncio
import contextlib

import structlog

from domain.errors import DomainError
from server.operations.call import Call
from server.operations.core import Core
from server.operations.recomputes import recompute_group
from storage.recomputes import waiting_groups

POLL_SECONDS = 1.0
BATCH = 100

log = structlog.get_logger()


async def recompute_for_ever(core: Core, call: Call) -> None:
    """Takes waiting groups, the longest waiting first, until cancelled."""
    while True:
        done_all = await _recompute_waiting(core, call)
        core.recompute_wanted.clear()
        if done_all:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(core.recompute_wanted.wait(), POLL_SECONDS)


async def _recompute_waiting(core: Core, call: Call) -> bool:
    """Does one batch; says whether nothing is left to be done at once."""
    try:
        async with core.database.reading() as connection:
            waiting = await waiting_groups(connection, BATCH)
    except DomainError as away:
        log.warning("recompute_postponed", reason=away.reason)
        return True
    failed = False
    for group_key in waiting:
        try:
            await recompute_group(core, call, group_key)
        except Exception as error:
            failed = True
            log.error("recompute_failed", group_key=group_key, error=type(error).__name__)
    return failed or len(waiting) < BATCH
