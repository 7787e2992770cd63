"""What a server finds out about itself: does its database answer, does its projection go on, what does it measure."""

import asyncio
from collections.abc import Sequence

import structlog

from server import metrics
from server.listener import Listener
from server.metrics import read_when_scraped
from server.operations.core import Core
from server.operations.eligibility import can_check
from server.services import INTERNAL, PUBLIC
from storage.embedded import EmbeddedPostgres

PROBE_SECONDS = 1.0
ELIGIBILITY_SERVICES = tuple(s.name for s in (*PUBLIC, *INTERNAL) if s.name.startswith("affilia.eligibility."))

log = structlog.get_logger()


def measure(core: Core) -> None:
    """Has the gauges of this process ask for what it knows."""
    metrics.DATABASE_UP.set(1)
    metrics.PROJECTION_SERVING.set(1)
    read_when_scraped(metrics.FEED_POSITION, lambda: core.feed.position)
    read_when_scraped(metrics.PROJECTED_POSITION, lambda: core.eligibility.position)
    for state, number in core.database.connections().items():
        read_when_scraped(metrics.POOL.labels(state), number)
    read_when_scraped(metrics.POOL_WAITING, core.database.waiting)


async def probe_for_ever(core: Core, listeners: Sequence[Listener], embedded: EmbeddedPostgres | None) -> None:
    """Tells health the truth about the database and the projection, and starts the embedded database again if it died.

    Eligibility serves while checks can be answered from memory, or from a projection that goes on.
    """
    database, told = core.database, (True, True)
    while True:
        await asyncio.sleep(PROBE_SECONDS)
        answers = await database.answers()
        projected = answers and await can_check(core)
        metrics.DATABASE_UP.set(answers)
        metrics.PROJECTION_SERVING.set(projected)
        if (answers, projected) != told:
            if answers != told[0]:
                log.warning("database_back" if answers else "database_away")
            if projected != told[1]:
                log.warning("projection_serves" if projected else "projection_behind")
            told = (answers, projected)
            for listener in listeners:
                await listener.tell_health(serving=answers, but=() if projected else ELIGIBILITY_SERVICES)
        if not answers and embedded:
            await asyncio.to_thread(embedded.ensure_running)
