"""Starts a server to measure in a separate process, and callers that keep it busy for a fixed time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from tests.conftest import ServerProcess
from tests.support.channels import connected_to

SECONDS = 5.0


@contextmanager
def a_server() -> Iterator[tuple[ServerProcess, grpc.Channel]]:
    """Starts a new server on an embedded database, and opens a channel to it, which retries calls that it rejects."""
    with TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        with connected_to(server.address) as channel:
            yield server, channel
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
