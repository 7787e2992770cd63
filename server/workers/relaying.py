"""The relay of the feed to Kafka: at least once, each group's events in order, from where it stopped.

It reads the feed as any other reader does, and stores its place when Kafka has confirmed what came before. The producer
is idempotent and never gives a message up: what it tries again comes neither twice nor in another order. Only what
was confirmed and whose place was not stored is sent again, with the same ids.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import structlog

from domain.enrollment.events import EventFilter, FeedPlace, ResumePoint
from domain.errors import DomainError
from server.log import where
from server.mapping.cloud_event import TOPICS, event_to_kafka
from server.operations.core import Core
from server.operations.feed import oldest_place, watch
from server.operations.feed_tail import EventBatch
from server.system import own_call
from storage.database import Connection
from storage.relay import leading, move_relay, relay_place

NAME = "kafka"
AGAIN_SECONDS = 1.0
CONFIRMED_SECONDS = 0.2

log = structlog.get_logger()


class KafkaMissing(Exception):
    """The relay is asked for, and what it needs is not installed."""


class KafkaFailed(Exception):
    """The producer cannot go on; a new one begins after the last place that was stored."""


class Relay:
    """A producer of CloudEvents. Raises KafkaMissing."""

    def __init__(self, bootstrap: str, payload: str, properties: Mapping[str, str]) -> None:
        try:
            import confluent_kafka
        except ImportError as missing:
            raise KafkaMissing(
                "The relay to Kafka needs confluent-kafka: pip install confluent-kafka -c requirements-dev.lock"
            ) from missing
        self._kafka: Any = confluent_kafka
        self._payload = payload
        self._properties = {
            **properties,
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "message.timeout.ms": 0,  # never given up: what comes later must not overtake it
            "linger.ms": 5,
        }

    def producer(self) -> Any:
        """A new producer, with nothing under way."""
        return self._kafka.Producer(self._properties, logger=_Quiet())

    async def send(self, producer: Any, batch: EventBatch) -> None:
        """Sends a batch, and waits until Kafka has confirmed all of it. Raises KafkaFailed."""
        failed: list[Any] = []
        source = f"/affilia/{batch.after.feed_id}"

        def confirmed(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        for event in batch.events:
            message = event_to_kafka(event, source, self._payload)
            producer.produce(message.topic, message.value, message.key, headers=message.headers, on_delivery=confirmed)
        while await asyncio.to_thread(producer.flush, CONFIRMED_SECONDS) and not failed:
            pass
        if failed:
            raise KafkaFailed(failed[0].name())


class _Quiet:
    """The producer's own log lines as ours."""

    def log(self, _level: int, text: str, *arguments: object) -> None:
        log.debug("kafka", text=text % arguments if arguments else text)


async def relay_for_ever(core: Core, url: str, relay: Relay) -> None:
    """Hands on what happens to policies, on one server at a time, until cancelled."""
    while True:
        try:
            async with leading(url, NAME) as connection:
                log.info("relay_leading")
                await _hand_on(core, connection, relay)
        except DomainError as away:
            log.warning("relay_stopped", reason=away.reason)
        except Exception as error:
            log.error("relay_failed", error=type(error).__name__, where=where(error))
        await asyncio.sleep(AGAIN_SECONDS)


async def _hand_on(core: Core, connection: Connection, relay: Relay) -> None:
    """From the stored place on; the first time, from the oldest event that is kept."""
    place = await relay_place(connection, NAME) or await oldest_place(core)
    call = own_call("relay")
    wanted = EventFilter(types=frozenset(TOPICS))
    producer = relay.producer()
    try:
        async with aclosing(watch(core, call, ResumePoint(place), wanted, _told)) as deliveries:
            async for batch in deliveries:
                if isinstance(batch, EventBatch) and batch.after != place:
                    await relay_place(connection, NAME)  # fails where the connection, and with it the lead, is lost
                    await relay.send(producer, batch)
                    place = batch.after
                    await move_relay(connection, NAME, place)
    finally:
        producer.purge()


def _told(point: ResumePoint) -> str:
    """How an operator is told a place."""
    place: FeedPlace = point.place
    return f"position {place.position}"
