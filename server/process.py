"""A server process: it serves until SIGTERM or Ctrl-C, then drains. `startup.py` has the order of a start."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
import uvloop

from server.announcing import Prepare, announce
from server.garbage_collection import GC_THRESHOLDS
from server.settings import Settings
from server.startup import START_ERRORS, RunningServer, running_server
from server.stop_signals import stop_on_signals
from server.telemetry import log as logging

OnReady = Callable[[RunningServer], Awaitable[None]]
"""Called when the server answers calls."""

log = structlog.get_logger()


def run(settings: Settings, prepare: Prepare | None = None) -> None:
    """Serves on an event loop of its own. If the server can't start, prints why and exits with status 1."""

    async def make_ready(server: RunningServer) -> None:
        advice = await prepare(settings, server.public.address) if prepare else ""
        announce(settings, server.public.address, server.internal.address, [server.metrics_address], advice)

    logging.configure(settings)
    try:
        on_event_loop(serve(settings, make_ready, asyncio.Event()))
    except START_ERRORS as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None


def on_event_loop(serving: Coroutine[Any, Any, None]) -> None:
    """Runs a server on its own event loop. Raises START_ERRORS."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serving)
    finally:
        # Otherwise the interpreter searches all objects for cycles at exit, which takes seconds after thousands of
        # streams.
        gc.freeze()


async def serve(settings: Settings, on_ready: OnReady, stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, by SIGTERM, SIGINT or the caller, then drains. A later signal ends the process.

    Raises START_ERRORS.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    # Otherwise the loop registers all asynchronous generators, to close them at its end. All of ours are closed before,
    # and registering them takes 0.6 KiB for each open stream.
    sys.set_asyncgen_hooks(firstiter=None)
    stop_on_signals(stopping)
    async with running_server(settings) as server:
        stopped = asyncio.create_task(stopping.wait())
        readying = asyncio.ensure_future(on_ready(server))
        await asyncio.wait({stopped, readying}, return_when=asyncio.FIRST_COMPLETED)
        if readying.done():
            await readying
            await stopped
        readying.cancel()
        log.info("draining", seconds=settings.drain_seconds)
