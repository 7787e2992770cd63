"""What is tried again, and what not: faults happen on the wire, before the real server."""

import asyncio
import time
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_NOW
from affilia_client import CallFailed, Client, Conflict, Overloaded, TooLate, Unavailable
from affilia_client.testing import Affilia
from tests.support.calls import Family

UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
SUBMIT = "submit_change_request"


def submit(family: Family, client: Client, **how: Any) -> int:
    """Without a request id; the group's revision."""
    request = family.request(family.enroll(family.base, "2026-01-01"), request_id="")
    return client.changes.submit_change_request(request, **how).group.revision


def test_what_is_unavailable_is_tried_again_with_one_request_id(
    family: Family, affilia: Affilia, client: Client
) -> None:
    affilia.fail(SUBMIT, UNAVAILABLE, times=2)
    assert submit(family, client) == 1
    ids = [each.request.request_id for each in affilia.received(SUBMIT)]  # type: ignore[attr-defined]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


def test_a_connection_that_is_lost_does_not_lose_the_call(family: Family, affilia: Affilia, client: Client) -> None:
    client.catalog.list_contracts(page_size=1)
    affilia.drop(SUBMIT)
    assert submit(family, client) == 1
    assert len(affilia.received(SUBMIT)) == 2


def test_a_request_id_of_the_callers_stays(family: Family, affilia: Affilia, client: Client) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    first, again = (client.changes.submit_change_request(request) for _ in range(2))
    assert first.change_request.change_request_id == again.change_request.change_request_id
    assert {each.request.request_id for each in affilia.received(SUBMIT)} == {request.request_id}  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [EXHAUSTED, UNAVAILABLE])
def test_the_client_waits_as_long_as_the_server_says(
    code: grpc.StatusCode, family: Family, affilia: Affilia, client: Client
) -> None:
    # Five for gRPC itself, which repeats what is unavailable but does not read how long to wait.
    affilia.fail(SUBMIT, code, "OVERLOADED", retry_after_seconds=0.4, times=5 if code is UNAVAILABLE else 2)
    began = time.monotonic()
    assert submit(family, client) == 1
    assert time.monotonic() - began >= (0.4 if code is UNAVAILABLE else 0.8)
    assert len({each.request.request_id for each in affilia.received(SUBMIT)}) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "kind"), [(EXHAUSTED, Overloaded), (grpc.StatusCode.ABORTED, Conflict)])
def test_nothing_else_is_tried_again(
    code: grpc.StatusCode, kind: type[CallFailed], family: Family, affilia: Affilia, client: Client
) -> None:
    affilia.fail(SUBMIT, code)
    with pytest.raises(kind):
        submit(family, client)
    assert len(affilia.received(SUBMIT)) == 1


def test_it_is_given_up_when_the_deadline_leaves_no_time_for_the_pause(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", EXHAUSTED, retry_after_seconds=5)
    began = time.monotonic()
    with pytest.raises(Overloaded) as failed:
        client.catalog.list_contracts(timeout=2)
    assert time.monotonic() - began < 1
    assert failed.value.retry_after_seconds == 5


def test_all_attempts_together_have_one_deadline(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", EXHAUSTED, retry_after_seconds=0.3)
    affilia.delay("list_contracts", 2)
    began = time.monotonic()
    with pytest.raises(TooLate):
        client.catalog.list_contracts(timeout=0.8)
    assert time.monotonic() - began < 1.3


def test_what_stays_unavailable_is_told_so(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", UNAVAILABLE, times=100)
    with pytest.raises(Unavailable):
        client.catalog.list_contracts()
    assert len(affilia.received("list_contracts")) == 5


@pytest.mark.parametrize("after", [0.0, 0.2])
def test_a_stream_that_has_not_begun_is_tried_again(after: float, affilia: Affilia, client: Client) -> None:
    affilia.fail("watch_enrollments", UNAVAILABLE, retry_after_seconds=after)
    stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW)
    assert next(stream).resume_token
    stream.close()
    assert len(affilia.received("watch_enrollments")) == 2


def test_a_stream_that_has_begun_is_not(affilia: Affilia, client: Client) -> None:
    stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW)
    next(stream)
    affilia.drop("list_contracts")
    client.catalog.list_contracts(page_size=1)
    with pytest.raises(Unavailable):
        next(stream)
    assert len(affilia.received("watch_enrollments")) == 1


def test_tasks_are_served_alike(family: Family, affilia: Affilia) -> None:
    async def story() -> int:
        async with affilia.async_client() as client:
            affilia.drop(SUBMIT)
            affilia.fail(SUBMIT, UNAVAILABLE)
            affilia.fail(SUBMIT, EXHAUSTED, retry_after_seconds=0.2)
            request = family.request(family.enroll(family.base, "2026-01-01"), request_id="")
            answer = await client.changes.submit_change_request(request)
            affilia.fail("watch_enrollments", EXHAUSTED, retry_after_seconds=0.1)
            stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW)
            assert (await anext(stream)).resume_token
            await stream.aclose()
            affilia.delay("list_contracts", 1)
            with pytest.raises(TooLate):
                await client.catalog.list_contracts(timeout=0.2)
            return answer.group.revision

    assert asyncio.run(story()) == 1
    ids = [each.request.request_id for each in affilia.received(SUBMIT)]  # type: ignore[attr-defined]
    assert len(ids) == 4
    assert len(set(ids)) == 1


def test_a_task_that_is_cancelled_ends_its_call(affilia: Affilia) -> None:
    async def story() -> None:
        async with affilia.async_client() as client:
            affilia.delay("list_contracts", 3)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.catalog.list_contracts()

    began = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - began < 2
