"""Maps events to CloudEvents 1.0 on Kafka: structured JSON, or binary with protobuf data, both with `ce_` headers.

Events that Kafka rejects become dead letters, and events that the relay has lost are reported as gaps. Both are always
structured JSON.
"""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf import json_format

from domain.enrollment.events import EnrollmentEvent, EventType, FeedPosition
from server.mapping.enrollment_event import event_to_proto

TOPICS = {
    EventType.POLICY_ACTIVATED: "enrollment.policy.activated",
    EventType.POLICY_CHANGED: "enrollment.policy.changed",
    EventType.POLICY_TERMINATED: "enrollment.policy.terminated",
}
"""The topics of the events that are relayed: those about policies."""

DEAD_LETTERS = "enrollment.dead-letters"
GAP = "enrollment.feed.gap"
"""The type of the CloudEvent that reports a gap, in the topics of events."""

DATA_SCHEMA = "affilia.enrollment.v1.EnrollmentEvent"
STRUCTURED = "application/cloudevents+json"

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True)
class KafkaMessage:
    """A message keyed by group, so that a group's events share a partition of each topic. A gap has no key."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class FeedGap:
    """A range of events that were not relayed: the positions before and after the gap, and the reason."""

    reason: str
    feed_id: UUID
    lost_after: int
    continues_after: FeedPosition


def event_to_kafka(event: EnrollmentEvent, source: str, payload: str) -> KafkaMessage:
    """Converts an event; `payload` is "json" or "protobuf".

    The id is the event's, for deduplication. The sequence is its position in the feed, which orders a group's events
    across topics.
    """
    message, attributes = event_to_proto(event), _attributes(event, source)
    key = str(event.head.group_id).encode()
    if payload == "protobuf":
        headers = _headers(attributes, "application/protobuf")
        return KafkaMessage(attributes["type"], key, message.SerializeToString(), headers)
    return _structured(attributes["type"], key, attributes, json_format.MessageToDict(message))


def dead_letter_to_kafka(event: EnrollmentEvent, source: str, refused: KafkaMessage, reason: str) -> KafkaMessage:
    """Returns an event without its data; headers report the reason, topic and size of the rejected message."""
    attributes = _attributes(event, source)
    message = _structured(DEAD_LETTERS, refused.key, attributes, None)
    message.headers.extend(
        [
            ("affilia_refused_reason", reason),
            ("affilia_refused_topic", refused.topic),
            ("affilia_refused_bytes", str(len(refused.value))),
        ]
    )
    return message


def gap_to_kafka(gap: FeedGap, topic: str, source: str) -> KafkaMessage:
    """Converts a gap. Repeated reports of the same gap have the same id."""
    after = gap.continues_after
    attributes = {
        "specversion": "1.0",
        "id": f"{gap.feed_id}/{gap.lost_after}-{after.feed_id}/{after.position}",
        "source": source,
        "type": GAP,
        "sequence": f"{after.position:020}",
    }
    data = {"reason": gap.reason, "lostAfter": str(gap.lost_after), "continuesAfter": str(after.position)}
    return _structured(topic, None, attributes, data)


def _attributes(event: EnrollmentEvent, source: str) -> Attributes:
    head = event.head
    return {
        "specversion": "1.0",
        "id": str(head.event_id),
        "source": source,
        "type": TOPICS[head.type],
        "subject": str(head.group_id),
        "time": head.recorded_at.isoformat(),
        "dataschema": DATA_SCHEMA,
        "sequence": f"{head.position:020}",
    }


def _structured(topic: str, key: bytes | None, attributes: Attributes, data: dict[str, Any] | None) -> KafkaMessage:
    envelope: dict[str, Any] = dict(attributes)
    if data is not None:
        envelope |= {"datacontenttype": "application/json", "data": data}
    return KafkaMessage(topic, key, json.dumps(envelope).encode(), _headers(attributes, STRUCTURED))


def _headers(attributes: Attributes, content_type: str) -> list[tuple[str, str | bytes | None]]:
    return [*((f"ce_{name}", value) for name, value in attributes.items()), ("content-type", content_type)]
