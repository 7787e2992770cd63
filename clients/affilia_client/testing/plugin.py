"""The pytest fixture `affilia`, which pytest finds by the entry point of this package."""

from collections.abc import Iterator

import pytest

from affilia_client.testing.affilia import Affilia
from affilia_client.testing.own_server import own_server


@pytest.fixture(scope="session")
def affilia_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Affilia]:
    """The server that all tests of a session share, with the proxy before it."""
    with (
        own_server(tmp_path_factory.mktemp("affilia")) as addresses,
        Affilia(addresses.public, addresses.internal) as affilia,
    ):
        yield affilia


@pytest.fixture
def affilia(affilia_server: Affilia) -> Iterator[Affilia]:
    """A running Affilia, without planned faults and with no calls received yet."""
    affilia_server.clear()
    yield affilia_server
    affilia_server.clear()
