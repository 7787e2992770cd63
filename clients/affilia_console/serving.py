"""Runs the console until it is stopped."""

import os
import time

import uvicorn

from affilia_console.app import application
from affilia_console.settings import ConsoleSettings

DRAIN_SECONDS = 10


class AddressTaken(Exception):
    """The console can't listen on its address."""


def serve(settings: ConsoleSettings) -> None:
    """Serves until SIGTERM or Ctrl-C, and prints the address once it can be opened. Raises AddressTaken."""
    os.environ["TZ"] = "UTC"  # pages show all instants in UTC, including those in sentences for the command line
    time.tzset()
    host, port = settings.host_and_port()
    config = uvicorn.Config(
        application(settings),
        host,
        port,
        log_level="warning",
        access_log=False,  # addresses name members
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    try:
        listening = config.bind_socket()
    except SystemExit:
        raise AddressTaken(f"Cannot listen on {settings.listen}: another program uses this address.") from None
    listening.listen(config.backlog)  # from now on, connections wait until the server accepts them
    bound = listening.getsockname()[1]
    print(f"The console is at {settings.public_url or f'http://{host}:{bound}/'}", flush=True)
    uvicorn.Server(config).run(sockets=[listening])
