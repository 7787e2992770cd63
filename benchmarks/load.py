"""Sends load to gRPC servers, and measures it: `run` sends calls, `streams` opens streams and reads them.

The load generator is a program in Go (load_generator/), built when it is first used, which uses much less CPU than a
client in Python. Without Go, a Python program with the same flags replaces it (python_load.py). It competes with the
server for the CPU, so that rates are lower: every result names its client.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import ROOT
from benchmarks.usage import cpu_seconds

SOURCE = ROOT / "benchmarks" / "load_generator"
PROGRAM = ROOT / ".build" / "load_generator"

NEW_ID = "00000000-0000-4000-8000-000000000000"
"""Replaced by a new random UUID in every copy of a request that is sent, once per request."""
PER_CONNECTION = 100
"""Maximum number of streams of one connection."""


class LoadFailed(Exception):
    """The load generator ended with an error."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program that generates load."""

    name: str
    command: tuple[str, ...]


PYTHON = Client("python", (sys.executable, "-m", "benchmarks.python_load"))


@cache
def default_client() -> Client:
    """Returns the load generator in Go, which it builds, or the one in Python if that is impossible."""
    go = shutil.which("go")
    if go is None:
        print("Go is not installed: the load comes from Python, and rates are lower.", file=sys.stderr)
        return PYTHON
    command = [go, "build", "-buildvcs=false", "-trimpath", "-o", str(PROGRAM), "."]
    built = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    if built.returncode:
        print(f"The load comes from Python, because go build failed:\n{built.stderr}", file=sys.stderr)
        return PYTHON
    return Client("go", (str(PROGRAM),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Calls of one method, whose serialized requests are taken in turn.

    By default, `callers` each wait for their response before their next call (closed loop). With a `rate`, that many
    calls per second are sent without waiting (open loop). Connections are distributed over all addresses.
    """

    method: str
    requests: Sequence[bytes]
    callers: int = 64
    rate: float = 0.0
    connections: int = 8
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    deadline_seconds: float = 30.0
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Durations:
    """The calls with one status, from sending the request to receiving the status."""

    calls: int
    p50_seconds: float
    p99_seconds: float
    max_seconds: float
    message: str
    """The status message of one of the calls."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in the measured window. `statuses` are by name in camel case: `OK`, `ResourceExhausted`."""

    client: str
    rate: float
    """Calls per second that succeeded."""
    sent_rate: float
    """Calls per second that were sent."""
    calls: int
    """Calls that ended in the window, with any status."""
    statuses: Mapping[str, Durations]
    lag_p99_seconds: float
    lag_max_seconds: float
    """How long after their due time calls were sent. If this is long, the client was overloaded, too."""
    client_cpu_us: float
    """CPU time of the load generator per call."""
    response_bytes: float
    """Mean size of a successful response."""
    cpu_us: Mapping[str, float]
    """CPU time per call of the other processes that were measured."""

    @property
    def ok(self) -> Durations:
        """The successful calls. Raises LoadFailed if there were none."""
        if "OK" not in self.statuses:
            raise LoadFailed(f"no call succeeded: {self.statuses}")
        return self.statuses["OK"]


def run(load: Load, *addresses: str, pids: Mapping[str, int] | None = None, client: Client | None = None) -> Outcome:
    """Sends calls to one or more servers. `pids` are processes whose CPU time to measure, with their descendants.

    Raises LoadFailed if the load generator can't connect. Calls that fail are part of the outcome.
    """
    client, pids = client or default_client(), pids or {}
    with _started(client, load, addresses, ()) as process:
        _wait_for(process, "begin")
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        _wait_for(process, "end")
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        report = _report(process)
    calls = report["ended"]
    return Outcome(
        client=client.name,
        rate=report["rate"],
        sent_rate=report["sent_rate"],
        calls=calls,
        statuses={
            status: Durations(of_one["calls"], of_one["p50"], of_one["p99"], of_one["max"], of_one["message"])
            for status, of_one in sorted(report["statuses"].items())
        },
        lag_p99_seconds=report["lag_p99"],
        lag_max_seconds=report["lag_max"],
        client_cpu_us=report["client_cpu"] * 1e6,
        response_bytes=report["response_bytes"],
        cpu_us={name: seconds / max(calls, 1) * 1e6 for name, seconds in used.items()},
    )


class Streams:
    """Open streams, which another process reads."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def end(self) -> dict[str, int]:
        """Cancels the streams. Returns how many ended with each status."""
        self._process.send_signal(signal.SIGTERM)
        ends: dict[str, int] = _report(self._process)["ends"]
        return ends


@contextmanager
def streams(address: str, method: str, request: bytes, count: int, client: Client | None = None) -> Iterator[Streams]:
    """Opens streams and reads them until the end of the context. Returns when each has received a first message.

    Raises LoadFailed if a stream ends before.
    """
    load = Load(method=method, requests=[request], connections=-(-count // PER_CONNECTION))
    with _started(client or default_client(), load, [address], [f"-streams={count}"]) as process:
        _wait_for(process, "open")
        yield Streams(process)


@contextmanager
def _started(
    client: Client, load: Load, addresses: Sequence[str], more: Sequence[str]
) -> Iterator["subprocess.Popen[str]"]:
    with TemporaryDirectory() as folder:
        requests = Path(folder) / "requests"
        requests.write_bytes(b"".join(len(each).to_bytes(4) + each for each in load.requests))
        flags = [
            f"-addresses={','.join(addresses)}", f"-method={load.method}", f"-requests={requests}",
            f"-callers={load.callers}", f"-rate={load.rate}", f"-connections={load.connections}",
            f"-seconds={load.seconds}", f"-warm-up={load.warm_up_seconds}", f"-deadline={load.deadline_seconds}",
            *(f"-metadata={key}={value}" for key, value in load.metadata), *more,
        ]  # fmt: skip
        process = subprocess.Popen(
            [*client.command, *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def _wait_for(process: "subprocess.Popen[str]", progress: str) -> None:
    """Reads what the load generator writes to standard error until it writes one line."""
    assert process.stderr is not None  # noqa: S101 (it is a pipe)
    lines: list[str] = []
    for line in process.stderr:
        if line.strip() == progress:
            return
        lines.append(line)
    raise LoadFailed("".join(lines) or f"the load generator ended with status {process.wait()}")


def _report(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate()
    if process.returncode:
        raise LoadFailed(errors or f"the load generator ended with status {process.returncode}")
    report: dict[str, Any] = json.loads(output)
    return report
