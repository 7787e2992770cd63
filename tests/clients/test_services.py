"""Both clients have a method for every call of the protos, and it reaches the server."""

import asyncio
import inspect
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from affilia.catalog.v1 import catalog_service_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2 import FEED_START_NOW
from affilia_client import AsyncClient, Client, Invalid
from affilia_client.deadlines import SECONDS
from affilia_client.methods import SERVICES, Method
from affilia_client.testing import Affilia
from tests.conftest import ROOT
from tests.support.calls import Family
from tools import client_stubs

METHODS = [method for methods in SERVICES.values() for method in methods]
ATTRIBUTES = (
    "enrollment",
    "changes",
    "eligibility",
    "internal",
    "migrations",
    "costs",
    "premiums",
    "catalog",
    "members",
    "history",
    "interchange",
    "audit",
)


def service_of(client: Client | AsyncClient, method: Method) -> Any:
    for attribute in ATTRIBUTES:
        service = getattr(client, attribute)
        if type(service).__name__.removeprefix("Async") == method.service.rpartition(".")[2]:
            return service
    raise AssertionError(f"no client has {method.service}")


def fields_of(method: Method) -> dict[str, Any]:
    return {"from_": FEED_START_NOW} if method.name == "WatchEnrollments" else {}


def test_every_service_of_the_protos_has_a_class() -> None:
    described = FileDescriptorSet.FromString((ROOT / "generated/affilia/descriptors.binpb").read_bytes())
    assert set(SERVICES) == {f"{file.package}.{each.name}" for file in described.file for each in file.service}


def test_method_names_are_unique_across_services() -> None:
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert set(SECONDS) <= set(names)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_reaches_the_server(method: Method, affilia: Affilia, client: Client) -> None:
    """An empty request is answered, or rejected with a reason."""
    send = getattr(service_of(client, method), method.python_name)
    try:
        answer = send(**fields_of(method))
        assert isinstance(next(answer) if method.streams else answer, method.response)
    except Invalid as refused:
        assert refused.violations or refused.reason
        assert refused.call_id
    assert [each.method for each in affilia.received()] == [method.path]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_async_method_reaches_the_server(method: Method, affilia: Affilia) -> None:
    async def story() -> None:
        async with affilia.async_client() as client:
            send = getattr(service_of(client, method), method.python_name)
            try:
                answer = send(**fields_of(method))
                if method.streams:
                    assert isinstance(await anext(answer), method.response)
                    await answer.aclose()
                else:
                    assert isinstance(await answer, method.response)
            except Invalid as refused:
                assert refused.violations or refused.reason

    asyncio.run(story())
    assert [each.method for each in affilia.received()] == [method.path]


def test_both_clients_have_the_same_methods() -> None:
    ours = [{name for name in vars(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)]
    assert ours[0] == ours[1]
    taken = [list(inspect.signature(kind).parameters) for kind in (Client, AsyncClient)]
    assert taken[0] == taken[1]


def test_a_method_takes_a_request_or_its_fields(family: Family, client: Client) -> None:
    request = catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)
    assert client.catalog.get_contract(request) == client.catalog.get_contract(contract_id=family.contract_id)
    with pytest.raises(TypeError, match="not both"):
        client.catalog.get_contract(request, contract_id=family.contract_id)
    with pytest.raises(TypeError, match="takes a GetModulesRequest"):
        client.catalog.get_modules(request)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no field 'contract'"):
        client.catalog.get_contract(contract=family.contract_id)  # type: ignore[call-arg]


def test_the_request_of_the_caller_is_never_changed(family: Family, client: Client) -> None:
    request = family.request(family.enroll(family.base, "2026-01-01"), request_id="")
    before = request.SerializeToString(deterministic=True)
    client.changes.submit_change_request(request)
    assert request.SerializeToString(deterministic=True) == before


def test_a_client_connects_on_first_use_and_never_after_it_is_closed(server_address: str) -> None:
    with Client("127.0.0.1:1"):
        pass
    client = Client(server_address)
    assert client.catalog.list_contracts(page_size=1, timeout=math.inf) is not None
    client.close()
    client.close()
    with pytest.raises((RuntimeError, ValueError), match="closed"):
        client.catalog.list_contracts()


def test_services_pyi_is_up_to_date() -> None:
    assert Path(client_stubs.STUB).read_text() == client_stubs.fresh(), "python -m tools.client_stubs write"
