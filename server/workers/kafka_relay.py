"""Relays the feed to Kafka at least once, with each group's events in order.

The relay reads the feed like any other reader, and stores its position after Kafka has confirmed all events before it.
Events that were confirmed before a crash, but whose position was not stored, are sent again with the same ids.
"""

from contextlib import aclosing
from functools import partial

import structlog

from domain.enrollment.events import EventFilter, FeedPosition, ResumePoint
from domain.errors import FeedDiverged, FeedTrimmed
from operations.core import Core
from operations.feed import erasure_number_of, oldest_position, reject_erased, watch
from operations.feed_tail import EventBatch
from server.mapping.cloud_event import TOPICS, FeedGap
from server.system import own_call
from server.telemetry import metrics
from server.workers.kafka_sender import ProducerFactory, Sender
from server.workers.leadership import run_as_leader
from storage.postgres.leases import Lease, fenced, verify
from storage.relay import move_relay, relay_position

NAME = "kafka"

log = structlog.get_logger()


async def relay_feed(core: Core, url: str, producers: ProducerFactory) -> None:
    """Relays the events of policies as the leader."""

    async def work(lease: Lease) -> None:
        log.info("relay_leading")
        await _relay(core, lease, producers)

    await run_as_leader(url, NAME, work)


async def _relay(core: Core, lease: Lease, producers: ProducerFactory) -> None:
    """Continues after the stored position; the first time, begins with the oldest event in the feed.

    If the feed no longer has the stored position, the relay announces the gap and continues after it.
    """
    async with core.database.reading() as connection:
        stored = await relay_position(connection, NAME)
    position = stored or await oldest_position(core)
    sender = Sender(producers)
    try:
        while gap := await _relay_from(core, lease, sender, position):
            position = await _skip_gap(core, lease, sender, gap)
    finally:
        sender.close()


async def _relay_from(core: Core, lease: Lease, sender: Sender, position: FeedPosition) -> FeedGap | None:
    """Relays all events after a position. Returns the gap if the feed no longer has the position."""
    start, begun = position, False
    try:
        watched = watch(
            core, own_call("relay"), ResumePoint(position), EventFilter(types=frozenset(TOPICS)), _position_text
        )
        async with aclosing(watched) as deliveries:
            async for batch in deliveries:
                begun = True
                if isinstance(batch, EventBatch) and batch.after != position:
                    # Before sending, because Kafka can't check fences.
                    await core.database.write(lambda tx: verify(tx, lease))
                    await reject_erased(core, erasure_number_of(batch))
                    await sender.send(batch)
                    position = batch.after
                    await _move(core, lease, position)
                    metrics.RELAY_POSITION.set(position.position)
    except (FeedTrimmed, FeedDiverged) as lost:
        if begun:  # the stream was open: the next one finds out whether its position still exists
            raise
        oldest = await oldest_position(core)
        return FeedGap(lost.reason.value, start.feed_id, start.position, oldest)
    return None


async def _skip_gap(core: Core, lease: Lease, sender: Sender, gap: FeedGap) -> FeedPosition:
    """Reports a gap to operators and consumers, then stores the position after it."""
    log.error("relay_gap", reason=gap.reason, lost_after=gap.lost_after, continues_after=gap.continues_after.position)
    metrics.RELAY_GAPS.inc()
    await sender.send_gap(gap)
    await _move(core, lease, gap.continues_after)
    return gap.continues_after


async def _move(core: Core, lease: Lease, position: FeedPosition) -> None:
    await core.database.write(fenced(lease, partial(move_relay, name=NAME, position=position)))


def _position_text(point: ResumePoint) -> str:
    """Returns a position as operators read it in the log."""
    return f"position {point.after.position}"
