"""A server to measure, in a process of its own, and callers that keep it busy for a bounded time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from tests.conftest import ServerProcess

SECONDS = 5.0


@contextmanager
def a_server() -> Iterator[tuple[ServerProcess, grpc.Channel]]:
    """A fresh server on an embedded database, and a channel to it."""
    with TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        with grpc.insecure_channel(server.address) as channel:
            yield server, channel
        server.stop()


def calls_per_second(call: Callable[[int], object], callers: int, seconds: float = SECONDS) -> float:
    """How many calls a second some callers get answered, each waiting for its answer before the next."""
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
