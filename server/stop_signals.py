"""SIGTERM and SIGINT: the first one drains the server, the second one ends it immediately."""

import asyncio
import os
import signal
from collections.abc import Callable

FORCED_STOP_STATUS = 130


def stop_on_signals(stopping: asyncio.Event, before_forced_stop: Callable[[], None] = lambda: None) -> None:
    """Sets the event at the first signal. A second signal ends the process."""

    def stop() -> None:
        if stopping.is_set():
            before_forced_stop()
            os._exit(FORCED_STOP_STATUS)
        stopping.set()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
