"""Computes premium runs: in this process if one part is left, otherwise in several processes or on a Dask cluster.

Any number of servers can do so concurrently: each part of a run is locked in the database while it is computed.
"""

import asyncio
import contextlib
import os
import sys
from typing import Any, Protocol

import structlog

from operations.core import Core
from operations.premium_runs import do_parts
from server.settings import premium_process_count
from server.system import own_call
from server.workers import premium_worker
from server.workers.premium_worker import DATABASE, RunDatabase, work
from storage.premium_runs import count_left

RETRY_SECONDS = 5.0
"""Pause after a failure, which may be that of an engine that is expensive to start."""
RETRIES = 10

log = structlog.get_logger()


class Engine(Protocol):
    """Computes the parts of premium runs somewhere."""

    async def work(self, url: str) -> None:
        """Computes parts of the runs in a database until none is left."""
        ...


class Processes:
    """A number of processes on this machine."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def work(self, url: str) -> None:
        started = [await self._start(url) for _ in range(self._count)]
        try:
            for code in await asyncio.gather(*(process.wait() for process in started)):
                if code:
                    log.warning("premium_worker_failed", exit_code=code)
        finally:
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    async def _start(self, url: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            premium_worker.__name__,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, DATABASE: url},
        )


class DaskMissing(Exception):
    """A Dask cluster is configured, but the package for it is not installed."""


class DaskCluster:
    """A Dask cluster. Its workers need this program, and access to the database. Raises DaskMissing."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as missing:
            raise DaskMissing(
                "Premium runs on a Dask cluster require the extra dask: pip install 'affilia-server[dask]'"
            ) from missing
        self._distributed: Any = distributed
        self._address = address.replace("dask://", "tcp://")

    async def work(self, url: str) -> None:
        """Submits one task per thread of the cluster. If a worker dies, another one takes over its task."""
        async with self._distributed.Client(self._address, asynchronous=True) as client:
            await client.wait_for_workers(1)
            threads = sum((await client.nthreads()).values())
            database = RunDatabase(url)
            await client.gather([client.submit(work, database, pure=False, retries=RETRIES) for _ in range(threads)])


def engine_of(setting: str) -> Engine:
    """Returns the engine of a setting: `processes`, `processes:3`, or `dask://host:port`. Raises DaskMissing."""
    if setting.startswith("dask://"):
        return DaskCluster(setting)
    return Processes(premium_process_count(setting))


async def run_premiums(core: Core, url: str, engine: Engine) -> None:
    """Computes the remaining parts of all runs, including those that a dead server left."""
    call = own_call("premium-run")
    while True:
        core.runs_wanted.clear()
        async with core.database.reading() as connection:
            left = await count_left(connection)
        if left > 1:
            await engine.work(url)
        elif left:
            await do_parts(core, call)
        await core.runs_wanted.wait()
