"""Events as CloudEvents 1.0 on Kafka: structured JSON, or binary with protobuf data; `ce_` headers either way."""

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from domain.enrollment.events import EnrollmentEvent, EventType
from server.mapping.enrollment_event import event_to_proto

TOPICS = {
    EventType.POLICY_ACTIVATED: "enrollment.policy.activated",
    EventType.POLICY_CHANGED: "enrollment.policy.changed",
    EventType.POLICY_TERMINATED: "enrollment.policy.terminated",
}
"""Only what happens to policies is relayed."""

DATA_SCHEMA = "affilia.enrollment.v1.EnrollmentEvent"


@dataclass(frozen=True, slots=True)
class KafkaMessage:
    """Keyed by group, so that a group's events share a partition of each topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


def event_to_kafka(event: EnrollmentEvent, source: str, payload: str) -> KafkaMessage:
    """`payload` is "json" or "protobuf". The id is the event's, for deduplication; the sequence its place in the feed,
    which orders a group's events across topics."""
    head, message = event.head, event_to_proto(event)
    attributes = {
        "specversion": "1.0",
        "id": str(head.event_id),
        "source": source,
        "type": TOPICS[head.type],
        "subject": str(head.group_id),
        "time": head.recorded_at.isoformat(),
        "dataschema": DATA_SCHEMA,
        "sequence": f"{head.position:020}",
    }
    headers: list[tuple[str, str | bytes | None]] = [(f"ce_{name}", value) for name, value in attributes.items()]
    if payload == "protobuf":
        value, content_type = message.SerializeToString(), "application/protobuf"
    else:
        data = json_format.MessageToDict(message)
        envelope: dict[str, Any] = {**attributes, "datacontenttype": "application/json", "data": data}
        value, content_type = json.dumps(envelope).encode(), "application/cloudevents+json"
    return KafkaMessage(
        TOPICS[head.type], str(head.group_id).encode(), value, [*headers, ("content-type", content_type)]
    )
