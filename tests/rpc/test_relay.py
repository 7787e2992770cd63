"""The relay of the feed to Kafka: on librdkafka's mock brokers always, on a real broker where there can be one."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from affilia.enrollment.v1 import enrollment_event_pb2
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.feeds import (
    BEGINNING,
    POLICY_ACTIVATED,
    POLICY_CHANGED,
    POLICY_TERMINATED,
    Event,
    next_events,
    watching,
)
from tests.support.kafka_broker import a_broker, kafka_possible

TOPICS = ["enrollment.policy.activated", "enrollment.policy.changed", "enrollment.policy.terminated"]


@contextmanager
def mock_brokers(_: Path) -> Iterator[str]:
    """Three brokers in this process."""
    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3})
    brokers = holder.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


@pytest.fixture(params=["mock", "real"])
def bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "real" and (why_not := kafka_possible()):
        pytest.skip(why_not)
    brokers = a_broker if request.param == "real" else mock_brokers
    with brokers(tmp_path_factory.mktemp("kafka")) as address:
        yield address


def consumed(bootstrap: str, events: list[Event], seconds: float = 60) -> list[Any]:
    """The messages of the three topics, until those of all events that are relayed are there."""
    missing = {event.event_id for event in events if event.HasField("policy_revision")}
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    )
    messages: list[Any] = []
    deadline = time.monotonic() + seconds
    assigned: set[tuple[str, int]] = set()
    while time.monotonic() < deadline:
        if missing and len({topic for topic, _ in assigned}) < len(TOPICS):
            found = _partitions(consumer) - assigned
            consumer.incremental_assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in found])
            assigned |= found
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            messages.append(message)
            missing.discard(_headers(message)["ce_id"])
            if not missing:
                consumer.close()
                return messages
    consumer.close()
    raise AssertionError(f"{len(messages)} messages came, {len(missing)} did not")


def _partitions(consumer: Consumer) -> set[tuple[str, int]]:
    """Of those of the topics that there are already."""
    topics = consumer.list_topics(timeout=10).topics
    return {(name, number) for name in TOPICS if name in topics for number in topics[name].partitions}


def _headers(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def change(family: Family, n: int) -> None:
    family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())


def fed(channel: grpc.Channel, count: int) -> list[Event]:
    with watching(channel, BEGINNING) as call:
        return next_events(call, count)


def test_events_come_as_cloud_events_keyed_by_group_and_in_order(
    own_database_url: str, tmp_path: Path, bootstrap: str
) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--kafka-bootstrap", bootstrap)
    with grpc.insecure_channel(server.address) as channel:
        family = Family(channel).set_up()
        for n in range(10):
            change(family, n)
        family.submit(family.enroll(family.base, "1999-01-01"))  # rejected: not relayed
        family.submit(family.leave("2026-01-01"), requester=admin())
        events = fed(channel, 12)
    messages = consumed(bootstrap, events)
    assert server.stop() == 0
    by_topic = {topic: [m for m in messages if m.topic() == topic] for topic in TOPICS}
    assert [len(by_topic[topic]) for topic in TOPICS] == [1, 9, 1]
    for topic, kind in zip(TOPICS, (POLICY_ACTIVATED, POLICY_CHANGED, POLICY_TERMINATED), strict=True):
        ids = [event.event_id for event in events if event.type == kind]
        assert [_headers(message)["ce_id"] for message in by_topic[topic]] == ids
    envelope = json.loads(by_topic[TOPICS[0]][0].value())
    headers = _headers(by_topic[TOPICS[0]][0])
    assert by_topic[TOPICS[0]][0].key().decode() == events[0].group_id == envelope["subject"]
    assert headers["content-type"] == "application/cloudevents+json"
    assert {f"ce_{name}": envelope[name] for name in ("id", "source", "type", "specversion", "time", "sequence")} == {
        name: value for name, value in headers.items() if name not in ("content-type", "ce_subject", "ce_dataschema")
    }
    assert envelope["data"]["policyRevision"]["revision"] == 1


def test_events_come_as_protobuf_where_asked_for(own_database_url: str, tmp_path: Path) -> None:
    with mock_brokers(tmp_path) as bootstrap:
        flags = ["--database-url", own_database_url, "--kafka-bootstrap", bootstrap, "--kafka-payload", "protobuf"]
        server = ServerProcess(tmp_path, *flags)
        with grpc.insecure_channel(server.address) as channel:
            change(Family(channel).set_up(), 1)
            (event,) = fed(channel, 1)
        (message,) = consumed(bootstrap, [event])
        server.stop()
    assert _headers(message)["content-type"] == "application/protobuf"
    assert enrollment_event_pb2.EnrollmentEvent.FromString(message.value()) == event


def test_a_restart_loses_nothing_and_rewinds_at_most_what_was_not_confirmed(
    own_database_url: str, tmp_path: Path, bootstrap: str
) -> None:
    flags = ["--database-url", own_database_url, "--kafka-bootstrap", bootstrap]
    ids: dict[str, str] = {}
    for _ in range(3):
        server = ServerProcess(tmp_path, *flags)
        with grpc.insecure_channel(server.address) as channel:
            family = Family(channel, **ids) if ids else Family(channel).set_up()
            for _ in range(15):
                change(family, family.group().revision if ids else 0)
                ids = family.ids()
        server.kill()
    server = ServerProcess(tmp_path, *flags)
    with grpc.insecure_channel(server.address) as channel:
        events = fed(channel, 45)
    messages = consumed(bootstrap, events)
    server.stop()
    changed = [_headers(message)["ce_id"] for message in messages if message.topic() == TOPICS[1]]
    assert list(dict.fromkeys(changed)) == [event.event_id for event in events if event.type == POLICY_CHANGED]
    _no_far_rewind(changed)


def _no_far_rewind(got: list[str]) -> None:
    """What comes again is what came last before a restart: never from far back."""
    seen: list[str] = []
    for event_id in got:
        if event_id in seen:
            assert len(seen) - seen.index(event_id) <= 15
        else:
            seen.append(event_id)
