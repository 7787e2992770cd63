"""The subscription for threads resumes automatically and ends when it is closed. Both clients create one."""

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


def test_it_delivers_events_and_resumes_after_a_lost_connection(
    family: Family, affilia: Affilia, client: Client
) -> None:
    wanted = Filter(contract_ids=[family.contract_id])
    with client.subscribe(BEGINNING, wanted, max_pause_seconds=0.2) as subscription:
        change(family, 1)
        assert [event.policy_revision.revision for event in take(subscription, 1)] == [1]
        assert subscription.connected
        affilia.drop("list_contracts")
        client.catalog.list_contracts(page_size=1)
        change(family, 2)
        assert [event.policy_revision.revision for event in take(subscription, 1)] == [2]
        assert subscription.resume_token
    assert len(affilia.received(WATCH)) >= 2


def test_faults_while_connecting_do_not_end_it(family: Family, affilia: Affilia, client: Client) -> None:
    affilia.fail(WATCH, grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.05, times=2)
    affilia.fail(WATCH, grpc.StatusCode.INTERNAL)
    with client.subscribe(NOW, max_pause_seconds=0.1) as subscription:
        assert next(iter(subscription)).resume_token
        assert subscription.ready(60)
    assert len(affilia.received(WATCH)) == 4


def test_a_token_function_is_called_at_each_attempt(affilia: Affilia) -> None:
    numbers = count(1)
    affilia.fail(WATCH, grpc.StatusCode.ABORTED)
    with (
        affilia.client(token=lambda: str(next(numbers))) as client,
        client.subscribe(NOW, max_pause_seconds=0.1) as subscription,
    ):
        next(iter(subscription))
    assert [each.metadata["authorization"] for each in affilia.received(WATCH)] == ["Bearer 1", "Bearer 2"]


def test_any_thread_can_close_it(client: Client) -> None:
    with client.subscribe(NOW) as subscription, later(0.3, subscription.close):
        began = time.monotonic()
        assert len(list(subscription)) <= 2
    assert time.monotonic() - began < 60  # otherwise it would continue forever
    assert not subscription.connected


def test_it_raises_failures_that_retrying_cannot_fix(client: Client) -> None:
    with pytest.raises(Invalid) as failed:
        next(iter(client.subscribe("damaged")))
    assert failed.value.reason == "TOKEN_INVALID"


def test_a_silent_stream_is_replaced(affilia: Affilia, client: Client) -> None:
    affilia.delay(WATCH, 20)
    with client.subscribe(NOW, heartbeat_seconds=3, max_pause_seconds=0.1) as subscription:
        began = time.monotonic()
        assert next(iter(subscription)).resume_token
        assert time.monotonic() - began < 15  # of 20
    assert len(affilia.received(WATCH)) == 2


def test_processing_time_does_not_count_as_silence(affilia: Affilia, client: Client) -> None:
    with client.subscribe(BEGINNING, heartbeat_seconds=3) as subscription:
        messages = iter(subscription)
        next(messages)
        time.sleep(5)
        assert subscription.connected
    assert len(affilia.received(WATCH)) == 1


def test_the_async_client_subscribes_too(family: Family, affilia: Affilia) -> None:
    async def token() -> str:
        return "secret"

    async def story() -> int:
        wanted = Filter(contract_ids=[family.contract_id])
        async with (
            affilia.async_client(token=token) as client,
            client.subscribe(BEGINNING, wanted, max_pause_seconds=0.2) as subscription,
        ):
            async for message in subscription:
                if message.events:
                    return message.events[0].policy_revision.revision
        raise CallFailed(grpc.StatusCode.UNKNOWN, "", "the stream ended")

    change(family, 1)
    assert asyncio.run(story()) == 1
    assert affilia.received(WATCH)[0].metadata["authorization"] == "Bearer secret"
