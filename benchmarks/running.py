"""Starts servers and databases to measure, and callers that keep a server busy for a fixed time."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.channels import connected_to

SECONDS = 5.0


def exit_on_sigterm() -> None:
    """Stops servers and databases before a program that receives SIGTERM ends. Further signals don't interrupt that."""

    def exit_once(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, exit_once)


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """A server with its own database. `channel` retries calls that the server rejects."""

    process: ServerProcess
    channel: grpc.Channel
    url: str
    folder: Path
    flags: tuple[str, ...]

    @property
    def address(self) -> str:
        return self.process.address

    @property
    def pids(self) -> dict[str, int]:
        """The processes whose CPU time a call uses."""
        postmaster = self.folder / "database" / "postgres" / "postmaster.pid"
        return {"server": self.process.process.pid, "postgres": int(postmaster.read_text().split()[0])}

    def internal_channel(self) -> grpc.Channel:
        return connected_to(self.process.internal_address)

    @contextmanager
    def restarted(self) -> "Iterator[MeasuredServer]":
        """Starts a new server on the same database. Stop the old one first."""
        with _started(self.url, self.folder, self.flags) as server:
            yield server


@contextmanager
def measured_server(*flags: str, environment: Mapping[str, str] | None = None) -> Iterator[MeasuredServer]:
    """Starts a new server on a new database."""
    exit_on_sigterm()
    with TemporaryDirectory() as name:
        postgres = EmbeddedPostgres.start(Path(name) / "database")
        try:
            with _started(postgres.url, Path(name), flags, environment) as server:
                yield server
        finally:
            postgres.stop()


@contextmanager
def _started(
    url: str, folder: Path, flags: tuple[str, ...], environment: Mapping[str, str] | None = None
) -> Iterator[MeasuredServer]:
    server = ServerProcess(folder / "server", "--database-url", url, *flags, environment=environment)
    try:
        with connected_to(server.address) as channel:
            yield MeasuredServer(server, channel, url, folder, flags)
    finally:
        server.stop()


def calls_per_second(call: Callable[[int], object], callers: int, seconds: float = SECONDS) -> float:
    """Returns the calls per second of several callers, each of which waits for its response before the next call."""
    until = time.perf_counter() + seconds

    def work(caller: int) -> int:
        done = 0
        while time.perf_counter() < until:
            call(caller)
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        done = sum(threads.map(work, range(callers)))
    return done / (time.perf_counter() - began)
