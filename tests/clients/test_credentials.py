"""Tokens are requested for every attempt and sent with every call, with and without TLS."""

import asyncio
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest

from affilia.catalog.v1.catalog_service_pb2 import ListContractsResponse
from affilia_client import TLS, AsyncClient, Client
from affilia_client.testing import Affilia


def authorizations(affilia: Affilia) -> list[str | None]:
    return [each.metadata.get("authorization") for each in affilia.received("list_contracts")]


def test_without_a_token_none_is_sent(affilia: Affilia, client: Client) -> None:
    client.catalog.list_contracts(page_size=1)
    assert authorizations(affilia) == [None]


def test_a_token_is_sent_with_every_call(affilia: Affilia) -> None:
    with affilia.client(token="secret", metadata={"x-affilia-today": "2026-03-01"}) as client:
        client.catalog.list_contracts(page_size=1)
    assert authorizations(affilia) == ["Bearer secret"]
    assert affilia.received()[0].metadata["x-affilia-today"] == "2026-03-01"


def test_a_token_function_is_called_at_every_attempt(affilia: Affilia) -> None:
    numbers = count(1)
    affilia.fail("list_contracts", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.05)
    with affilia.client(token=lambda: f"number {next(numbers)}") as client:
        client.catalog.list_contracts(page_size=1)
        client.catalog.list_contracts(page_size=1)
    assert authorizations(affilia) == ["Bearer number 1", "Bearer number 2", "Bearer number 3"]


def test_the_async_client_takes_plain_and_awaitable_tokens(affilia: Affilia) -> None:
    async def fetched() -> str:
        await asyncio.sleep(0)
        return "fetched"

    async def story() -> None:
        for token in ("plain", lambda: "asked", fetched):
            async with affilia.async_client(token=token) as client:
                await client.catalog.list_contracts(page_size=1)

    asyncio.run(story())
    assert authorizations(affilia) == ["Bearer plain", "Bearer asked", "Bearer fetched"]


def test_the_error_of_a_token_function_is_raised_by_the_call(affilia: Affilia) -> None:
    def away() -> str:
        raise LookupError("the identity provider is away")

    with affilia.client(token=away) as client, pytest.raises(LookupError):
        client.catalog.list_contracts()
    assert affilia.received() == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Returns the paths of a self-signed certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command = ["openssl", "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


@pytest.fixture(scope="module")
def tls_address(certificate: tuple[Path, Path]) -> Iterator[str]:
    """The address of a server that requires our client certificate and returns empty responses."""
    made, key = (path.read_bytes() for path in certificate)
    credentials = grpc.ssl_server_credentials([(key, made)], made, require_client_auth=True)
    answer: Any = grpc.unary_unary_rpc_method_handler(
        lambda request, context: ListContractsResponse().SerializeToString()
    )
    handler = grpc.method_handlers_generic_handler("affilia.catalog.v1.CatalogService", {"ListContracts": answer})
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"localhost:{port}"
    server.stop(None).wait()


def test_channels_support_mutual_tls(tls_address: str, certificate: tuple[Path, Path]) -> None:
    made, key = certificate
    tls = TLS(ca=made, certificate=made.read_bytes(), key=str(key))

    async def story() -> ListContractsResponse:
        async with AsyncClient(tls_address, tls=tls, token="secret") as client:
            return await client.catalog.list_contracts()

    with Client(tls_address, tls=tls, token="secret") as client:
        assert client.catalog.list_contracts() == asyncio.run(story()) == ListContractsResponse()


def test_a_certificate_without_its_key_is_rejected() -> None:
    with pytest.raises(ValueError, match="must be set together"):
        TLS(certificate=b"")


def test_a_private_key_is_not_part_of_the_repr() -> None:
    assert "private" not in repr(TLS(certificate=b"public", key=b"private"))
