"""A real server for the tests of those who call Affilia, and faults on the way to it when a test wants them.

With the extra `testing` installed, pytest has a fixture `affilia`:

    def test_it_survives_a_server_that_is_busy(affilia):
        affilia.fail("submit_change_request", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.1)
        my_program.enroll_everybody(affilia.address)
        assert len(affilia.received("submit_change_request")) == 2

Without pytest: `own_server()` starts a server, and `FaultyLink(address)` stands before one.
"""

from affilia_client.testing.affilia import Affilia
from affilia_client.testing.faults import Faults, Received
from affilia_client.testing.link import FaultyLink
from affilia_client.testing.own_server import ServerNotFound, own_server

__all__ = ["Affilia", "Faults", "FaultyLink", "Received", "ServerNotFound", "own_server"]
