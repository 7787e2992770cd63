"""The worker that fills the member search index after an upgrade, and indexes members written by older servers.

The queue is in the database, so nothing is lost if a server fails, and several servers can process it concurrently.
"""

import asyncio

import structlog

from operations.core import Core
from operations.member_search import count_ranges_to_index, index_some_members
from server.telemetry import metrics

COUNT_EVERY = 20
"""Batches between two updates of the metric."""
MAX_COUNTED = 10_000

log = structlog.get_logger()


async def index_members(core: Core) -> None:
    """Indexes members while there are any in the queue."""
    while True:
        core.indexing_wanted.clear()
        left = await count_ranges_to_index(core, MAX_COUNTED)
        metrics.MEMBER_RANGES_TO_INDEX.set(left)
        if left:
            await _work_off(core, left)
        await core.indexing_wanted.wait()


async def _work_off(core: Core, left: int) -> None:
    """Indexes members until other servers are working on everything left in the queue, or it is empty."""
    began, members, batches = asyncio.get_running_loop().time(), 0, 0
    is_backfill = left > 1  # a single range was just written by an older server
    if is_backfill:
        log.info("member_indexing_began", ranges=left)
    while (indexed := await index_some_members(core)) is not None:
        members, batches = members + indexed, batches + 1
        if batches % COUNT_EVERY == 0:
            metrics.MEMBER_RANGES_TO_INDEX.set(await count_ranges_to_index(core, MAX_COUNTED))
    metrics.MEMBER_RANGES_TO_INDEX.set(left := await count_ranges_to_index(core, MAX_COUNTED))
    if is_backfill:
        seconds = round(asyncio.get_running_loop().time() - began, 1)
        log.info("member_indexing_ended", members=members, seconds=seconds, ranges_left=left)
