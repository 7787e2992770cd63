"""A family of its own for each test over the wire."""

import grpc
import pytest

from tests.support.calls import Family


@pytest.fixture
def family(server_channel: grpc.Channel) -> Family:
    """Published and stored, nobody enrolled yet."""
    return Family(server_channel).set_up()
