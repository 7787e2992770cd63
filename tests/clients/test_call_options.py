"""Metadata and interceptors of a client and of single calls, which keep retries, deadlines and credentials."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from affilia.catalog.v1.catalog_service_pb2 import ListContractsResponse
from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_NOW, WatchEnrollmentsResponse
from affilia_client import Client, NotFound, TooLate
from affilia_client.call_options import NAMES
from affilia_client.methods import SERVICES
from affilia_client.testing import Affilia
from tests.support.calls import Family, new_id

RETRY = (grpc.StatusCode.RESOURCE_EXHAUSTED,)


class Named(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Notes its name before and after each attempt."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name, self._notes = name, notes

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self._notes.append(f"{self._name} before {details.method.rpartition('/')[2]}")
        answer = continuation(details, request)
        self._notes.append(f"{self._name} after")
        return answer

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._notes.append(f"{self._name} stream")
        return continuation(details, request)


class AsyncNamed(grpc.aio.UnaryUnaryClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """The same for asyncio."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name, self._notes = name, notes

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self._notes.append(f"{self._name} before {details.method.decode().rpartition('/')[2]}")
        call = await continuation(details, request)
        await call.code()
        self._notes.append(f"{self._name} after")
        return call

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._notes.append(f"{self._name} stream")
        return await continuation(details, request)


NOTES = [
    f"{name} {moment}"
    for _ in range(2)  # attempts
    for name, moment in (
        ("call", "before ListContracts"),
        ("first", "before ListContracts"),
        ("second", "before ListContracts"),
        ("second", "after"),
        ("first", "after"),
        ("call", "after"),
    )
]


def test_no_request_has_a_field_with_the_name_of_an_option() -> None:
    assert not [m.name for ms in SERVICES.values() for m in ms if {f.name for f in m.fields} & set(NAMES)]


def test_metadata_of_a_call_is_added_and_replaces_that_of_the_client(family: Family, affilia: Affilia) -> None:
    mine = {"x-affilia-today": "2026-03-01", "x-team": "claims"}
    with affilia.client(token="secret", metadata={"x-affilia-today": "2026-01-01", "x-app": "desk"}) as client:
        affilia.fail("list_contracts", *RETRY, retry_after_seconds=0.05)
        client.catalog.list_contracts(page_size=1, metadata=mine)
        client.catalog.list_contracts(page_size=1, metadata={"authorization": "Bearer of the user"})

    async def story() -> None:
        async with affilia.async_client(token="secret", metadata={"x-app": "desk"}) as client:
            await client.catalog.list_contracts(page_size=1, metadata=mine)
            pages = client.catalog.all_contracts(page_size=1000, metadata=mine)
            assert family.contract_id in {each.contract_id async for each in pages}

    asyncio.run(story())
    sent = [each.metadata for each in affilia.received("list_contracts")]
    for metadata in (*sent[:2], *sent[3:]):
        assert {**metadata, **mine, "x-app": "desk", "authorization": "Bearer secret"} == metadata
    assert (sent[2]["authorization"], sent[2]["x-affilia-today"]) == ("Bearer of the user", "2026-01-01")


def test_metadata_names_are_checked(client: Client) -> None:
    with pytest.raises(ValueError, match="Metadata name 'X-Team' is invalid"):
        client.catalog.list_contracts(metadata={"X-Team": "claims"})


def test_interceptors_see_every_attempt_from_the_calls_to_the_clients(affilia: Affilia) -> None:
    notes: list[str] = []
    affilia.fail("list_contracts", *RETRY, retry_after_seconds=0.05)
    with affilia.client(interceptors=[Named("first", notes), Named("second", notes)], token="secret") as client:
        client.catalog.list_contracts(page_size=1, interceptors=[Named("call", notes)])
    assert notes == NOTES
    assert {each.metadata["authorization"] for each in affilia.received("list_contracts")} == {"Bearer secret"}


def test_interceptors_of_asyncio_see_every_attempt_from_the_calls_to_the_clients(affilia: Affilia) -> None:
    notes: list[str] = []
    affilia.fail("list_contracts", *RETRY, retry_after_seconds=0.05)

    async def story() -> None:
        own = [AsyncNamed("first", notes), AsyncNamed("second", notes)]
        async with affilia.async_client(interceptors=own, token="secret") as client:
            await client.catalog.list_contracts(page_size=1, interceptors=[AsyncNamed("call", notes)])

    asyncio.run(story())
    assert notes == NOTES
    assert {each.metadata["authorization"] for each in affilia.received("list_contracts")} == {"Bearer secret"}


def test_failures_and_deadlines_are_reported_through_interceptors(affilia: Affilia) -> None:
    notes: list[str] = []
    with affilia.client(interceptors=[Named("first", notes)]) as client:
        with pytest.raises(NotFound) as missing:
            client.catalog.get_contract(contract_id=new_id(), interceptors=[Named("call", notes)])
        assert (missing.value.reason, bool(missing.value.call_id)) == ("CONTRACT_UNKNOWN", True)
        affilia.delay("list_contracts", 30)
        with pytest.raises(TooLate):
            client.catalog.list_contracts(timeout=0.3, interceptors=[Named("call", notes)])

    async def story() -> None:
        affilia.clear()
        async with affilia.async_client(interceptors=[AsyncNamed("first", notes)]) as client:
            with pytest.raises(NotFound) as missing:
                await client.catalog.get_contract(contract_id=new_id(), interceptors=[AsyncNamed("call", notes)])
            assert (missing.value.reason, bool(missing.value.call_id)) == ("CONTRACT_UNKNOWN", True)
            affilia.delay("list_contracts", 30)
            with pytest.raises(TooLate):
                await client.catalog.list_contracts(timeout=0.3, interceptors=[AsyncNamed("call", notes)])

    asyncio.run(story())


class Answers(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Answers calls itself."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        class Answer:
            def result(self, timeout: float | None = None) -> Any:
                return ListContractsResponse(next_page_token="cached")

        return Answer()

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        yield WatchEnrollmentsResponse(resume_token="cached")


class AsyncAnswers(grpc.aio.UnaryUnaryClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """The same for asyncio."""

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return ListContractsResponse(next_page_token="cached")

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> AsyncIterator[Any]:
        async def answer() -> AsyncIterator[Any]:
            yield WatchEnrollmentsResponse(resume_token="cached")

        return answer()


def test_an_interceptor_can_answer_itself(affilia: Affilia) -> None:
    notes: list[str] = []
    with affilia.client() as client:
        assert client.catalog.list_contracts(interceptors=[Answers()]).next_page_token == "cached"
        stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW, interceptors=[Answers()])
        assert [each.resume_token for each in stream] == ["cached"]

    async def story() -> None:
        chain = [AsyncNamed("outer", notes), AsyncAnswers()]
        async with affilia.async_client() as client:
            assert (await client.catalog.list_contracts(interceptors=chain)).next_page_token == "cached"
            stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW, interceptors=chain)
            assert [each.resume_token async for each in stream] == ["cached"]
            stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW, interceptors=chain)
            assert (await anext(stream)).resume_token == "cached"
            await stream.aclose()

    asyncio.run(story())
    assert notes == ["outer before ListContracts", "outer after", "outer stream", "outer stream"]
    assert affilia.received() == []


def test_streams_and_subscriptions_are_intercepted(family: Family, affilia: Affilia) -> None:
    notes: list[str] = []
    with affilia.client(interceptors=[Named("client", notes)]) as client:
        stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW, interceptors=[Named("call", notes)])
        assert next(stream).resume_token
        stream.close()
        with client.subscribe(FEED_START_NOW) as subscription:
            assert next(subscription).resume_token

    async def story() -> None:
        async with affilia.async_client(interceptors=[AsyncNamed("client", notes)]) as client:
            stream = client.enrollment.watch_enrollments(from_=FEED_START_NOW, interceptors=[AsyncNamed("call", notes)])
            assert (await anext(stream)).resume_token
            await stream.aclose()
            async with client.subscribe(FEED_START_NOW) as subscription:
                assert (await anext(subscription)).resume_token

    asyncio.run(story())
    assert notes == ["call stream", "client stream", "client stream"] * 2


def test_anything_else_is_not_an_interceptor(affilia: Affilia, client: Client) -> None:
    with pytest.raises(TypeError, match="must be"):
        client.catalog.list_contracts(interceptors=[object()])  # type: ignore[list-item]

    async def story() -> None:
        async with affilia.async_client() as asynchronous:
            with pytest.raises(TypeError, match="is not an interceptor"):
                await asynchronous.catalog.list_contracts(interceptors=[object()])  # type: ignore[list-item]

    asyncio.run(story())
