"""A compute worker: a program that reads jobs from standard input and writes their results to standard output.

It has no access to the database or to secrets, runs at a lower priority than the server, and ends when the server does.
"""

import gc
import os
import signal
import sys
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from domain.errors import DomainError
from server.computing.wire import LENGTH, Failure, pack_result, unpack_job
from server.garbage_collection import GC_THRESHOLDS

NICENESS = 5


def main() -> None:
    """Runs jobs until the server closes its end of the pipe."""
    os.nice(NICENESS)
    for ending in (signal.SIGINT, signal.SIGTERM):
        # The signal reaches the whole process group, but a draining server still needs this worker for open calls.
        signal.signal(ending, signal.SIG_IGN)
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Make sure that only results are written to the pipe.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    while True:
        result = pack_result(_result_of(jobs.get()))
        results.write(LENGTH.pack(len(result)))
        results.write(result)
        results.flush()


def _read_jobs(file: BinaryIO, jobs: SimpleQueue[bytes]) -> None:
    """Queues the jobs that the server sends. Ends the process, even during a job, when the server has ended."""
    while len(length := file.read(LENGTH.size)) == LENGTH.size:
        jobs.put(file.read(LENGTH.unpack(length)[0]))
    os._exit(0)


def _result_of(message: bytes) -> object:
    """Runs a job. Returns its result, the DomainError that it raised, or a Failure."""
    try:
        function, arguments = unpack_job(message)
        return function(*arguments)
    except DomainError as error:
        return error
    except Exception as error:
        # The import is local, because jobs don't need it.
        from operations.failures import where

        return Failure(type(error).__name__, where(error))


if __name__ == "__main__":
    main()
