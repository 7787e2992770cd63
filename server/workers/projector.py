"""Workers that project coverage into the database and update locators, each on one server at a time."""

import time
from contextlib import aclosing

import structlog

from domain.errors import FeedDiverged, FeedTrimmed
from operations.core import Core
from operations.eligibility_state import EnrollmentSource
from operations.projection import locate_all, project, rebuild, update_locators
from server.system import own_call
from server.workers.leadership import run_as_leader
from storage import coverage, locator_progress
from storage.postgres.leases import Lease

COVERAGE, LOCATORS = "coverage", "locators"
POLL_SECONDS = 60.0
LOCATE_AGAIN_SECONDS = 24 * 3600.0

log = structlog.get_logger()


async def project_coverage(core: Core, url: str, source: EnrollmentSource) -> None:
    """Projects the feed as the leader. The next leader finishes what this one leaves."""

    async def work(lease: Lease) -> None:
        await _project(core, source, lease)

    await run_as_leader(url, COVERAGE, work)


async def _project(core: Core, source: EnrollmentSource, lease: Lease) -> None:
    """Continues after the checkpoint, or with a snapshot if there is none or the feed no longer has its position."""
    call = own_call("projection")
    async with core.database.reading() as connection:
        since = await coverage.checkpoint(connection)
    if since is None:
        await rebuild(core, call, lease)
        return
    try:
        async with aclosing(source.messages(since.resume_token)) as messages:
            async for message in messages:
                since = await project(core, call, lease, since, message)
    except (FeedDiverged, FeedTrimmed):
        log.warning("projection_rebuilt")
        await rebuild(core, call, lease, afresh=True)


async def maintain_locators(core: Core, url: str) -> None:
    """Locates the coverage records of upcoming terms, and of amended contracts, as the leader."""

    async def work(lease: Lease) -> None:
        while True:
            await _locate_for_a_day(core, lease)

    await run_as_leader(url, LOCATORS, work)


async def _locate_for_a_day(core: Core, lease: Lease) -> None:
    """Locates all records, unless this was done less than a day ago. Then locates those of contracts that are amended,
    until a day after that pass began.
    """
    call, offers = own_call("projection"), core.eligibility.offers
    await offers.refresh(core.database, core.contract_source)
    mark = offers.mark
    await offers.take_changed(0)
    async with core.database.reading() as connection:
        since = await locator_progress.seconds_since_pass(connection, mark)
    if since is None or since >= LOCATE_AGAIN_SECONDS:
        since = 0.0
        await locate_all(core, call, lease, mark)
    located_at = time.monotonic() - since
    while time.monotonic() - located_at < LOCATE_AGAIN_SECONDS:
        changed = await offers.take_changed(POLL_SECONDS)
        # No task switch between the two: the mark includes exactly the contracts that were taken.
        if changed or offers.mark != mark:
            mark = offers.mark
            await update_locators(core, call, lease, changed, mark)
