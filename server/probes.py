"""The probes of a server process: whether it must be restarted, and whether it can receive calls."""

from server.listener import Listener
from server.telemetry.monitoring import NotPassed

LIVE, READY, STARTING, DRAINING = "live", "ready", "starting", "draining"
NOT_SERVING = "the database is unavailable or accepts no writes"
"""The only reasons, besides a drain, for which the watchdog reports the whole server as not serving."""


class ServerProbes:
    """Probes of a process that serves calls. `/readyz` agrees with the gRPC health of the whole server (empty name)."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def started(self, *listeners: Listener) -> None:
        """Makes readiness depend on the listeners from now on."""
        self._listeners = listeners

    async def live(self) -> str:
        """Passes whenever the event loop runs. A lost database doesn't fail it, because a restart wouldn't help."""
        return LIVE

    async def ready(self) -> str:
        """Lists services that don't serve while the process is ready. Raises NotPassed if it isn't."""
        if not self._listeners:
            raise NotPassed(STARTING)
        health = [listener.health for listener in self._listeners]
        if any(each.is_draining for each in health):
            raise NotPassed(DRAINING)
        not_serving = frozenset[str]().union(*(each.not_serving for each in health))
        if "" in not_serving:
            raise NotPassed(NOT_SERVING)
        return "\n".join([READY, *(f"not serving: {name}" for name in sorted(not_serving))])
