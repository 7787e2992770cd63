"""One server process of several: a program that the parent starts. It drains on SIGTERM, and if the parent ends."""

import asyncio
import os
import sys

import structlog

from server.process import on_event_loop, serve
from server.processes.messages import Order, Report
from server.processes.sharing import settings_of_process
from server.startup import START_ERRORS, RunningServer
from server.telemetry import log as logging

log = structlog.get_logger()


def main() -> None:
    """Serves with the settings that the parent writes to standard input. Reports to it on standard output."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # Make sure that only the report is written to the pipe.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    line = sys.stdin.readline()
    if not line:
        return  # the parent has ended
    order = Order.of(line)
    settings = settings_of_process(order.settings, order.number)
    logging.configure(settings, order.number)

    def report(sent: Report) -> None:
        reports.write(sent.line())
        reports.flush()

    async def report_ready(server: RunningServer) -> None:
        report(Report(metrics_address=server.metrics_address))

    async def run() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_with_parent, stopping)
        await serve(settings, report_ready, stopping)

    try:
        on_event_loop(run())
    except START_ERRORS as failed:
        report(Report(failure=str(failed)))
        raise SystemExit(1) from None


def _stop_with_parent(stopping: asyncio.Event) -> None:
    """Stops if the parent has closed its end of the pipe. It writes nothing after the settings."""
    if not os.read(sys.stdin.fileno(), 1024):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        if not stopping.is_set():
            log.error("parent_ended")
            stopping.set()


if __name__ == "__main__":
    main()
