"""A worker of premium runs: does parts until none is left. A program of its own (`python -m
server.workers.premium_worker`), or a task on somebody else's cluster: it needs nothing but the database."""

import asyncio
import gc
import os
import sys
import threading

from server.cycles import GC_THRESHOLDS
from server.operations.core import core_on
from server.operations.premium_runs import do_parts
from server.system import own_call
from storage.database import Database

DATABASE = "AFFILIA_DATABASE_URL"


def work(url: str) -> int:
    """Does parts of runs in a database until none is left; says how many it did. Raises DatabaseUnavailable."""
    return asyncio.run(_work(url))


async def _work(url: str) -> int:
    database = Database(url, pool_size=2)
    await database.open()
    try:
        return await do_parts(core_on(database), own_call("premium-run"))
    finally:
        await database.close()


def _end_with_parent() -> None:
    """The server holds the other end of our input: when it is gone, so are we; what we had begun is undone."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work(os.environ[DATABASE])
