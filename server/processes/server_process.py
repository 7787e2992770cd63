"""A server process, as its parent sees it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress

from server.processes.messages import Order, Report
from server.settings import Settings

PROGRAM = f"{__package__}.program"


class ProcessNotStarted(Exception):
    """A server process ended before it served calls. The text gives the reason."""


class ServerProcess:
    """One of several server processes. After it has ended, it can be started again."""

    def __init__(self, number: int, settings: Settings) -> None:
        """`settings` are those of the whole server, with the ports that were chosen."""
        self.number = number
        self._settings = settings
        self.metrics_address = ""
        self._process: Process | None = None
        self._reported_ready = False

    @property
    def is_ready(self) -> bool:
        """Whether the process serves calls."""
        return self._reported_ready and self._process is not None and self._process.returncode is None

    async def start(self) -> str:
        """Starts the process and waits until it serves calls. Returns the address of its metrics, which may be empty.

        Raises ProcessNotStarted.
        """
        self._reported_ready = False
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                PROGRAM,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                # Ctrl-C in the terminal only reaches the parent, which then stops all processes.
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessNotStarted(f"process {self.number} can't be started: {error.strerror}.") from error
        report = await self._report(self._process)
        if report.failure:
            await self._process.wait()
            raise ProcessNotStarted(report.failure)
        self.metrics_address, self._reported_ready = report.metrics_address, True
        return report.metrics_address

    async def _report(self, process: Process) -> Report:
        """Sends the settings, and returns the report. Raises ProcessNotStarted."""
        assert process.stdin and process.stdout  # noqa: S101 (started with pipes)
        with suppress(ConnectionError):
            process.stdin.write(Order(self.number, self._settings).line().encode())
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            status = await process.wait()
            raise ProcessNotStarted(
                f"process {self.number} ended with status {status} before it answered calls; see its log lines."
            )
        return Report.of(line.decode())

    async def wait_ended(self) -> int:
        """Waits until the process has ended. Returns its exit status; if a signal killed it, the negative number."""
        return await self._process.wait() if self._process else 0

    def send(self, number: signal.Signals) -> None:
        """Sends the process a signal, unless it has ended."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
