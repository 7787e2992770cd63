"""The server and PostgreSQL are killed under load: no acknowledged write is lost, and none is applied twice.

kill -9 does not test a power cut: the operating system keeps what a killed process has written.
"""

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from storage.postgres import postmaster
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.reliability.repetitions import repetitions, seeded
from tests.support.calls import admin
from tests.support.comparison import compared
from tests.support.insured import Insured
from tests.support.recording_clients import RETRIED, Address, RecordingClient, channel_to
from tests.support.waiting import wait_until

SERVER_KILLS = repetitions("AFFILIA_SERVER_KILLS", few=3, full=200)
POSTGRES_KILLS = repetitions("AFFILIA_POSTGRES_KILLS", few=3, full=50)
CLIENTS = 4
THINKING_SECONDS = 0.03
MIN_WRITES = 5
"""Number of acknowledged writes between two kills."""


@dataclass
class Site:
    """A server with an embedded database. A killed server is started again on the same ports."""

    folder: Path
    server: ServerProcess
    recoveries: list[float] = field(default_factory=list)
    """The seconds from each kill to the next acknowledged write."""

    @property
    def address(self) -> Address:
        return Address(self.server.address, self.server.internal_address)

    @property
    def database(self) -> Path:
        return self.folder / "postgres"

    def kill_server(self) -> None:
        self.server.kill()
        ports = ("--listen", self.address.public, "--internal-listen", self.address.internal)
        self.server = ServerProcess(self.folder, *ports)

    def kill_postmaster(self) -> None:
        postmaster.send(self.database, signal.SIGKILL)

    def kill_any_process_of_postgresql(self, draw: random.Random) -> None:
        """Kills one of PostgreSQL's other processes. The postmaster then ends all of them, and recovers."""
        with suppress(psycopg.OperationalError), psycopg.connect(EmbeddedPostgres(self.folder).url) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
            os.kill(draw.choice(rows)[0], signal.SIGKILL)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path, ServerProcess(tmp_path))
    yield running
    assert running.server.stop() == 0


@contextmanager
def load(site: Site) -> Iterator[list[RecordingClient]]:
    """Runs clients that write and read without a pause, and keeps their journals."""
    clients = [RecordingClient(lambda: [site.address], thinking_seconds=THINKING_SECONDS) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()


def kill_repeatedly(site: Site, kills: list[Callable[[], None]], draw: random.Random) -> None:
    """Kills under load, each time once writes are acknowledged again. Then compares what was acknowledged."""
    with (
        load(site) as clients,
        channel_to(site.address.public) as channel,
        channel_to(site.address.internal) as internal,
    ):
        probe = Insured(channel, internal).set_up()
        for kill in kills:
            until_written(clients)
            time.sleep(draw.uniform(0.0, 0.5))  # the instant of the kill is random
            killed_at = time.monotonic()
            kill()
            write(probe, draw)
            site.recoveries.append(time.monotonic() - killed_at)
    comparison = compared(site.address, clients)
    print(
        f"{len(kills)} kills: {comparison}; serving again after {statistics.median(site.recoveries):.1f} s (median),"
        f" {max(site.recoveries):.1f} s (longest)"
    )
    assert comparison.faults == []
    assert comparison.requests + comparison.applications >= MIN_WRITES * len(kills)


def until_written(clients: list[RecordingClient]) -> None:
    """Waits until enough writes are acknowledged for the next kill."""
    enough = acknowledged(clients) + MIN_WRITES
    wait_until(lambda: acknowledged(clients) >= enough, "clients have written")


def acknowledged(clients: list[RecordingClient]) -> int:
    """Returns how many writes were acknowledged to all clients."""
    return sum(len(client.journal.request_ids) + len(client.journal.application_ids) for client in clients)


def write(probe: Insured, draw: random.Random) -> None:
    """Returns when a write is acknowledged."""
    family = probe.family
    change = family.enroll(draw.choice([family.base, family.plus]), f"{draw.randint(2026, 2040)}-01-01")
    request = family.request(change, requester=admin())
    wait_until(
        lambda: family.requests.SubmitChangeRequest(request, timeout=4), "a write is acknowledged", retried=RETRIED
    )


def test_kills_of_the_server_lose_and_double_nothing(site: Site) -> None:
    draw = seeded(f"{SERVER_KILLS} kills of the server")
    kill_repeatedly(site, [site.kill_server] * SERVER_KILLS, draw)


def test_kills_of_postgresql_lose_and_double_nothing(site: Site) -> None:
    """The server starts its embedded database again, as a supervisor does with another one."""
    draw = seeded(f"{POSTGRES_KILLS} kills of PostgreSQL")
    kinds = [site.kill_postmaster, lambda: site.kill_any_process_of_postgresql(draw)]
    kill_repeatedly(site, [kinds[n % 2] for n in range(POSTGRES_KILLS)], draw)


def test_a_lost_acknowledged_request_is_found(site: Site) -> None:
    """Tests the comparison itself: it reports a request and an application that were never sent."""
    with load(site) as clients:
        wait_until(lambda: all(len(c.journal.operations) > 2 for c in clients), "all clients have called")
    clients[0].journal.request_ids.add("invented request")
    clients[1].journal.application_ids.add("invented application")
    assert compared(site.address, clients).faults == [
        "request invented request was acknowledged and is not stored",
        "application invented application was acknowledged and is not stored",
    ]
