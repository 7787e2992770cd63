"""Measures submits, reads and checks of the product and of the peer (peer_server.py) in turn, in one run.

Both have a database of their own with the same contract and as many groups. Checks ask about more members than the
product caches.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import ROOT
from benchmarks.figures import Figure
from benchmarks.groups import Groups
from benchmarks.load import Load, Outcome, run
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.side_by_side import compare
from tests.support.insured import Insured

SUBMIT = "/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest"
READ = "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup"
CHECK = "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility"
FLAGS = ("--max-calls", "400", "--calls-per-caller", "200")
CALLERS = 32
ROUNDS = 3
SECONDS = 3.0
GROUPS, GROUPS_PER_LOAD = 12_000, 1024
FACTOR = 5.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two services, with its groups."""

    address: str
    pids: dict[str, int]
    groups: Groups

    def submit(self) -> Outcome:
        return self._run(SUBMIT, self.groups.submits(self.groups.take(GROUPS_PER_LOAD)))

    def read(self) -> Outcome:
        return self._run(READ, self.groups.reads())

    def check(self) -> Outcome:
        return self._run(CHECK, self.groups.checks())

    def _run(self, method: str, requests: list[bytes]) -> Outcome:
        load = Load(method=method, requests=requests, callers=CALLERS, seconds=SECONDS)
        return run(load, self.address, pids=self.pids)


def measure() -> list[Figure]:
    with measured_server(*FLAGS) as server, measured_server(*FLAGS) as other:
        ours = Side(server.address, server.pids, _groups(server))
        its_groups = _groups(other)
        other.process.stop()
        with peer_server(other.url) as (address, pid):
            peer = Side(address, {**other.pids, "server": pid}, its_groups)
            return [
                *_figures("submits", ours.submit, peer.submit, at_least=FACTOR),
                *_figures("reads", ours.read, peer.read),
                *_figures("checks", ours.check, peer.check, at_least=FACTOR),
            ]


def _groups(server: MeasuredServer) -> Groups:
    with server.internal_channel() as internal:
        insured = Insured(server.channel, internal).set_up()
        groups = Groups(server.url, insured.family, GROUPS)
        insured.rebuild()  # so that checks know the groups
    return groups


@contextmanager
def peer_server(url: str) -> Iterator[tuple[str, int]]:
    """Starts the peer on a database that the product has set up. Yields its address and its process id."""
    command = [sys.executable, "-m", "benchmarks.peer_server", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def _figures(
    name: str, ours: Callable[[], Outcome], peers: Callable[[], Outcome], at_least: float | None = None
) -> list[Figure]:
    compared = compare({"ours": ours, "peer": peers}, ROUNDS)
    client, against = compared.client("ours"), "the same service with SQLAlchemy's ORM"
    factor, cpu_factor = (
        compared.ratio("ours", "peer"),
        sum(compared.cpu_us("peer", process) for process in ("server", "postgres"))
        / sum(compared.cpu_us("ours", process) for process in ("server", "postgres")),
    )
    return [
        Figure(name=f"peer.{name}.factor", value=factor, unit="x", at_least=at_least, against=against, client=client),
        Figure(name=f"peer.{name}.cpu_factor", value=cpu_factor, unit="x", against="its CPU time per call"),
        *compared.figures("ours", f"peer.{name}.ours"),
        *compared.figures("peer", f"peer.{name}.peer"),
    ]
