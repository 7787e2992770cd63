"""Sends batches of the feed to Kafka: confirmed, in order, and without stopping at events that Kafka always rejects.

The producer is idempotent and retries without limit, so its retries neither duplicate nor reorder messages. An event
that Kafka always rejects, because it exceeds a size limit, goes to a dead-letter topic without its data.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from domain.enrollment.events import EnrollmentEvent, FeedPosition
from operations.feed_tail import EventBatch
from server.mapping.cloud_event import (
    DEAD_LETTERS,
    TOPICS,
    FeedGap,
    KafkaMessage,
    dead_letter_to_kafka,
    event_to_kafka,
    gap_to_kafka,
)
from server.telemetry import metrics

CONFIRMED_SECONDS = 0.2
METADATA_SECONDS = 30.0

PERMANENT_ERRORS = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_MSG_SIZE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD"})
"""Names of the errors with which producers and brokers reject a message however often it is sent."""

log = structlog.get_logger()


class KafkaMissing(Exception):
    """The relay is configured, but the package for it is not installed."""


class KafkaFailed(Exception):
    """The producer can't continue. A new one starts after the last stored position. The text is Kafka's error name."""


class ProducerFactory:
    """Creates Kafka producers from the settings. Raises KafkaMissing."""

    def __init__(self, bootstrap: str, payload: str, properties: Mapping[str, str]) -> None:
        try:
            import confluent_kafka
        except ImportError as missing:
            raise KafkaMissing(
                "The relay to Kafka requires the extra kafka: pip install 'affilia-server[kafka]'"
            ) from missing
        self.kafka: Any = confluent_kafka
        self.payload = payload
        self._properties = {
            **properties,
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "message.timeout.ms": 0,  # retried without limit: later messages must not overtake it
            # A broker accepts any first sequence number from an unknown producer. If it rejected the first request of a
            # partition, a second request in flight would overtake it.
            "max.in.flight.requests.per.connection": 1,
            "linger.ms": 5,
        }

    def producer(self, *, gapless: bool) -> Any:
        """Returns a new producer. A gapless one fails as a whole when one message is rejected, so that no later
        message arrives before the rejected one was handled."""
        return self.kafka.Producer({**self._properties, "enable.gapless.guarantee": gapless}, logger=_ProducerLog())


class _ProducerLog:
    """Receives the producer's own log lines and logs them at debug level."""

    def log(self, _level: int, text: str, *arguments: object) -> None:
        log.debug("kafka", text=text % arguments if arguments else text)


class Sender:
    """Sends one batch after the other. Call `close` at the end."""

    def __init__(self, producers: ProducerFactory) -> None:
        self._producers = producers
        self._producer = producers.producer(gapless=True)

    def close(self) -> None:
        self._producer.purge()

    async def send(self, batch: EventBatch) -> None:
        """Sends a batch, and waits until Kafka has confirmed all of it. Raises KafkaFailed.

        If a broker rejects an event, all events of the batch are sent again, one by one, to find it. Those that were
        confirmed before arrive twice, in the same order.
        """
        source = _source(batch.after)
        try:
            failed: list[Any] = []
            for event in batch.events:
                self._produce_event(event, source, failed)
            await self._confirmed(failed)
        except KafkaFailed:
            self.close()
            self._producer = self._producers.producer(gapless=False)
            for event in batch.events:
                await self._send_alone(event, source)
            self.close()
            self._producer = self._producers.producer(gapless=True)

    async def send_gap(self, gap: FeedGap) -> None:
        """Writes a record of the gap to every partition of every existing topic: consumers can read any of them.

        Topics that don't exist yet have no consumers.
        """
        failed: list[Any] = []
        found = await asyncio.to_thread(self._topics)
        for topic in TOPICS.values():
            for partition in found[topic].partitions if topic in found else ():
                message = gap_to_kafka(gap, topic, _source(gap.continues_after))
                self._produce(message, failed, partition=partition)
        await self._confirmed(failed)

    def _topics(self) -> Mapping[str, Any]:
        """Returns all existing topics. Asking for one by name could create it."""
        try:
            topics: Mapping[str, Any] = self._producer.list_topics(timeout=METADATA_SECONDS).topics
        except self._producers.kafka.KafkaException as failure:
            raise KafkaFailed(failure.args[0].name()) from failure
        return topics

    async def _send_alone(self, event: EnrollmentEvent, source: str) -> None:
        failed: list[Any] = []
        self._produce_event(event, source, failed)
        try:
            await self._confirmed(failed)
        except KafkaFailed as refused:
            if str(refused) not in PERMANENT_ERRORS:
                raise
            failed.clear()
            self._produce_dead_letter(event, source, str(refused), failed)
            await self._confirmed(failed)

    def _produce_event(self, event: EnrollmentEvent, source: str, failed: list[Any]) -> None:
        """Produces an event, or its dead letter if the producer itself rejects it."""
        try:
            self._produce(event_to_kafka(event, source, self._producers.payload), failed)
        except self._producers.kafka.KafkaException as refused:
            name = refused.args[0].name()
            if name not in PERMANENT_ERRORS:
                raise KafkaFailed(name) from refused
            self._produce_dead_letter(event, source, name, failed)

    def _produce_dead_letter(self, event: EnrollmentEvent, source: str, reason: str, failed: list[Any]) -> None:
        refused = event_to_kafka(event, source, self._producers.payload)
        log.error(
            "relay_dead_letter",
            topic=DEAD_LETTERS,
            event_id=str(event.head.event_id),
            group_id=str(event.head.group_id),
            position=event.head.position,
            reason=reason,
            bytes=len(refused.value),
        )
        metrics.RELAY_DEAD_LETTERS.inc()
        try:
            self._produce(dead_letter_to_kafka(event, source, refused, reason), failed)
        except self._producers.kafka.KafkaException as failure:
            raise KafkaFailed(failure.args[0].name()) from failure

    def _produce(self, message: KafkaMessage, failed: list[Any], **more: Any) -> None:
        def confirmed(error: Any, _: Any) -> None:
            if error is not None:
                failed.append(error)

        self._producer.produce(
            message.topic, message.value, message.key, headers=message.headers, on_delivery=confirmed, **more
        )

    async def _confirmed(self, failed: list[Any]) -> None:
        try:
            while await asyncio.to_thread(self._producer.flush, CONFIRMED_SECONDS) and not failed:
                pass
        except self._producers.kafka.KafkaException as failure:  # a gapless producer fails as a whole
            raise KafkaFailed(failure.args[0].name()) from failure
        if failed:
            raise KafkaFailed(failed[0].name())


def _source(position: FeedPosition) -> str:
    return f"/affilia/{position.feed_id}"
