"""Recomputes premiums when the enrollment of a followed contract changes, on one server at a time.

The worker reads the feed like any other reader, and stores its position after all policies before it were computed.
After a crash some policies are computed twice, which is harmless: computing again adds nothing to the ledger.
"""

from contextlib import aclosing
from functools import partial
from uuid import UUID

import structlog

from domain.days import UNBOUNDED_START
from domain.enrollment.events import EnrollmentEvent, EventFilter, EventType, FeedPosition, PolicyRevision, ResumePoint
from domain.errors import FeedDiverged, FeedTrimmed
from domain.premiums.months import Month, month_of_day
from operations.core import Core
from operations.feed import oldest_position, watch
from operations.feed_tail import EventBatch
from operations.premium_runs import follow
from server.system import own_call
from server.workers.leadership import run_as_leader
from storage.postgres.leases import Lease, fenced
from storage.premium_runs import followed_contracts, followed_policies
from storage.relay import move_relay, relay_position

NAME = "premiums"
POLICIES = EventFilter(
    types=frozenset({EventType.POLICY_ACTIVATED, EventType.POLICY_CHANGED, EventType.POLICY_TERMINATED})
)

log = structlog.get_logger()


async def follow_enrollment(core: Core, url: str) -> None:
    """Keeps the premiums of followed contracts up to date as the leader."""

    async def work(lease: Lease) -> None:
        await _follow(core, lease)

    await run_as_leader(url, NAME, work)


async def _follow(core: Core, lease: Lease) -> None:
    """Continues after the stored position. If the feed no longer has it, computes all followed policies first."""
    async with core.database.reading() as connection:
        stored = await relay_position(connection, NAME)
    position = stored or await oldest_position(core)
    try:
        await _follow_from(core, lease, position)
    except (FeedTrimmed, FeedDiverged):
        position = await oldest_position(core)
        async with core.database.reading() as connection:
            followed = await followed_policies(connection)
        for group_id in followed:
            await _compute(core, group_id, 0)
        await _move(core, lease, position)
        await _follow_from(core, lease, position)


async def _follow_from(core: Core, lease: Lease, position: FeedPosition) -> None:
    call = own_call("premium-following")
    async with aclosing(watch(core, call, ResumePoint(position), POLICIES, _position_text)) as deliveries:
        async for batch in deliveries:
            if isinstance(batch, EventBatch) and batch.after != position:
                async with core.database.reading() as connection:
                    followed = await followed_contracts(connection)
                wanted = [event for event in batch.events if event.head.key.contract_id in followed]
                for group_id, since in _changed(wanted).items():
                    await _compute(core, group_id, since)
                position = batch.after
                await _move(core, lease, position)


async def _move(core: Core, lease: Lease, position: FeedPosition) -> None:
    await core.database.write(fenced(lease, partial(move_relay, name=NAME, position=position)))


def _changed(events: list[EnrollmentEvent]) -> dict[UUID, Month]:
    """Returns the first month in which each policy changed. An event without differences counts as the first month."""
    since: dict[UUID, Month] = {}
    for event in events:
        if not isinstance(event.detail, PolicyRevision):
            since[event.head.group_id] = 0
            continue
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


def _position_text(point: ResumePoint) -> str:
    """Returns a position as operators read it in the log."""
    return f"position {point.after.position}"
