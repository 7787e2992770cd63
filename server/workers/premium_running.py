"""Sees to it that premium runs are done: in this process where little is left, else in processes that use every core,
or on a Dask cluster. Any number of servers may do so at once; the database says who does which part."""

import asyncio
import contextlib
import os
import sys
from typing import Any, Protocol

import structlog

from domain.errors import DomainError
from server.log import where
from server.operations.core import Core
from server.operations.premium_runs import do_parts
from server.system import own_call
from server.workers.premium_worker import DATABASE, work
from storage.premium_runs import count_left

POLL_SECONDS = 1.0
AGAIN_SECONDS = 5.0
RETRIES = 10

log = structlog.get_logger()


class Engine(Protocol):
    """Where parts are done."""

    async def work(self, url: str) -> None:
        """Does parts of the runs in a database until none is left."""
        ...


class Processes:
    """So many processes on this machine."""

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
            "server.workers.premium_worker",
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, DATABASE: url},
        )


class DaskMissing(Exception):
    """A cluster is named, and what it needs is not installed."""


class DaskCluster:
    """A Dask cluster whose workers have this program installed and reach the database. Raises DaskMissing."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as missing:
            raise DaskMissing(
                "A Dask cluster needs distributed: pip install distributed -c requirements-dev.lock"
            ) from missing
        self._distributed: Any = distributed
        self._address = address.replace("dask://", "tcp://")

    async def work(self, url: str) -> None:
        """One task for each thread of the cluster; when a worker dies, another one takes its task up."""
        async with self._distributed.Client(self._address, asynchronous=True) as client:
            await client.wait_for_workers(1)
            threads = sum((await client.nthreads()).values())
            await client.gather([client.submit(work, url, pure=False, retries=RETRIES) for _ in range(threads)])


def engine_of(setting: str) -> Engine:
    """`processes`, `processes:3`, or `dask://host:port`. Raises DaskMissing."""
    if setting.startswith("dask://"):
        return DaskCluster(setting)
    count = setting.partition(":")[2]
    return Processes(int(count) if count else os.cpu_count() or 1)


async def run_premiums_for_ever(core: Core, url: str, engine: Engine) -> None:
    """Does what runs leave to do, of this server and of others that died, until cancelled."""
    call = own_call("premium-run")
    while True:
        core.runs_wanted.clear()
        try:
            async with core.database.reading() as connection:
                left = await count_left(connection)
            if left > 1:
                await engine.work(url)
            elif left:
                await do_parts(core, call)
            pause = POLL_SECONDS
        except DomainError as away:
            log.warning("premium_runs_postponed", reason=away.reason)
            pause = AGAIN_SECONDS
        except Exception as error:
            log.error("premium_runs_failed", error=type(error).__name__, where=where(error))
            pause = AGAIN_SECONDS
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(core.runs_wanted.wait(), pause)
