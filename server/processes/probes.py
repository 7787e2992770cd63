"""The probes of the parent of several server processes, which probes the processes that serve calls."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException

from server.addresses import WILDCARDS
from server.probes import DRAINING, LIVE, STARTING
from server.processes.server_process import ServerProcess
from server.telemetry.monitoring import LIVEZ, READYZ, NotPassed

PROCESS_SECONDS = 4.0
"""A process that takes longer to answer counts as failed. Must be shorter than the parent's own limit."""


_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""By itself, urllib sends requests to this machine through the proxy in HTTP_PROXY, too."""


class GroupProbes:
    """Probes of all processes together.

    A process that is being restarted doesn't listen, so it receives no calls and is ignored.
    """

    def __init__(self, processes: Callable[[], Sequence[ServerProcess]]) -> None:
        self._processes = processes
        self._is_draining = False

    def drain(self) -> None:
        """Reports the processes as not ready from now on."""
        self._is_draining = True

    async def live(self) -> str:
        """Raises NotPassed if the event loop of a serving process doesn't respond."""
        await self._ask_all(LIVEZ)
        return LIVE

    async def ready(self) -> str:
        """Returns the answers of all processes. Raises NotPassed if none serves, or if one that serves isn't ready."""
        if self._is_draining:
            raise NotPassed(DRAINING)
        answers = await self._ask_all(READYZ)
        if not answers:
            raise NotPassed(STARTING)
        return "\n".join(sorted({line for answer in answers for line in answer.splitlines()}, reverse=True))

    async def _ask_all(self, path: str) -> list[str]:
        """Returns the answers of all serving processes. Raises NotPassed if one fails."""
        serving = [process for process in self._processes() if process.is_ready]
        return await asyncio.gather(*(asyncio.to_thread(_ask, process, path) for process in serving))


def _ask(process: ServerProcess, path: str) -> str:
    """Returns a process's answer to a probe. Raises NotPassed."""
    host, _, port = process.metrics_address.rpartition(":")
    if host in WILDCARDS:
        host = "[::1]" if host == "[::]" else "127.0.0.1"
    try:
        with _WITHOUT_PROXY.open(f"http://{host}:{port}{path}", timeout=PROCESS_SECONDS) as response:
            answer: str = response.read().decode()
    except urllib.error.HTTPError as failed:
        with failed:
            raise NotPassed(f"process {process.number}: {failed.read().decode().strip()}") from None
    except (OSError, HTTPException):
        raise NotPassed(f"process {process.number}: no answer") from None
    return answer
