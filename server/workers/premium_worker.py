"""Computes parts of premium runs until none is left: as a program of its own, or as a task on a Dask cluster.

It needs only the database.
"""

import asyncio
import gc
import os
import sys
import threading
from dataclasses import dataclass, field

from domain.errors import DomainError
from operations.core import core_on
from operations.premium_runs import do_parts
from server.garbage_collection import GC_THRESHOLDS
from server.system import own_call
from storage.legacy.registry import BUILT_IN, LegacySources
from storage.postgres.database import Database
from storage.postgres.refusals import DatabaseRefused
from storage.postgres.sessions import PREMIUM_WORKER

DATABASE = "AFFILIA_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class RunDatabase:
    """The database of the runs. Its repr omits the URL, because a cluster logs the arguments of failed tasks."""

    url: str = field(repr=False)


def work(database: RunDatabase) -> int:
    """Computes parts of runs until none is left. Returns how many it computed.

    Raises DatabaseRefused, DatabaseUnavailable.
    """
    return asyncio.run(_work(database.url))


async def _work(url: str) -> int:
    database = Database(url, pool_size=2, kind=PREMIUM_WORKER)
    # Which sources a server has is a setting. With all of them, recomputes that waited are written to the legacy tables
    # of every country whose stage in the database requires it. The tables of other countries aren't touched.
    core = core_on(database, legacy=LegacySources.of(BUILT_IN))
    await database.open()
    try:
        return await do_parts(core, own_call("premium-run"))
    finally:
        await database.close()


def _end_with_parent() -> None:
    """Ends this process when the server, at the other end of the input pipe, has ended. Unfinished work rolls back."""
    # Not through sys.stdin: the waiting thread would hold its lock, without which Python aborts when it exits.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(RunDatabase(os.environ[DATABASE]))
    except (DatabaseRefused, DomainError) as error:
        sys.exit(f"premium worker: {error}")
