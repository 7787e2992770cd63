"""A group of server processes: starts them, restarts those that end, and drains them."""

import asyncio
import signal

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from server.processes.server_process import ProcessNotStarted, ServerProcess
from server.settings import Settings

FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 10.0
STABLE_SECONDS = 60.0
"""A process that ran for longer than this is started again after the first pause."""

REGISTRY = CollectorRegistry()
"""The metrics of the parent. It has no metrics of a server, which would all be 0."""
READY = Gauge("affilia_processes_ready", "Server processes that answer calls.", registry=REGISTRY)
RESTARTS = Counter(
    "affilia_process_restarts", "Restarts of server processes, by number.", ["process"], registry=REGISTRY
)
ProcessCollector(registry=REGISTRY)

log = structlog.get_logger()


class ProcessGroup:
    """The server processes of one parent."""

    def __init__(self) -> None:
        self.processes: list[ServerProcess] = []

    async def start(self, settings: Settings) -> list[str]:
        """Starts all processes, and waits until they serve calls. Returns the addresses of their metrics.

        Raises ProcessNotStarted.
        """
        self.processes = [ServerProcess(number, settings) for number in range(1, settings.processes + 1)]
        READY.set_function(lambda: sum(process.is_ready for process in self.processes))
        return await asyncio.gather(*(process.start() for process in self.processes))

    async def watch(self) -> None:
        """Restarts each process that ends, until cancelled."""
        async with asyncio.TaskGroup() as watching:
            for process in self.processes:
                watching.create_task(_keep_running(process))

    async def drain(self) -> bool:
        """Drains all processes concurrently. Returns whether those that served calls ended without an error."""
        ready = [process for process in self.processes if process.is_ready]
        self._send_all(signal.SIGTERM)
        await asyncio.gather(*(process.wait_ended() for process in self.processes))
        return not any([await process.wait_ended() for process in ready])

    def kill(self) -> None:
        """Ends all processes immediately."""
        self._send_all(signal.SIGKILL)

    def _send_all(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send(number)


async def _keep_running(process: ServerProcess) -> None:
    """Restarts a process whenever it ends. The delay grows while it keeps ending soon after its start."""
    loop = asyncio.get_running_loop()
    pause, started_at = FIRST_PAUSE_SECONDS, loop.time()
    while True:
        status = await process.wait_ended()
        if loop.time() - started_at > STABLE_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        log.error("process_ended", process=process.number, status=status, restart_in_seconds=pause)
        await asyncio.sleep(pause)
        pause, started_at = min(2 * pause, MAX_PAUSE_SECONDS), loop.time()
        RESTARTS.labels(process.number).inc()
        try:
            await process.start()
        except ProcessNotStarted as failed:
            log.error("process_not_started", process=process.number, reason=str(failed))
        else:
            log.warning("process_restarted", process=process.number)
