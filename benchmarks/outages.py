"""`make outages`: three servers on one database under mixed load; one is frozen, one killed, PostgreSQL restarted.

The argument is the number of minutes (default 10). Nothing acknowledged may be lost or doubled, and the feed must hold
every revision in order. Clients of the server that nothing happens to must not notice the others' outages: their
95th percentile stays within three times that of the quiet phase. For each phase, the drill also prints the longest time
that a client of a struck server waited. A run with too little traffic fails. kill -9 does not test a power cut.
"""

import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import make_application_role, migrate
from tests.conftest import ServerProcess
from tests.support.comparison import compared
from tests.support.recording_clients import Address, Operation, RecordingClient

SERVERS = 3
FROZEN, KILLED, SPARED = range(SERVERS)
CLIENTS_PER_SERVER = 4
ROLE = "affilia"
PROMISED_SECONDS = 15.0
PROMISED_RATIO = 3.0
MIN_OPERATIONS_PER_MINUTE = 200


@dataclass(frozen=True, slots=True)
class Phase:
    """A named span of the system's clock, in seconds."""

    name: str
    began: float
    ended: float

    def contains(self, operation: Operation) -> bool:
        return self.began <= operation.began < self.ended

    def overlaps(self, operation: Operation) -> bool:
        return operation.began < self.ended and operation.ended > self.began


class Cluster:
    """Servers on one database, with methods that freeze, kill and restart them."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self._folder = folder
        self._postgres = postgres
        self._servers = [self._begin(n) for n in range(SERVERS)]

    def _begin(self, number: int) -> ServerProcess:
        owner, application = self._postgres.url, self._postgres.url_of(ROLE)
        return ServerProcess(self._folder / f"server-{number}", "--database-url", application, "--migration-url", owner)

    def addresses(self) -> list[Address]:
        return [Address(server.address, server.internal_address) for server in self._servers]

    @contextmanager
    def frozen(self, number: int) -> Iterator[None]:
        """Freezes a server for a while, then lets it continue."""
        self._servers[number].process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._servers[number].process.send_signal(signal.SIGCONT)

    def kill_and_begin(self, number: int, seconds: float) -> None:
        """Kills a server, and replaces it after a while."""
        self._servers[number].kill()
        time.sleep(seconds)
        self._servers[number] = self._begin(number)

    def restart_postgres(self) -> None:
        """Restarts PostgreSQL as an operator does (fast shutdown)."""
        pid_file = self._folder / "postgres" / "postgres" / "postmaster.pid"
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        while pid_file.exists():
            time.sleep(0.05)
        self._postgres.ensure_running()

    def stop(self) -> None:
        for server in self._servers:
            server.stop(60)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with TemporaryDirectory() as name:
        folder = Path(name)
        postgres = EmbeddedPostgres.start(folder / "postgres")
        try:
            make_application_role(postgres.url, ROLE)
            migrate(postgres.url, ROLE)
            faults = _drill(Cluster(folder, postgres), minutes)
        finally:
            postgres.stop()
    for fault in faults:
        print(f"FAULT {fault}")
    raise SystemExit(1 if faults else 0)


def _drill(cluster: Cluster, minutes: float) -> list[str]:
    """Returns all violations of guarantees."""
    clients = [RecordingClient(cluster.addresses, n % SERVERS) for n in range(SERVERS * CLIENTS_PER_SERVER)]
    for client in clients:
        client.start()
    phases = list(_strike(cluster, minutes * 60))
    for client in clients:
        client.stop()
    operations = sum(len(client.journal.operations) for client in clients)
    print(f"{operations} operations acknowledged to {len(clients)} clients in {minutes:g} minutes")
    faults = []
    if operations < minutes * MIN_OPERATIONS_PER_MINUTE:
        faults.append(f"only {operations} operations: too little traffic to show anything")
    faults += _latencies(clients, phases)
    comparison = compared(cluster.addresses()[SPARED], clients)
    print(comparison)
    faults += comparison.faults
    cluster.stop()
    return faults


def _strike(cluster: Cluster, seconds: float) -> Iterator[Phase]:
    """The phases of the drill, each as long as its share of the time."""
    yield _during("quiet", seconds * 0.25)
    with cluster.frozen(FROZEN):
        yield _during("server 0 frozen", seconds * 0.2)
    yield _during("server 0 continued", seconds * 0.1)
    began = time.time()
    cluster.kill_and_begin(KILLED, seconds * 0.1)
    yield Phase("server 1 killed", began, time.time())
    yield _during("server 1 begun", seconds * 0.1)
    began = time.time()
    cluster.restart_postgres()
    time.sleep(seconds * 0.05)
    yield Phase("PostgreSQL restarted", began, time.time())
    yield _during("quiet again", seconds * 0.2)


def _during(name: str, seconds: float) -> Phase:
    began = time.time()
    time.sleep(seconds)
    return Phase(name, began, time.time())


def _latencies(clients: Sequence[RecordingClient], phases: Sequence[Phase]) -> list[str]:
    """Prints, for each phase, how long clients of each server waited; returns what exceeds the promises."""
    faults = []
    spared = [op for client in clients if client.home == SPARED for op in client.journal.operations]
    quiet = _percentile_95([op.seconds for op in spared if phases[0].contains(op)])
    print(f"{'phase':22} {'operations':>10} {'p95 of the spared':>18} {'ratio':>6} {'longest wait of others':>23}")
    for phase in phases:
        waited = [op.seconds for op in spared if phase.contains(op)]
        others = [op.seconds for c in clients if c.home != SPARED for op in c.journal.operations if phase.overlaps(op)]
        ratio = _percentile_95(waited) / quiet
        longest = max(others, default=0.0)
        print(
            f"{phase.name:22} {len(waited) + len(others):10} {_percentile_95(waited) * 1000:15.0f} ms {ratio:6.2f}"
            f" {longest:21.1f} s"
        )
        if ratio > PROMISED_RATIO and "PostgreSQL" not in phase.name:
            faults.append(f"{phase.name}: the p95 of clients of the spared server is {ratio:.1f} x the quiet one")
        if longest > PROMISED_SECONDS:
            faults.append(f"{phase.name}: a client waited {longest:.1f} s")
    return faults


def _percentile_95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else float("nan")


if __name__ == "__main__":
    main()
