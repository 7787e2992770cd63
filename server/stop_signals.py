"""SIGTERM and SIGINT: the first one drains the server, a later one ends it immediately.

Programs that stop a whole process group often signal it more than once: `timeout` signals its child and the group,
`make` and the parent of several servers forward a signal that the servers have also received. Ended immediately, a
server would leave its embedded database running, so signals that arrive together count as one.
"""

import asyncio
import os
import signal
from collections.abc import Callable

FORCED_STOP_STATUS = 130
TOGETHER_SECONDS = 1.0


def stop_on_signals(stopping: asyncio.Event, before_forced_stop: Callable[[], None] = lambda: None) -> None:
    """Sets the event at the first signal. A signal more than `TOGETHER_SECONDS` later ends the process."""
    loop = asyncio.get_running_loop()
    first_at: float | None = None

    def stop() -> None:
        nonlocal first_at
        if first_at is None:
            first_at = loop.time()
        elif loop.time() - first_at > TOGETHER_SECONDS:
            before_forced_stop()
            os._exit(FORCED_STOP_STATUS)
        stopping.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
