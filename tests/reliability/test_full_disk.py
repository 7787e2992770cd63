"""The database's disk is full: calls fail with a clear error, nothing is lost, and service resumes without help.

The disk is a small file system in memory, so the test needs the right to mount one.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.enrollment.v1.change_request_service_pb2 import SubmitChangeRequestResponse
from storage.postgres.embedded import EmbeddedPostgres, let_others_pass
from tests.conftest import ServerProcess
from tests.reliability.repetitions import repetitions
from tests.support.calls import admin, decoded
from tests.support.comparison import compared
from tests.support.insured import Insured
from tests.support.recording_clients import RETRIED, Address, RecordingClient, channel_to
from tests.support.waiting import wait_until

DISK_MIB = 256
"""Larger than a new database with its first log files, and small enough to fill quickly."""

TIMES = repetitions("AFFILIA_FULL_DISKS", few=1, full=10)
CLIENTS = 3
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system. Skips the test if none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_MIB}m,mode=0755"
    mounting = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mount = shutil.which("mount")
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False) if mount else None
    if mounted is None or mounted.returncode:
        pytest.skip(f"no file system can be mounted: {mounted.stderr if mounted else 'mount is missing'}")
    let_others_pass(folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Fills a file system completely. Returns the file that fills it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        chunk = bytes(1 << 20)
        while True:
            try:
                file.write(chunk)
            except OSError:
                if len(chunk) == 1:
                    return ballast
                chunk = chunk[: len(chunk) // 2]


def test_a_full_disk_is_reported_loses_nothing_and_needs_no_restart(disk: Path) -> None:
    server = ServerProcess(disk, "--log-format", "json")
    server.log.chmod(0o644)
    address = Address(server.address, server.internal_address)
    clients = [RecordingClient(lambda: [address], thinking_seconds=0.02) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        with channel_to(address.public) as channel, channel_to(address.internal) as internal:
            probe = Insured(channel, internal).set_up()
            for _ in range(TIMES):
                ballast = fill(disk)
                until_a_write_fails(probe, disk)
                ballast.unlink()
                wait_until(lambda: write(probe), "a write is acknowledged", retried=RETRIED)
                wait_until(lambda: health(channel) == SERVING, "health reports the server as serving")
                until_all_are_served(clients)
    finally:
        for client in clients:
            client.stop()
    comparison = compared(address, clients)
    print(f"{TIMES} full disks: {comparison}")
    assert comparison.faults == []
    assert server.stop() == 0
    assert '"event": "defect"' not in server.log.read_text()
    assert os.path.ismount(disk)  # the database was on the small disk until the end


def write(probe: Insured) -> SubmitChangeRequestResponse:
    """Writes a request that the database has to store, even if it changes no period."""
    family = probe.family
    change = family.enroll(family.base, "2027-01-01")
    return family.requests.SubmitChangeRequest(family.request(change, requester=admin()), timeout=20)


def until_a_write_fails(probe: Insured, disk: Path) -> None:
    """Uses up the log files that PostgreSQL has allocated ahead, and waits until a write fails."""
    url = EmbeddedPostgres(disk).url

    def is_reported() -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True, connect_timeout=20) as owner:
            owner.execute("SELECT pg_logical_emit_message(true, 'a test', repeat('x', 4000000))")
        try:
            write(probe)
        except grpc.RpcError as error:
            assert error.code() in RETRIED
            return (error.code(), decoded(error).reason) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        return False

    wait_until(is_reported, "a write fails because the disk is full", seconds=300)


def until_all_are_served(clients: list[RecordingClient]) -> None:
    """Waits until an operation of each client is acknowledged."""
    before = [len(client.journal.operations) for client in clients]
    wait_until(
        lambda: all(len(c.journal.operations) > n for c, n in zip(clients, before, strict=True)),
        "all clients are served again",
    )


def health(channel: grpc.Channel) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=60).status
    return answer
