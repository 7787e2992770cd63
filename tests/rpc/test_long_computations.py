"""Computations that are long enough to run in compute workers, over the wire."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import admin
from tests.support.channels import connected_to
from tests.support.large_family import LargeFamily

MODULES = 60
SECONDS = 60


@pytest.fixture
def own_server(tmp_path: Path) -> Any:
    server = ServerProcess(tmp_path, "--compute-workers", "2")
    yield server
    if server.process.poll() is None:
        server.stop(SECONDS)  # killing it would leave its database behind


def workers_of(server: ServerProcess) -> set[int]:
    """Returns the process ids of the compute workers of a server."""
    found = set()
    for tasks in Path(f"/proc/{server.process.pid}/task").iterdir():
        for child in (tasks / "children").read_text().split():
            if "server.computing.worker" in Path(f"/proc/{child}/cmdline").read_text():
                found.add(int(child))
    return found


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def simulated(
    large: LargeFamily, member: str, module_id: str
) -> change_request_service_pb2.SimulateChangeRequestResponse:
    return large.family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=admin(),
            group=large.family.key,
            changes=[large.enroll(member, module_id, "2026-12-01")],
            cost_on=date("2026-12-01"),
        ),
        timeout=SECONDS,
    )


def test_choices_survive_killed_workers_and_agree_with_simulations(own_server: ServerProcess) -> None:
    with connected_to(own_server.address) as channel:
        large = LargeFamily(channel, MODULES, people=4, enrolled=6)
        choices = large.choices()
        assert [choice.module_id for choice in choices.choices] == large.modules
        assert workers_of(own_server)
        with ThreadPoolExecutor(4) as callers:
            answers = [callers.submit(large.choices) for _ in range(12)]
            for worker in workers_of(own_server):
                os.kill(worker, signal.SIGKILL)
            assert all(answer.result(SECONDS) == choices for answer in answers)
        for choice in choices.choices[:: MODULES // 6]:
            would = simulated(large, large.people[2], choice.module_id)
            assert choice.cost == would.cost
            assert choice.allowed == (not would.violations)


def test_a_large_request_is_decided_and_applied(own_server: ServerProcess) -> None:
    with connected_to(own_server.address) as channel:
        large = LargeFamily(channel, MODULES, people=4, enrolled=6)
        changes = [large.enroll(member, module) for module in large.modules[6:30] for member in large.people]
        answer = large.family.submit(*changes, requester=admin())
        assert answer.change_request.verdict == change_request_pb2.VERDICT_APPROVED
        enrolled = {(period.member_id, period.module_id) for period in answer.group.periods}
        assert enrolled == {(member, module) for module in large.modules[:30] for member in large.people}
        refused = large.family.submit(large.enroll(large.people[1], large.modules[59], "1990-01-01"), requester=admin())
        assert refused.change_request.verdict == change_request_pb2.VERDICT_REJECTED


def test_workers_end_with_their_server(own_server: ServerProcess) -> None:
    with connected_to(own_server.address) as channel:
        LargeFamily(channel, MODULES, people=3, enrolled=2).choices()
    workers = workers_of(own_server)
    assert workers
    own_server.stop(SECONDS)
    assert not any(is_alive(worker) for worker in workers)
