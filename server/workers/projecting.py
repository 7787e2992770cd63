"""The worker that projects coverage into the database, on one server at a time; and keeps records found by locator."""

import asyncio
import time
from contextlib import aclosing

import structlog

from domain.errors import DomainError, FeedDiverged, FeedTrimmed
from server.log import where
from server.operations.core import Core
from server.operations.eligibility_state import EnrollmentSource
from server.operations.projection import locate_again, project, rebuild
from server.system import own_call
from storage import coverage
from storage.relay import leading

NAME = "coverage"
AGAIN_SECONDS = 0.5
LOOK_SECONDS = 60.0
LOCATE_EVERY_SECONDS = 24 * 3600.0

log = structlog.get_logger()


async def project_for_ever(core: Core, url: str, source: EnrollmentSource) -> None:
    """Until cancelled. What is begun and not done is done by the next one."""
    while True:
        try:
            async with leading(url, NAME):
                await _project(core, source)
        except DomainError as away:
            log.warning("projection_stopped", reason=away.reason)
        except Exception as error:
            log.error("projection_failed", error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)


async def _project(core: Core, source: EnrollmentSource) -> None:
    """From the checkpoint on; from a snapshot where there is none, or where the feed has no such place any more."""
    call = own_call("projection")
    async with core.database.reading() as connection:
        since = await coverage.checkpoint(connection)
    if since is None:
        await rebuild(core, call)
        return
    try:
        async with aclosing(source.messages(since.resume_token)) as messages:
            async for message in messages:
                since = await project(core, call, since, message)
    except (FeedDiverged, FeedTrimmed):
        log.warning("projection_rebuilt")
        await rebuild(core, call, afresh=True)


async def locate_for_ever(core: Core, url: str) -> None:
    """Locates records of terms as they come near, and of contracts that were amended, on one server at a time."""
    call = own_call("projection")
    while True:
        try:
            async with leading(url, "locators"):
                await core.eligibility.offers.refresh(core.database, core.contract_source)
                offers = core.eligibility.offers
                mark = offers.mark
                await offers.take_changed(0)
                await locate_again(core, call, None, mark)
                located_at = time.monotonic()
                while time.monotonic() - located_at < LOCATE_EVERY_SECONDS:
                    changed = await offers.take_changed(LOOK_SECONDS)
                    # Nobody else runs between the two: what the mark stands for was taken.
                    if changed or offers.mark != mark:
                        mark = offers.mark
                        await locate_again(core, call, changed, mark)
        except DomainError as away:
            log.warning("locators_postponed", reason=away.reason)
        except Exception as error:
            log.error("locators_failed", error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)
