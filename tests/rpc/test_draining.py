"""A server drains under load: calls in progress finish, later ones fail, and what failed was not stored.

So callers that send failed calls again, with the same request ids, lose nothing.
"""

import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest

from affilia.enrollment.v1 import change_request_service_pb2 as pb
from affilia.enrollment.v1 import enrollment_group_pb2
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.channels import connected_to
from tests.support.portfolio import clone_policies
from tests.support.waiting import wait_until

CALLERS, CHANNELS = 48, 6
ANSWERED_BEFORE = 150
LIMITS = ("--max-calls", "400", "--calls-per-caller", "400")
WHILE_DRAINING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
"""gRPC ends a call with CANCELLED that arrives while the server shuts down, and was not accepted."""


class Callers:
    """Callers that submit without pauses, each for a group of its own, until a call fails.

    Calls that are rejected because the server is overloaded are sent again.
    """

    def __init__(self, address: str, family: Family, primaries: list[str]) -> None:
        self.acknowledged: set[str] = set()
        self.failed: list[tuple[pb.SubmitChangeRequestRequest, grpc.StatusCode]] = []
        self._family = family
        self._channels = [connected_to(address) for _ in range(CHANNELS)]
        self._threads = [
            threading.Thread(
                target=self._submit, args=[ChangeRequestServiceStub(self._channels[n % CHANNELS]), primary]
            )
            for n, primary in enumerate(primaries)
        ]
        for thread in self._threads:
            thread.start()

    def _submit(self, stub: Any, primary: str) -> None:
        for n in range(10_000):
            request = self._request(primary, self._family.base if n % 2 else self._family.plus)
            try:
                stub.SubmitChangeRequest(request, timeout=120)
            except grpc.RpcError as error:
                self.failed.append((request, error.code()))
                return
            self.acknowledged.add(request.request_id)

    def _request(self, primary: str, module_id: str) -> pb.SubmitChangeRequestRequest:
        change = self._family.enroll(module_id, "2026-01-01")
        change.enroll.member_id = primary
        key = enrollment_group_pb2.GroupKey(contract_id=self._family.contract_id, primary_id=primary)
        return self._family.request(change, group=key, requester=admin())

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        for channel in self._channels:
            channel.close()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_drain_finishes_calls_in_progress_and_stores_no_failed_call(
    own_database_url: str, tmp_path: Path, processes: int
) -> None:
    flags = ("--database-url", own_database_url, "--processes", str(processes), *LIMITS)
    server = ServerProcess(tmp_path / "first", *flags)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        clone_policies(own_database_url, str(family.group().group_id), CALLERS)
        before = stored(own_database_url)
    callers = Callers(server.address, family, primaries_of(own_database_url, family))
    wait_until(lambda: callers.failed or len(callers.acknowledged) >= ANSWERED_BEFORE, "the server is under load")
    assert server.stop() == 0
    callers.join()

    assert len(callers.failed) == CALLERS
    assert {code for _, code in callers.failed} <= WHILE_DRAINING
    assert stored(own_database_url) - before == callers.acknowledged

    again = ServerProcess(tmp_path / "second", *flags, "--listen", server.address)
    with connected_to(again.address) as channel:
        stub: Any = ChangeRequestServiceStub(channel)
        for request, _ in callers.failed:
            stub.SubmitChangeRequest(request)
    assert again.stop() == 0
    assert stored(own_database_url) - before == callers.acknowledged | {r.request_id for r, _ in callers.failed}


def stored(url: str) -> set[str]:
    """Returns the ids of all requests whose responses are stored."""
    with psycopg.connect(url) as connection:
        rows: list[tuple[UUID]] = connection.execute("SELECT request_id FROM answered_request").fetchall()
    return {str(request_id) for (request_id,) in rows}


def primaries_of(url: str, family: Family) -> list[str]:
    """Returns the primaries of the cloned groups."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT primary_id::text FROM enrollment_group WHERE primary_id <> %s", [family.primary]
        ).fetchall()
    return [primary for (primary,) in rows]
