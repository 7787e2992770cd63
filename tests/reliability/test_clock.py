"""The database's clock jumps ahead and back, and stops: nothing is lost, and responses as of the past stay the same.

libfaketime gives PostgreSQL, whose clock all instants come from, another clock, which the test moves under load. The
server's own clock isn't moved: with libfaketime, `time.sleep` of Python fails. Only the clock of the day is moved,
since the monotonic clock never jumps, not even on a machine whose time is corrected.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.enrollment.v1 import enrollment_group_pb2
from storage.postgres.embedded import binaries
from tests.conftest import ServerProcess
from tests.support.calls import admin
from tests.support.clusters import a_cluster
from tests.support.comparison import compared
from tests.support.insured import Insured
from tests.support.recording_clients import RETRIED, Address, RecordingClient, channel_to
from tests.support.waiting import wait_until

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
CLIENTS = 3
FORWARD, BACK = "+2d", "-2d"
RIGHT = "+0"
STOPPED = "stopped"
WRITES_AFTER_CHANGE = 5

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed")


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of the database."""

    file: Path

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",  # each call reads the file, so that a change takes effect immediately
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",  # PostgreSQL runs as another user
            "NO_FAKE_STAT": "1",
            "TZ": "UTC",
        }

    def set(self, setting: str) -> None:
        """Sets an offset from the real time, or stops the clock at the current time."""
        present = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        new = self.file.with_suffix(".new")
        new.write_text(f"{present if setting == STOPPED else setting}\n")
        new.chmod(0o644)
        new.rename(self.file)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another user
        clock = Clock(Path(name) / "clock")
        clock.set(RIGHT)
        yield clock


@pytest.fixture
def server(clock: Clock, tmp_path: Path) -> Iterator[ServerProcess]:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in clock.environment().items():
                patch.setenv(name, value)
            cluster = stack.enter_context(a_cluster(binaries()))
        url = cluster.url("postgres", "postgres")
        running = ServerProcess(tmp_path, "--database-url", url, "--log-format", "json")
        yield running
        assert running.stop() == 0


def test_a_clock_that_jumps_or_stops_loses_nothing_and_changes_no_past(clock: Clock, server: ServerProcess) -> None:
    address = Address(server.address, server.internal_address)
    clients = [RecordingClient(lambda: [address]) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        with channel_to(address.public) as channel, channel_to(address.internal) as internal:
            probe = Probe(channel, internal)
            for setting in (BACK, STOPPED, RIGHT, FORWARD, RIGHT):
                probe.write()
                if setting == FORWARD:
                    probe.clock_is_ahead()
                jumps = logged(server, "clock_jumped")
                clock.set(setting)
                probe.until_served()
                for _ in range(WRITES_AFTER_CHANGE):
                    probe.write()
                until_all_are_served(clients)
                probe.expect_the_same_past()
                wait_until(probe.is_serving, "health reports the server as serving")
                until_jump_is_logged(server, jumps)
    finally:
        for client in clients:
            client.stop()
    comparison = compared(address, clients)
    print(f"5 changes of the clock: {comparison}; {logged(server, 'clock_jumped')} jumps logged")
    assert comparison.faults == []
    assert logged(server, "defect") == 0


class Probe:
    """A family whose states are read again as of the instants at which they were recorded."""

    def __init__(self, channel: grpc.Channel, internal: grpc.Channel) -> None:
        self.insured = Insured(channel, internal).set_up()
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.recorded: list[enrollment_group_pb2.EnrollmentGroup] = []
        self.ahead_from = 0

    def write(self) -> None:
        """Records a state, and reads it as of its instant."""
        family, n = self.insured.family, len(self.recorded)
        change = family.enroll((family.base, family.plus)[n % 2], f"{2027 + n}-01-01")
        request = family.request(change, requester=admin())
        group = wait_until(
            lambda: family.requests.SubmitChangeRequest(request, timeout=20).group, "a write is done", retried=RETRIED
        )
        self.recorded.append(group)

    def until_served(self) -> None:
        wait_until(self.insured.family.group, "a read is answered", retried=RETRIED)

    def clock_is_ahead(self) -> None:
        """From now on, states have instants that are in the future for the server, which rejects reads as of them."""
        self.ahead_from = len(self.recorded)

    def expect_the_same_past(self) -> None:
        """Reads every state again as of its revision, and as of its instant."""
        assert [group.revision for group in self.recorded] == list(range(1, len(self.recorded) + 1))
        instants = [group.recorded_at.ToNanoseconds() for group in self.recorded]
        assert instants == sorted(set(instants))
        for group in self.recorded:
            assert self._as_of(revision=group.revision).periods == group.periods
        for group in self.recorded[: self.ahead_from or len(self.recorded)]:
            assert self._as_of(instant=group.recorded_at).revision == group.revision

    def _as_of(self, **when: Any) -> enrollment_group_pb2.EnrollmentGroup:
        return wait_until(lambda: self.insured.family.group(**when), "a past state is read", retried=RETRIED)

    def is_serving(self) -> bool:
        answer = self.health.Check(health_pb2.HealthCheckRequest(), timeout=60)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def until_all_are_served(clients: list[RecordingClient]) -> None:
    """Waits until an operation of each client is acknowledged."""
    before = [len(client.journal.operations) for client in clients]
    wait_until(
        lambda: all(len(c.journal.operations) > n for c, n in zip(clients, before, strict=True)),
        "all clients are served",
    )


def until_jump_is_logged(server: ServerProcess, before: int) -> None:
    """Waits until more than `before` jumps of the clock are logged. A stopped clock counts as jumping back."""
    wait_until(lambda: logged(server, "clock_jumped") > before, "a jump of the clock is logged")


def logged(server: ServerProcess, event: str) -> int:
    """Returns how often an event is in the log."""
    return len(re.findall(rf'"event": "{event}"', server.log.read_text()))
