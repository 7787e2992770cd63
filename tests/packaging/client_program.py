"""A program that uses the published client alone; tests run it in an environment with nothing else.

    python client_program.py 127.0.0.1:50051

Makes calls with both clients, reads a page of a list, converts dates and amounts at any depth, intercepts calls and
streams, meets an error with details and a fault that is retried, follows the feed, and prints the versions of gRPC and
protobuf.
"""

import asyncio
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import google.protobuf
import grpc

import affilia_client
from affilia.catalog.v1.member_pb2 import MEMBER_KIND_PERSON, Member
from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_BEGINNING
from affilia_client import AsyncClient, Client, Money, NotFound, to_python
from affilia_client.testing import FaultyLink


def blocking(address: str) -> None:
    with Client(address) as client:
        assert next(client.catalog.all_contracts(page_size=1)).contract_id
        try:
            client.catalog.get_contract(contract_id=str(uuid4()))
        except NotFound as error:
            assert error.reason == "CONTRACT_UNKNOWN", error
        else:
            raise AssertionError("an unknown contract was found")
        member = Member(member_id=str(uuid4()), kind=MEMBER_KIND_PERSON)
        client.members.upsert_member(member=member)
        assert client.members.get_member(member_id=member.member_id).member.member_id == member.member_id
        client.eligibility.list_capabilities(member_id=member.member_id, date=date(2026, 6, 15))
        with client.subscribe(FEED_START_BEGINNING) as feed:
            assert next(feed).resume_token


def converted(address: str) -> None:
    with Client(address) as client:
        member_id = str(uuid4())
        client.members.upsert_member(member={"member_id": member_id, "kind": "MEMBER_KIND_PERSON"})
        employment: Any = {"days": (date(2020, 1, 1), None), "employer_id": "E", "status": "EMPLOYMENT_STATUS_ACTIVE"}
        employment["salary"] = {"yearly_minor": Decimal("42000.50"), "currency_code": "EUR"}
        client.members.record_facts(member_id=member_id, employments={"items": [employment]})
        facts = to_python(client.members.get_member(member_id=member_id).facts)
        (found,) = facts["employments"]
        assert found["days"] == (date(2020, 1, 1), None), found
        assert found["salary"]["yearly_minor"] == Money(Decimal("42000.50"), "EUR"), found
        try:
            client.internal.rebuild_projection()
        except RuntimeError as missing:
            assert "internal=" in str(missing), missing
        else:
            raise AssertionError("a client without an internal address called an internal method")


class Counting(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Counts calls."""

    calls = 0

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self.calls += 1
        return continuation(client_call_details, request)

    intercept_unary_stream = intercept_unary_unary


class AsyncCounting(grpc.aio.UnaryUnaryClientInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    """The same for asyncio."""

    calls = 0

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self.calls += 1
        return await continuation(client_call_details, request)

    intercept_unary_stream = intercept_unary_unary


def intercepted(address: str) -> None:
    counting = Counting()
    with Client(address, interceptors=[counting]) as client:
        client.catalog.list_contracts(page_size=1, interceptors=[counting], metadata={"x-team": "claims"})
        stream = client.enrollment.watch_enrollments(from_=FEED_START_BEGINNING, interceptors=[counting])
        assert next(stream).resume_token
        stream.close()
    assert counting.calls == 4, counting.calls


async def intercepted_asynchronously(address: str) -> None:
    counting = AsyncCounting()
    async with AsyncClient(address, interceptors=[counting]) as client:
        await client.catalog.list_contracts(page_size=1, interceptors=[counting], metadata={"x-team": "claims"})
        stream = client.enrollment.watch_enrollments(from_=FEED_START_BEGINNING, interceptors=[counting])
        assert (await anext(stream)).resume_token
        await stream.aclose()
    assert counting.calls == 4, counting.calls


def retried(address: str) -> None:
    with FaultyLink(address) as link, Client(link.address) as client:
        link.faults.fail("list_contracts", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.05)
        link.faults.drop("list_contracts")
        client.catalog.list_contracts(page_size=1, timeout=60)
        assert len(link.faults.received("list_contracts")) == 3


async def asynchronous(address: str) -> None:
    async with AsyncClient(address) as client:
        contracts = client.catalog.all_contracts(page_size=1)
        assert (await anext(contracts)).contract_id
        await contracts.aclose()
        async with client.subscribe(FEED_START_BEGINNING) as feed:
            assert (await anext(feed)).resume_token


def main() -> None:
    assert Path(affilia_client.__file__).is_relative_to(sys.prefix), f"not installed: {affilia_client.__file__}"
    address = sys.argv[1]
    blocking(address)
    converted(address)
    intercepted(address)
    retried(address)
    asyncio.run(asynchronous(address))
    asyncio.run(intercepted_asynchronously(address))
    print(f"grpcio {grpc.__version__}, protobuf {google.protobuf.__version__}")


if __name__ == "__main__":
    main()
