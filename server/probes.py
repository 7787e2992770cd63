"""The probes of a server process: whether it must be restarted, and whether callers can be sent to it."""

from server.listener import Listener
from server.telemetry.monitoring import NotPassed

LIVE, READY, STARTING, DRAINING = "live", "ready", "starting", "draining"
NOT_SERVING = "the database is unavailable or accepts no writes"
"""The only reasons, besides a drain, for which the watchdog reports the whole server as not serving."""


class ServerProbes:
    """Probes of a process that serves calls. `/readyz` agrees with gRPC health of the whole server (an empty name)."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def started(self, *listeners: Listener) -> None:
        """From now on, the process is as ready as its listeners."""
        self._listeners = listeners

    async def live(self) -> str:
        """Passes whenever the event loop runs. A restart wouldn't bring back a database."""
        return LIVE

    async def ready(self) -> str:
        """Lists services that don't serve, although the process is ready. Raises NotPassed."""
        if not self._listeners:
            raise NotPassed(STARTING)
        health = [listener.health for listener in self._listeners]
        if any(each.is_draining for each in health):
            raise NotPassed(DRAINING)
        not_serving = frozenset[str]().union(*(each.not_serving for each in health))
        if "" in not_serving:
            raise NotPassed(NOT_SERVING)
        return "\n".join([READY, *(f"not serving: {name}" for name in sorted(not_serving))])
