"""The subscription for threads, and how both clients give one: it goes on by itself, and ends when it is closed."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import grpc
import pytest

from affilia_client import BlockingEnrollmentSubscription, CallFailed, Client, Invalid
from affilia_client.testing import Affilia
from tests.support.calls import Family, admin
from tests.support.feeds import BEGINNING, NOW, Event, Filter

WATCH = "watch_enrollments"


def change(family: Family, n: int) -> None:
    family.submit(family.enroll(family.plus if n % 2 else family.base, "2026-01-01"), requester=admin())


def take(subscription: BlockingEnrollmentSubscription, number: int) -> list[Event]:
    events: list[Event] = []
    for message in subscription:
        events += message.events
        if len(events) >= number:
            break
    return events


@contextmanager
def later(seconds: float, function: "object") -> Iterator[None]:
    timer = threading.Timer(seconds, function)  # type: ignore[arg-type]
    timer.start()
    yield
    timer.join()


def test_it_gives_what_happens_and_goes_on_after_a_lost_connection(
    family: Family, affilia: Affilia, client: Client
) -> None:
    wanted = Filter(contract_ids=[family.contract_id])
    with client.subscribe(BEGINNING, wanted, longest_pause_seconds=0.2) as subscription:
        change(family, 1)
        assert [event.policy_revision.revision for event in take(subscription, 1)] == [1]
        assert subscription.connected
        affilia.drop("list_contracts")
        client.catalog.list_contracts(page_size=1)
        change(family, 2)
        assert [event.policy_revision.revision for event in take(subscription, 1)] == [2]
        assert subscription.resume_token
    assert len(affilia.received(WATCH)) >= 2


def test_faults_before_it_stands_do_not_end_it(family: Family, affilia: Affilia, client: Client) -> None:
    affilia.fail(WATCH, grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.05, times=2)
    affilia.fail(WATCH, grpc.StatusCode.INTERNAL)
    with client.subscribe(NOW, longest_pause_seconds=0.1) as subscription:
        assert next(iter(subscription)).resume_token
        assert subscription.ready(1)
    assert len(affilia.received(WATCH)) == 4


def test_a_token_is_asked_for_at_each_attempt(affilia: Affilia) -> None:
    numbers = count(1)
    affilia.fail(WATCH, grpc.StatusCode.ABORTED)
    with (
        affilia.client(token=lambda: str(next(numbers))) as client,
        client.subscribe(NOW, longest_pause_seconds=0.1) as subscription,
    ):
        next(iter(subscription))
    assert [each.metadata["authorization"] for each in affilia.received(WATCH)] == ["Bearer 1", "Bearer 2"]


def test_any_thread_may_end_it(client: Client) -> None:
    with client.subscribe(NOW) as subscription, later(0.3, subscription.close):
        began = time.monotonic()
        assert len(list(subscription)) <= 2
    assert time.monotonic() - began < 3
    assert not subscription.connected


def test_it_gives_up_where_trying_again_cannot_help(client: Client) -> None:
    with pytest.raises(Invalid) as failed:
        next(iter(client.subscribe("damaged")))
    assert failed.value.reason == "TOKEN_INVALID"


def test_a_stream_that_says_nothing_is_taken_for_dead(affilia: Affilia, client: Client) -> None:
    affilia.delay(WATCH, 5)
    with client.subscribe(NOW, heartbeat_seconds=0.5, longest_pause_seconds=0.1) as subscription:
        began = time.monotonic()
        assert next(iter(subscription)).resume_token
        assert time.monotonic() - began < 3
    assert len(affilia.received(WATCH)) == 2


def test_time_that_a_message_takes_is_no_silence(affilia: Affilia, client: Client) -> None:
    with client.subscribe(BEGINNING, heartbeat_seconds=0.4) as subscription:
        messages = iter(subscription)
        next(messages)
        time.sleep(1)
        assert subscription.connected
    assert len(affilia.received(WATCH)) == 1


def test_the_client_for_tasks_gives_one_too(family: Family, affilia: Affilia) -> None:
    async def token() -> str:
        return "secret"

    async def story() -> int:
        wanted = Filter(contract_ids=[family.contract_id])
        async with (
            affilia.async_client(token=token) as client,
            client.subscribe(BEGINNING, wanted, longest_pause_seconds=0.2) as subscription,
        ):
            async for message in subscription:
                if message.events:
                    return message.events[0].policy_revision.revision
        raise CallFailed(grpc.StatusCode.UNKNOWN, "", "the stream ended")

    change(family, 1)
    assert asyncio.run(story()) == 1
    assert affilia.received(WATCH)[0].metadata["authorization"] == "Bearer secret"
