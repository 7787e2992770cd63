"""Premiums that follow enrollment: what the feed tells of followed contracts is computed again, by one server at once.

It reads the feed as any other reader does, and stores its place when what came before is computed. Computing twice adds
nothing; so it does no harm that what was computed just before a crash is computed once more.
"""

import asyncio
from contextlib import aclosing
from uuid import UUID

import structlog

from domain.days import UNBOUNDED_START
from domain.enrollment.events import EnrollmentEvent, EventFilter, EventType, FeedPlace, PolicyRevision, ResumePoint
from domain.errors import DomainError, FeedDiverged, FeedTrimmed
from domain.premiums.months import Month, month_of_day
from server.log import where
from server.operations.core import Core
from server.operations.feed import oldest_place, watch
from server.operations.feed_tail import EventBatch
from server.operations.premium_runs import follow
from server.system import own_call
from storage.database import Connection
from storage.premium_runs import followed_contracts, followed_policies
from storage.relay import leading, move_relay, relay_place

NAME = "premiums"
AGAIN_SECONDS = 1.0
POLICIES = EventFilter(
    types=frozenset({EventType.POLICY_ACTIVATED, EventType.POLICY_CHANGED, EventType.POLICY_TERMINATED})
)

log = structlog.get_logger()


async def follow_for_ever(core: Core, url: str) -> None:
    """Keeps the premiums of followed contracts up to date, until cancelled."""
    while True:
        try:
            async with leading(url, NAME) as connection:
                await _follow(core, connection)
        except DomainError as away:
            log.warning("premiums_do_not_follow", reason=away.reason)
        except Exception as error:
            log.error("premiums_do_not_follow", error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)


async def _follow(core: Core, connection: Connection) -> None:
    """From the stored place on; where the feed no longer has it, everything that is followed is computed first."""
    place = await relay_place(connection, NAME) or await oldest_place(core)
    try:
        await _follow_from(core, connection, place)
    except (FeedTrimmed, FeedDiverged):
        place = await oldest_place(core)
        for group_id in await followed_policies(connection):
            await _compute(core, group_id, 0)
        await move_relay(connection, NAME, place)
        await _follow_from(core, connection, place)


async def _follow_from(core: Core, connection: Connection, place: FeedPlace) -> None:
    call = own_call("premium-following")
    async with aclosing(watch(core, call, ResumePoint(place), POLICIES, _told)) as deliveries:
        async for batch in deliveries:
            if isinstance(batch, EventBatch) and batch.after != place:
                followed = await followed_contracts(connection)  # fails where the lead is lost
                wanted = [event for event in batch.events if event.head.key.contract_id in followed]
                for group_id, since in _changed(wanted).items():
                    await _compute(core, group_id, since)
                place = batch.after
                await move_relay(connection, NAME, place)


def _changed(events: list[EnrollmentEvent]) -> dict[UUID, Month]:
    """From which month on each policy has changed."""
    since: dict[UUID, Month] = {}
    for event in events:
        assert isinstance(event.detail, PolicyRevision)  # noqa: S101 (no other event is asked for)
        for difference in event.detail.differences:
            for days in (difference.gained, difference.lost):
                for span in days.spans[:1]:
                    month = 0 if span.start == UNBOUNDED_START else month_of_day(span.start)
                    since[event.head.group_id] = min(month, since.get(event.head.group_id, month))
    return since


async def _compute(core: Core, group_id: UUID, since: Month) -> None:
    failure = await follow(core, own_call("premium-following"), group_id, since)
    if failure:
        log.warning("premiums_not_followed", group_id=str(group_id), reason=failure.reason)


def _told(point: ResumePoint) -> str:
    """How an operator is told a place."""
    return f"position {point.place.position}"
