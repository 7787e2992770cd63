"""Signals to the process that runs PostgreSQL on a data directory, and to no other process.

The pid file has a number that the operating system can since have given to another program, or to the postmaster of
another directory. So the process is opened by a descriptor first, and then it is verified that it works in the
directory.
"""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CAN_HOLD = hasattr(os, "pidfd_open") and Path("/proc/self").exists()
"""Whether the operating system supports such descriptors. Only Linux does."""


def number_in(data: Path) -> int:
    """Returns the number in the pid file of a data directory. Raises ProcessLookupError if there is none."""
    try:
        return int((data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        raise ProcessLookupError(f"{data} has no postmaster") from None


def works_in(number: int, data: Path) -> bool:
    """Returns whether a process is alive and works in the data directory, as all processes of PostgreSQL do."""
    with suppress(OSError):
        return Path("/proc", str(number), "cwd").samefile(data)
    return False


def is_in_use(data: Path) -> bool:
    """Returns whether any process works in a data directory."""
    return any(works_in(int(process.name), data) for process in Path("/proc").iterdir() if process.name.isdigit())


def send(data: Path, what: signal.Signals, wait_seconds: float = 0.0) -> bool:
    """Sends a signal to the postmaster of a data directory. Returns whether it has ended within `wait_seconds`.

    Raises ProcessLookupError if there is none.
    """
    with _held(number_in(data), data) as process:
        signal.pidfd_send_signal(process, what)
        poll = select.poll()
        poll.register(process, select.POLLIN)
        return bool(poll.poll(wait_seconds * 1000))


@contextmanager
def _held(number: int, data: Path) -> Iterator[int]:
    process = os.pidfd_open(number)
    try:
        if not works_in(number, data):
            raise ProcessLookupError(f"{number} is not the postmaster of {data}")
        yield process
    finally:
        os.close(process)
