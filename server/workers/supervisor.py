"""Runs background workers and restarts each one that fails. Failures are logged and counted here, and nowhere else.

All work that is left to do is in the database, so a restarted worker continues where the failed one stopped.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from domain.errors import DomainError, ShuttingDown
from operations.failures import described, sqlstate
from server.telemetry import metrics

RETRY_SECONDS = 1.0
CANCEL_AGAIN_SECONDS = 1.0
LOG_AGAIN_SECONDS = 60.0
"""A worker that keeps failing for the same reason logs it at most this often. The metric counts every failure."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Worker:
    """A task that runs as long as the server. `run` is called again, after a pause, whenever it fails or returns.

    It is not called again after ShuttingDown, which ends the streams of this process before the workers are stopped.
    """

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    retry_seconds: float = RETRY_SECONDS


class Supervisor:
    """Starts, restarts and stops workers."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, *workers: Worker) -> None:
        """Starts workers. Their names must be unique."""
        for worker in workers:
            self._tasks[worker.name] = asyncio.create_task(_run(worker), name=worker.name)

    async def stop(self, *names: str) -> None:
        """Stops the named workers, or all of them, and waits until they have ended."""
        pending = {self._tasks.pop(name) for name in names or list(self._tasks)}
        while pending:
            for task in pending:
                task.cancel()
            # A worker can mistake the cancellation for a failure of what it awaited, and go on: it is cancelled again.
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)


async def _run(worker: Worker) -> None:
    failures = _FailureLog(worker.name)
    while True:
        try:
            await worker.run()
        except ShuttingDown:
            return
        except Exception as error:
            if _is_cancelled():
                return
            failures.record(error)
        await asyncio.sleep(worker.retry_seconds)


def _is_cancelled() -> bool:
    """Returns whether this task was cancelled, even if the cancellation was turned into another exception."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _FailureLog:
    """Logs and counts the failures of one worker."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._last_reason = ""
        self._logged_at = float("-inf")

    def record(self, error: Exception) -> None:
        """Counts a failure, and logs it unless the same one was logged a moment ago."""
        expected = isinstance(error, DomainError)
        reason = error.reason if isinstance(error, DomainError) else type(error).__name__
        metrics.WORKER_FAILURES.labels(self._worker, reason).inc()
        now = asyncio.get_running_loop().time()
        if reason == self._last_reason and now - self._logged_at < LOG_AGAIN_SECONDS:
            return
        self._last_reason, self._logged_at = reason, now
        if expected:
            log.warning("worker_interrupted", worker=self._worker, reason=reason, sqlstate=sqlstate(error))
        else:
            log.error("worker_failed", worker=self._worker, **described(error))
