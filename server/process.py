"""The server process: it serves until SIGTERM or Ctrl-C, then drains. `startup.py` has the order of a start."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from server.garbage_collection import GC_THRESHOLDS
from server.settings import Settings
from server.startup import START_ERRORS, RunningServer, running_server
from server.telemetry import log as logging

Prepare = Callable[[Settings, str], Awaitable[str]]
"""Prepares a server before it reports ready, given its settings and the address of its public listener. Returns text to
print after that report, which may be empty."""

FORCED_STOP_STATUS = 130

log = structlog.get_logger()


def run(settings: Settings, prepare: Prepare | None = None) -> None:
    """Serves on an event loop of its own. If the server can't start, prints why and exits with status 1."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings, prepare))
    except START_ERRORS as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        # Otherwise the interpreter searches all objects for cycles at exit, which takes seconds after thousands of
        # streams.
        gc.freeze()


async def serve(settings: Settings, prepare: Prepare | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains. A second signal ends the process immediately."""
    logging.configure(settings)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(FORCED_STOP_STATUS)
        stopping.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    async with running_server(settings) as server:
        stopped = asyncio.create_task(stopping.wait())
        readying = asyncio.create_task(_make_ready(settings, server, prepare))
        await asyncio.wait({stopped, readying}, return_when=asyncio.FIRST_COMPLETED)
        if readying.done():
            await readying
            await stopped
        readying.cancel()
        log.info("draining", seconds=settings.drain_seconds)


async def _make_ready(settings: Settings, server: RunningServer, prepare: Prepare | None) -> None:
    """Prepares the server, then prints that it is ready, and the text that `prepare` returned."""
    advice = await prepare(settings, server.public.address) if prepare else ""
    _announce(settings, server)
    if advice:
        print(advice, flush=True)


def _announce(settings: Settings, server: RunningServer) -> None:
    """Prints that the server is ready, and its addresses."""
    print(
        f"affilia is ready: {server.public.address} (public), {server.internal.address} (internal)",
        flush=True,
    )
    if server.metrics_address:
        print(f"metrics: http://{server.metrics_address}/metrics", flush=True)
    if settings.dev:
        print(
            "WARNING --dev: the server runs without authentication. Anyone who can connect can do anything, and"
            " x-affilia-today and x-affilia-actor set the current day and the actor of a call. Use it on loopback only,"
            " and never with real data.",
            flush=True,
        )
