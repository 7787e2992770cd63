"""Which failures are retried. The faults are injected on the wire in front of a real server."""

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
CANCELLED = grpc.StatusCode.CANCELLED
SUBMIT = "submit_change_request"


def submit(family: Family, client: Client, **how: Any) -> int:
    """Submits a change without a request id. Returns the group's revision."""
    request = family.request(family.enroll(family.base, "2026-01-01"), request_id="")
    return client.changes.submit_change_request(request, **how).group.revision


@pytest.mark.parametrize("code", [UNAVAILABLE, CANCELLED])
def test_a_call_that_a_server_could_not_take_is_retried_with_one_request_id(
    code: grpc.StatusCode, family: Family, affilia: Affilia, client: Client
) -> None:
    affilia.fail(SUBMIT, code, times=2)
    assert submit(family, client) == 1
    ids = [each.request.request_id for each in affilia.received(SUBMIT)]  # type: ignore[attr-defined]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


def test_a_call_survives_a_lost_connection(family: Family, affilia: Affilia, client: Client) -> None:
    client.catalog.list_contracts(page_size=1)
    affilia.drop(SUBMIT)
    assert submit(family, client) == 1
    assert len(affilia.received(SUBMIT)) == 2


def test_a_request_id_from_the_caller_is_kept(family: Family, affilia: Affilia, client: Client) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"))
    first, again = (client.changes.submit_change_request(request) for _ in range(2))
    assert first.change_request.change_request_id == again.change_request.change_request_id
    assert {each.request.request_id for each in affilia.received(SUBMIT)} == {request.request_id}  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [EXHAUSTED, UNAVAILABLE])
def test_the_client_waits_as_long_as_the_server_requests(
    code: grpc.StatusCode, family: Family, affilia: Affilia, client: Client
) -> None:
    # gRPC itself makes five attempts, without reading RetryInfo.
    affilia.fail(SUBMIT, code, "OVERLOADED", retry_after_seconds=0.4, times=5 if code is UNAVAILABLE else 2)
    began = time.monotonic()
    assert submit(family, client) == 1
    assert time.monotonic() - began >= (0.4 if code is UNAVAILABLE else 0.8)
    assert len({each.request.request_id for each in affilia.received(SUBMIT)}) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "kind"), [(EXHAUSTED, Overloaded), (grpc.StatusCode.ABORTED, Conflict)])
def test_other_failures_are_not_retried(
    code: grpc.StatusCode, kind: type[CallFailed], family: Family, affilia: Affilia, client: Client
) -> None:
    affilia.fail(SUBMIT, code)
    with pytest.raises(kind):
        submit(family, client)
    assert len(affilia.received(SUBMIT)) == 1


def test_a_retry_that_would_exceed_the_deadline_is_not_made(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", EXHAUSTED, retry_after_seconds=300)
    began = time.monotonic()
    with pytest.raises(Overloaded) as failed:
        client.catalog.list_contracts(timeout=200)
    assert time.monotonic() - began < 60  # of 200
    assert failed.value.retry_after_seconds == 300


def test_all_attempts_together_have_one_deadline(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", EXHAUSTED, retry_after_seconds=6)
    affilia.delay("list_contracts", 12)
    began = time.monotonic()
    with pytest.raises(TooLate):
        client.catalog.list_contracts(timeout=8)
    assert time.monotonic() - began < 12  # with a new deadline, the second attempt would end after 14 seconds


def test_a_server_that_stays_unavailable_is_reported(affilia: Affilia, client: Client) -> None:
    affilia.fail("list_contracts", UNAVAILABLE, times=100)
    with pytest.raises(Unavailable):
        client.catalog.list_contracts()
    assert len(affilia.received("list_contracts")) == 5


@pytest.mark.parametrize("after", [0.0, 0.2])
def test_a_stream_without_a_response_is_retried(after: float, affilia: Affilia, client: Client) -> None:
    affilia.fail("watch_enrollments", UNAVAILABLE, retry_after_seconds=after)
    stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW)
    assert next(stream).resume_token
    stream.close()
    assert len(affilia.received("watch_enrollments")) == 2


def test_a_stream_with_a_response_is_not_retried(affilia: Affilia, client: Client) -> None:
    stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW)
    next(stream)
    affilia.drop("list_contracts")
    client.catalog.list_contracts(page_size=1)
    with pytest.raises(Unavailable):
        next(stream)
    assert len(affilia.received("watch_enrollments")) == 1


def test_the_async_client_retries_too(family: Family, affilia: Affilia) -> None:
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


def test_cancelling_a_task_cancels_its_call(affilia: Affilia) -> None:
    async def story() -> None:
        async with affilia.async_client() as client:
            affilia.delay("list_contracts", 20)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.catalog.list_contracts()

    began = time.monotonic()
    asyncio.run(story())
    assert time.monotonic() - began < 15  # of 20
