"""`python -m benchmarks.profile submit|read|quote|check`: prints where the CPU time of one call goes, by layer.

The server is sampled (profiled_server.py) while callers send the calls. Times per call are shares of samples, scaled to
the CPU time that the main thread used per call. gRPC's own threads and PostgreSQL are below them.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from affilia.enrollment.v1 import enrollment_query_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2 as quote_pb
from benchmarks import ROOT
from benchmarks.groups import CHECKED_ON, Groups
from benchmarks.layers import Layer, by_layer
from benchmarks.load import Load, Outcome, run
from benchmarks.quotes import METHOD as QUOTE
from benchmarks.quotes import quote
from benchmarks.read_model import free_address, until_loaded
from benchmarks.reads import METHOD as READ
from benchmarks.running import exit_on_sigterm
from benchmarks.submits import METHOD as SUBMIT
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import READY
from tests.rpc.test_costs import priced_contract
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.insured import Insured
from tests.support.waiting import wait_until

CHECK = "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility"
CALLERS = 32
SECONDS = 6.0
GROUPS = 12_000
"""More than the server caches, so that each check is computed."""
FLAGS = ("--dev", "--no-sample-book", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")
FUNCTIONS = 4
"""Number of functions that are printed of each layer."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A sampled server and its database."""

    process: "subprocess.Popen[str]"
    channel: grpc.Channel
    internal: grpc.Channel
    url: str
    metrics: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile")
    parser.add_argument("path", choices=PATHS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    exit_on_sigterm()
    with TemporaryDirectory() as name:
        folder = Path(name)
        postgres = EmbeddedPostgres.start(folder / "database")
        try:
            with _profiled(folder, postgres.url) as (server, address):
                method, requests = PATHS[given.path](server)
                server.process.send_signal(signal.SIGUSR1)
                load = Load(method=method, requests=requests, callers=CALLERS, seconds=given.seconds)
                postmaster = int((folder / "database/postgres/postmaster.pid").read_text().split()[0])
                outcome = run(load, address, pids={"server": server.process.pid, "postgres": postmaster})
        finally:
            postgres.stop()
        print(_report(given.path, outcome, json.loads((folder / "samples").read_text())))


@contextmanager
def _profiled(folder: Path, url: str) -> Iterator[tuple[Profiled, str]]:
    metrics = free_address()
    command = [
        sys.executable, "-m", "benchmarks.profiled_server", str(folder / "samples"), "serve", *FLAGS,
        "--data-dir", str(folder), "--database-url", url, "--metrics-listen", metrics,
        "--max-calls", "400", "--calls-per-caller", "200",
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 (it is a pipe)
        ready = next((found for line in process.stdout if (found := READY.match(line))), None)
        if ready is None:
            raise RuntimeError(f"the server did not start:\n{log.read_text()}")
        with connected_to(ready[1]) as channel, connected_to(ready[2]) as internal:
            yield Profiled(process, channel, internal, url, metrics), ready[1]
    finally:
        process.terminate()
        process.wait()


def _submit(server: Profiled) -> tuple[str, list[bytes]]:
    groups = Groups(server.url, Family(server.channel).set_up(), GROUPS)
    return SUBMIT, groups.submits(groups.primaries)


def _read(server: Profiled) -> tuple[str, list[bytes]]:
    family = Family(server.channel).set_up()
    family.submit(family.enroll(family.base, "2026-01-01"))
    return READ, [enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key).SerializeToString()]


def _quote(server: Profiled) -> tuple[str, list[bytes]]:
    family = Family(server.channel).set_up()
    family.amend(priced_contract(family))
    return QUOTE, [quote_pb.GetInsuranceCostRequest(inquiry=quote(family)).SerializeToString()]


def _check(server: Profiled) -> tuple[str, list[bytes]]:
    insured = Insured(server.channel, server.internal).set_up()
    groups = Groups(server.url, insured.family, GROUPS)
    insured.rebuild()
    newest = str(groups.primaries[-1])
    wait_until(lambda: insured.check(CHECKED_ON, newest).covered, "the previous read model is dropped")
    until_loaded(server.metrics)
    return CHECK, groups.checks()


PATHS: dict[str, Callable[[Profiled], tuple[str, list[bytes]]]] = {
    "submit": _submit,
    "read": _read,
    "quote": _quote,
    "check": _check,
}


def _report(path: str, outcome: Outcome, sampled: Any) -> str:
    layers = by_layer((each["frames"], each["samples"]) for each in sampled["stacks"])
    seconds = sampled["main_seconds"], sampled["other_seconds"]
    main_us, others_us = (outcome.cpu_us["server"] * each / sum(seconds) for each in seconds)
    samples = sum(layer.samples for layer in layers)
    lines = [
        f"{path}: {outcome.cpu_us['server']:.0f} us of the server's CPU per call ({outcome.calls} calls,"
        f" {samples} samples)",
        *(_line(layer, main_us / samples) for layer in layers),
        f"{'threads of gRPC and others':<26}{others_us:>8.0f} us",
        f"{'PostgreSQL':<26}{outcome.cpu_us['postgres']:>8.0f} us",
    ]
    return "\n".join(lines)


def _line(layer: Layer, sample_us: float) -> str:
    largest = ", ".join(
        f"{function} {samples * sample_us:.0f}" for function, samples in layer.functions.most_common(FUNCTIONS)
    )
    return f"{layer.name:<26}{layer.samples * sample_us:>8.0f} us   {largest}"


if __name__ == "__main__":
    main()
