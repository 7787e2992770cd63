"""A real server for the tests of programs that call Affilia, with faults on request.

With the extra `testing` installed, pytest has a fixture `affilia`:

    def test_enrolling_retries_when_the_server_is_busy(affilia):
        affilia.load("tests/contracts")
        affilia.fail("submit_change_request", grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after_seconds=0.1)
        my_program.enroll_everybody(affilia.address)
        assert len(affilia.received("submit_change_request")) == 2

Without pytest, `own_server()` starts a server, and `FaultyLink(address)` is a proxy before any server.
"""

from affilia_client.testing.affilia import Affilia
from affilia_client.testing.faults import Faults, Received
from affilia_client.testing.link import FaultyLink
from affilia_client.testing.own_server import LoadFailed, ServerNotFound, own_server

__all__ = ["Affilia", "Faults", "FaultyLink", "LoadFailed", "Received", "ServerNotFound", "own_server"]
