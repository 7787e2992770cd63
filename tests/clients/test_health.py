"""Both clients check the health of the server and of its services."""

import asyncio

import pytest

from affilia_client import Client, HealthStatus, NotFound, Unavailable
from affilia_client.testing import Affilia


def test_the_server_and_its_services_are_serving(client: Client) -> None:
    assert client.check_health() is HealthStatus.SERVING
    assert client.check_health("affilia.catalog.v1.CatalogService") is HealthStatus.SERVING


def test_an_unknown_service_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.check_health("affilia.catalog.v1.NoSuchService")


def test_the_async_client_checks_too(affilia: Affilia) -> None:
    async def check() -> HealthStatus:
        async with affilia.async_client() as client:
            return await client.check_health()

    assert asyncio.run(check()) is HealthStatus.SERVING


def test_an_unreachable_server_is_unavailable() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(Unavailable):
        client.check_health(timeout=5)


def test_health_checks_send_no_token(server_address: str) -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append("token")
        return "not a token"

    with Client(server_address, token=token) as client:
        assert client.check_health() is HealthStatus.SERVING
    assert asked == []
