"""The fixture `affilia` for the shared server: a link to it on which tests can inject faults."""

import os
from collections.abc import Iterator

import pytest

from affilia_client import Client
from affilia_client.testing import Affilia
from tests.conftest import ServerProcess


@pytest.fixture(scope="session")
def affilia_way(request: pytest.FixtureRequest) -> Iterator[Affilia]:
    if running := os.environ.get("AFFILIA_TEST_SERVER"):
        addresses = running, running
    else:
        server: ServerProcess = request.getfixturevalue("server")
        addresses = server.address, server.internal_address
    with Affilia(*addresses) as affilia:
        yield affilia


@pytest.fixture
def affilia(affilia_way: Affilia) -> Iterator[Affilia]:
    affilia_way.clear()
    yield affilia_way
    affilia_way.clear()


@pytest.fixture
def client(affilia: Affilia) -> Iterator[Client]:
    with affilia.client() as client:
        yield client
