"""The parent of several server processes: prepares the database once, and runs the processes until it is stopped.

It serves no calls. The processes listen on the same addresses, and the operating system distributes new connections.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvloop

from server.addresses import AddressTaken, reserved
from server.announcing import Prepare, announce
from server.database_setup import PREPARE_ERRORS, prepare_database
from server.processes.group import REGISTRY, ProcessGroup
from server.processes.probes import GroupProbes
from server.processes.server_process import ProcessNotStarted
from server.settings import EMBEDDED, Settings
from server.stop_signals import stop_on_signals
from server.telemetry import log as logging
from server.telemetry.monitoring import monitored
from storage.postgres.embedded import EmbeddedPostgres

log = structlog.get_logger()


def run(settings: Settings, prepare: Prepare | None = None) -> None:
    """Serves with several processes until SIGTERM or SIGINT.

    Prints why and exits with status 1 if they can't start. Also exits with 1 if one of them fails while it drains.
    """
    logging.configure(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            has_drained = runner.run(_run(settings, prepare))
    except (AddressTaken, ProcessNotStarted, *PREPARE_ERRORS) as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None
    if not has_drained:
        raise SystemExit(1)


async def _run(settings: Settings, prepare: Prepare | None) -> bool:
    """Returns whether all processes drained without an error.

    Raises AddressTaken, ProcessNotStarted, PREPARE_ERRORS.
    """
    group, stopping = ProcessGroup(), asyncio.Event()
    probes = GroupProbes(lambda: group.processes)
    stop_on_signals(stopping, before_forced_stop=group.kill)
    with monitored(settings.metrics_listen, probes, REGISTRY) as metrics:
        async with _prepared_database(settings):
            with reserved(settings.listen) as public, reserved(settings.internal_listen) as internal:
                shared = settings.model_copy(update={"listen": public, "internal_listen": internal})
                try:
                    await _serve(shared, group, metrics, prepare, stopping)
                finally:
                    probes.drain()
                    has_drained = await group.drain()
    return has_drained


@asynccontextmanager
async def _prepared_database(settings: Settings) -> AsyncIterator[None]:
    """Migrates the database, and runs it if it is the embedded one. Raises PREPARE_ERRORS."""
    embedded = EmbeddedPostgres.start(settings.data_dir) if settings.database_url in ("", EMBEDDED) else None
    try:
        await asyncio.to_thread(prepare_database, settings, embedded)
        yield
    finally:
        if embedded:
            embedded.stop()


async def _serve(
    settings: Settings, group: ProcessGroup, metrics: str, prepare: Prepare | None, stopping: asyncio.Event
) -> None:
    """Starts the processes and keeps them running until `stopping` is set. Raises ProcessNotStarted."""

    async def start_and_watch() -> None:
        metrics_of_processes = await group.start(settings)
        advice = await prepare(settings, settings.listen) if prepare else ""
        announce(settings, settings.listen, settings.internal_listen, [metrics, *metrics_of_processes], advice)
        await group.watch()

    stopped, running = asyncio.create_task(stopping.wait()), asyncio.create_task(start_and_watch())
    try:
        await asyncio.wait({stopped, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # raises why the processes didn't start
    finally:
        running.cancel()
        await asyncio.wait({running})
    log.info("draining", seconds=settings.drain_seconds)
