"""The relay of the feed to Kafka: with librdkafka's mock brokers, and with a real broker if one can run here."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from affilia.enrollment.v1 import change_request_pb2, enrollment_event_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, admin
from tests.support.channels import connected_to
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
from tests.support.waiting import wait_until

TOPICS = ["enrollment.policy.activated", "enrollment.policy.changed", "enrollment.policy.terminated"]

DEAD_LETTERS = "enrollment.dead-letters"
ALL_TOPICS = [*TOPICS, DEAD_LETTERS]


@contextmanager
def mock_brokers(_: Path) -> Iterator[str]:
    """Yields the addresses of three brokers in this process."""
    holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3})
    brokers = holder.list_topics(timeout=60).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


@pytest.fixture(params=["mock", "real"])
def bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "real" and (why_not := kafka_possible()):
        pytest.skip(why_not)
    brokers = a_broker if request.param == "real" else mock_brokers
    with brokers(tmp_path_factory.mktemp("kafka")) as address:
        yield address


def consumed(bootstrap: str, events: list[Event]) -> list[Any]:
    """Returns the messages of all topics, once those of all events that are relayed are there."""
    missing = {event.event_id for event in events if event.HasField("policy_revision")}
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    )
    messages: list[Any] = []
    assigned: set[tuple[str, int]] = set()

    def are_all_there() -> bool:
        if len({topic for topic, _ in assigned}) < len(ALL_TOPICS):
            found = _partitions(consumer) - assigned
            consumer.incremental_assign([TopicPartition(*partition, OFFSET_BEGINNING) for partition in found])
            assigned.update(found)
        while missing and (message := consumer.poll(0.1)) is not None:
            if message.error() is None:
                messages.append(message)
                missing.discard(_headers(message)["ce_id"])
        return not missing

    try:
        wait_until(are_all_there, "all events are relayed")
    finally:
        consumer.close()
    return messages


def _partitions(consumer: Consumer) -> set[tuple[str, int]]:
    """Returns the partitions of the topics that exist."""
    topics = consumer.list_topics(timeout=60).topics
    return {(name, number) for name in ALL_TOPICS if name in topics for number in topics[name].partitions}


def _headers(message: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers()}


def change(family: Family, n: int) -> None:
    family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())


def fed(channel: grpc.Channel, count: int) -> list[Event]:
    with watching(channel, BEGINNING) as call:
        return next_events(call, count)


def test_events_are_cloud_events_keyed_by_group_and_in_order(
    own_database_url: str, tmp_path: Path, bootstrap: str
) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--kafka-bootstrap", bootstrap)
    with connected_to(server.address) as channel:
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


def test_events_are_protobuf_if_configured(own_database_url: str, tmp_path: Path) -> None:
    with mock_brokers(tmp_path) as bootstrap:
        flags = ["--database-url", own_database_url, "--kafka-bootstrap", bootstrap, "--kafka-payload", "protobuf"]
        server = ServerProcess(tmp_path, *flags)
        with connected_to(server.address) as channel:
            change(Family(channel).set_up(), 1)
            (event,) = fed(channel, 1)
        (message,) = consumed(bootstrap, [event])
        server.stop()
    assert _headers(message)["content-type"] == "application/protobuf"
    assert enrollment_event_pb2.EnrollmentEvent.FromString(message.value()) == event


def test_a_restart_loses_nothing_and_repeats_only_unconfirmed_events(
    own_database_url: str, tmp_path: Path, bootstrap: str
) -> None:
    flags = ["--database-url", own_database_url, "--kafka-bootstrap", bootstrap]
    ids: dict[str, str] = {}
    for life in range(3):
        server = ServerProcess(tmp_path, *flags)
        wait_for_lease(server, life + 1)
        with connected_to(server.address) as channel:
            family = Family(channel, **ids) if ids else Family(channel).set_up()
            for _ in range(15):
                change(family, family.group().revision if ids else 0)
                ids = family.ids()
        server.kill()
    server = ServerProcess(tmp_path, *flags)
    with connected_to(server.address) as channel:
        events = fed(channel, 45)
    messages = consumed(bootstrap, events)
    server.stop()
    changed = [_headers(message)["ce_id"] for message in messages if message.topic() == TOPICS[1]]
    assert list(dict.fromkeys(changed)) == [event.event_id for event in events if event.type == POLICY_CHANGED]
    _no_far_rewind(changed)


def wait_for_lease(server: ServerProcess, times: int) -> None:
    """Waits until the relay leads for the nth time in this log: the lease of a killed server has to expire first."""
    wait_until(lambda: server.log.read_text().count("relay_leading") >= times, "the relay holds its lease")


def _no_far_rewind(got: list[str]) -> None:
    """Asserts that only the last events before a restart are repeated."""
    seen: list[str] = []
    for event_id in got:
        if event_id in seen:
            assert len(seen) - seen.index(event_id) <= 15
        else:
            seen.append(event_id)


def grow(family: Family, year: int) -> None:
    """Splits the primary's days on the base module into many periods, which every later event contains."""
    leaves = [
        change_request_pb2.ScopedChange(
            leave=change_request_pb2.Leave(
                member_id=family.primary, days=span(f"{year}-{month:02}-01", f"{year}-{month:02}-10")
            )
        )
        for month in range(1, 13)
    ]
    family.submit(*leaves, requester=admin())


def shrink(family: Family) -> None:
    family.submit(family.leave("2026-01-01"), requester=admin())


LIMIT = 3000
"""Maximum size of a message in bytes: between an event with few periods and one with many."""


def limit_topic(bootstrap: str, topic: str) -> None:
    """Creates a topic in which the broker rejects messages above the limit."""
    client = AdminClient({"bootstrap.servers": bootstrap})
    config = {"max.message.bytes": str(LIMIT)}
    client.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1, config=config)])[topic].result(60)


@pytest.mark.parametrize("limited", ["producer", "broker"])
def test_an_event_above_the_size_limit_becomes_a_dead_letter_and_the_others_stay_in_order(
    own_database_url: str, tmp_path: Path, limited: str
) -> None:
    if limited == "broker" and (why_not := kafka_possible()):
        pytest.skip(why_not)
    flags = ["--database-url", own_database_url]
    server = ServerProcess(tmp_path, *flags)
    with connected_to(server.address) as channel:
        family, other = Family(channel).set_up(), Family(channel).set_up()
        change(family, 0)
        change(other, 0)
        grow(family, 2027)
        change(other, 1)
        grow(family, 2028)
        shrink(family)
        change(family, 1)
        change(other, 2)
        events = fed(channel, 8)
    server.stop()
    with mock_brokers(tmp_path) if limited == "producer" else a_broker(tmp_path) as bootstrap:
        if limited == "producer":
            flags += ["--kafka-properties", json.dumps({"message.max.bytes": str(LIMIT)})]
        else:
            limit_topic(bootstrap, TOPICS[1])
        server = ServerProcess(tmp_path, *flags, "--kafka-bootstrap", bootstrap)
        messages = consumed(bootstrap, events)
        assert server.stop() == 0
    dead = [message for message in messages if message.topic() == DEAD_LETTERS]
    large = [event for event in events if event.event_id in {_headers(message)["ce_id"] for message in dead}]
    assert [_headers(message)["ce_id"] for message in dead] == [event.event_id for event in large]
    assert len(large) >= 2
    assert {event.group_id for event in large} == {events[0].group_id}
    for message in dead:
        headers, envelope = _headers(message), json.loads(message.value())
        assert headers["affilia_refused_reason"] == "MSG_SIZE_TOO_LARGE"
        assert headers["affilia_refused_topic"] == headers["ce_type"] == envelope["type"]
        assert int(headers["affilia_refused_bytes"]) > LIMIT
        assert (envelope["subject"], "data" in envelope) == (events[0].group_id, False)
        assert message.key().decode() == events[0].group_id
    assert max(len(message.value()) for message in messages if message.topic() == TOPICS[1]) < LIMIT
    refused = {event.event_id for event in large}
    for group in {event.group_id for event in events}:
        for topic, kind in zip(TOPICS, (POLICY_ACTIVATED, POLICY_CHANGED, POLICY_TERMINATED), strict=True):
            got = [_headers(m)["ce_id"] for m in messages if m.topic() == topic and m.key().decode() == group]
            sent = [e.event_id for e in events if e.group_id == group and e.type == kind]
            assert list(dict.fromkeys(got)) == [event_id for event_id in sent if event_id not in refused]
    assert server.log.read_text().count("relay_dead_letter") >= len(large)


def test_a_relay_whose_position_was_trimmed_reports_the_gap_and_continues(
    own_database_url: str, tmp_path: Path
) -> None:
    flags = ["--database-url", own_database_url]
    with mock_brokers(tmp_path) as bootstrap:
        server = ServerProcess(tmp_path, *flags, "--kafka-bootstrap", bootstrap)
        with connected_to(server.address) as channel:
            family = Family(channel).set_up()
            change(family, 0)
            consumed(bootstrap, fed(channel, 1))
            ids = family.ids()
        server.stop()
        server = ServerProcess(tmp_path, *flags)
        with connected_to(server.address) as channel:
            for n in range(1, 5):
                change(Family(channel, **ids), n)
            events = fed(channel, 5)
        server.stop()
        with psycopg.connect(own_database_url, autocommit=True) as connection:
            relayed = connection.execute("SELECT position FROM feed_relay WHERE name = 'kafka'").fetchone()
            assert relayed == (1,)
            connection.execute("UPDATE feed_head SET trimmed_position = 3, trimmed_event_id = %s", [events[2].event_id])
            connection.execute("DELETE FROM feed_entry WHERE position <= 3")
        server = ServerProcess(tmp_path, *flags, "--kafka-bootstrap", bootstrap)
        messages = consumed(bootstrap, events[3:])
        assert server.stop() == 0
    gaps = [message for message in messages if _headers(message)["ce_type"] == "enrollment.feed.gap"]
    partitions = {(message.topic(), message.partition()) for message in gaps if message.topic() == TOPICS[0]}
    assert len(partitions) == len(gaps) > 1  # each partition of the only topic that there was, once
    assert json.loads(gaps[0].value())["data"] == {"reason": "FEED_TRIMMED", "lostAfter": "1", "continuesAfter": "3"}
    got = [_headers(m)["ce_id"] for m in messages if _headers(m)["ce_type"] != "enrollment.feed.gap"]
    assert got == [events[0].event_id, *(event.event_id for event in events[3:])]
    assert server.log.read_text().count("relay_gap") == 1
