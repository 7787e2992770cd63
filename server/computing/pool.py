"""The compute pool: a bounded number of worker processes behind a bounded, fair queue.

Workers are separate programs, not forks, because gRPC doesn't survive a fork. Jobs are pure, so a job whose worker died
runs again on another one. When a call ends before its job, a waiting job is removed from the queue; the worker of a
running job gets a moment to finish, then it is killed.
"""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple

import structlog

from domain.errors import DomainError, Overloaded, ShuttingDown
from operations.computing import Computing
from operations.failures import described
from server.computing import worker as worker_program
from server.computing.wire import LENGTH, Failure, Job, JobPacker, unpack_result
from storage.sharing.fair_queue import FairQueue

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ABANDONED_SECONDS = 0.5
"""How long a worker may continue with a job whose call has ended. Starting another worker takes less time."""
MAX_JOB_SECONDS = 300.0
"""Time limit of a job. A worker that takes longer is stuck, and is killed."""
ATTEMPTS = 2
PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class ComputationFailed(Exception):
    """A job failed because of a defect, or repeatedly ended its worker. The log has the details."""


class _WorkerEnded(Exception):
    """The worker has died or was killed."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A job, and the future result that its call waits for. The future is cancelled when the call ends."""

    job: Job
    result: asyncio.Future[Any]


class _Worker:
    """A worker process. It is started when needed, and again after it has ended."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._packer = JobPacker()

    async def start(self) -> None:
        """Starts the process unless it is running."""
        if self._process and (self._process.returncode is not None or _is_closed(self._process)):
            await self.end()
        while self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    worker_program.__name__,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    # Workers don't inherit the server's environment, which has secrets that no job needs.
                    env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
            except OSError as error:
                log.error("compute_worker_not_started", error=type(error).__name__)
                await asyncio.sleep(PAUSE_SECONDS)

    async def run(self, job: Job) -> Any:
        """Runs a job and returns its result. Raises _WorkerEnded."""
        await self.start()
        process = self._process
        assert process and process.stdin and process.stdout  # noqa: S101 (started just now, with pipes)
        message = self._packer.pack(job)
        if _is_closed(process):
            raise _WorkerEnded
        try:
            process.stdin.write(LENGTH.pack(len(message)) + message)
            await process.stdin.drain()
            (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            return unpack_result(await process.stdout.readexactly(length))
        except (OSError, asyncio.IncompleteReadError) as ended:
            raise _WorkerEnded from ended

    async def end(self) -> None:
        """Kills the process, even during a job."""
        process, self._process, self._packer = self._process, None, JobPacker()
        if process:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _is_closed(process: Process) -> bool:
    """Returns whether the pipe to a process is known to be closed."""
    return process.stdin is None or process.stdin.is_closing()


class ComputePool(Computing):
    """Runs functions in worker processes. At most `max_waiting` jobs wait; others are rejected with Overloaded."""

    def __init__(self, workers: int, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._num_workers = workers
        self._queue: FairQueue[_Waiting] = FairQueue()
        self._wanted = asyncio.Semaphore(0)
        self._tasks: list[asyncio.Task[None]] = []
        self._running = 0

    @property
    def running(self) -> int:
        """The number of busy workers."""
        return self._running

    @property
    def waiting(self) -> int:
        """The number of jobs waiting for a worker."""
        return len(self._queue)

    @property
    def workers(self) -> int:
        """The maximum number of jobs that run concurrently."""
        return self._num_workers

    def start(self) -> None:
        """Starts the workers without waiting for them. The first jobs may have to wait."""
        names = (f"compute-{n}" for n in range(self._num_workers))
        self._tasks = [asyncio.create_task(self._work(), name=name) for name in names]

    async def close(self) -> None:
        """Ends the workers, even during a job. Calls that still wait for a result get ShuttingDown."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while waiting := self._queue.take():
            _answer(waiting, ShuttingDown())

    async def run(self, subject: str, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Runs a function in a worker. Raises Overloaded, ComputationFailed, and its DomainErrors."""
        if len(self._queue) >= self._max_waiting:
            raise Overloaded
        waiting = _Waiting((function, arguments), asyncio.get_running_loop().create_future())
        self._queue.put(subject, waiting)
        self._wanted.release()
        try:
            result: T = await waiting.result
        finally:
            self._queue.remove(subject, waiting)
        return result

    async def _work(self) -> None:
        """Runs one job after the other in one worker."""
        worker = _Worker()
        try:
            await worker.start()
            while True:
                await self._wanted.acquire()
                if waiting := self._queue.take():  # otherwise its call has ended
                    self._running += 1
                    try:
                        await _do(worker, waiting)
                    finally:
                        self._running -= 1
                        _answer(waiting, ShuttingDown())  # has no effect on an answered call
        finally:
            await worker.end()


async def _do(worker: _Worker, waiting: _Waiting) -> None:
    """Runs a job and answers its call. If the worker ends, runs the job again on a new one."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _answer(waiting, await _unless_abandoned(worker, waiting))
            return
        except _WorkerEnded:
            await worker.end()
            if waiting.result.cancelled():
                return
            log.warning("compute_worker_ended", attempt=attempt)
        except Exception as error:
            # The job couldn't be packed, or its result unpacked. The pipe may still contain a part of it.
            await worker.end()
            log.error("computation_failed", **described(error))
            break
    _answer(waiting, ComputationFailed())


async def _unless_abandoned(worker: _Worker, waiting: _Waiting) -> Any:
    """Returns the result of a job. Raises _WorkerEnded if the worker died, the call ended or the job took too long."""
    running = asyncio.create_task(worker.run(waiting.job))
    try:
        await asyncio.wait({running, waiting.result}, timeout=MAX_JOB_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await asyncio.wait({running}, timeout=ABANDONED_SECONDS)
        if not running.done():
            raise _WorkerEnded
        return await running
    finally:
        running.cancel()


def _answer(waiting: _Waiting, result: object) -> None:
    """Passes a result to the call that waits for it, unless the call has ended."""
    if waiting.result.done():
        return
    if isinstance(result, Failure):
        log.error("computation_failed", error=result.error, where=result.where)
        result = ComputationFailed()
    if isinstance(result, DomainError | ComputationFailed):
        waiting.result.set_exception(result)
    else:
        waiting.result.set_result(result)
