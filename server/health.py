"""`grpc.health.v1.Health`, for load balancers and clients. It requires no token."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

from server.connections import endpoint_of
from server.errors import TooManyHealthWatches
from server.rpc_types import Context

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = pb.HealthCheckResponse.SERVICE_UNKNOWN


class Health(HealthServicer):
    """The health of one listener's services, and of the server under the empty name.

    Watches are limited per address and in total, because anyone can open them, and they stay open.
    """

    def __init__(self, names: Iterable[str], max_watches: int, max_watches_per_address: int) -> None:
        self._statuses: dict[str, int] = dict.fromkeys(names, SERVING)
        self._changed = asyncio.Event()
        self.not_serving: frozenset[str] = frozenset()
        self.is_draining = False
        self._max_watches = max_watches
        self._max_watches_per_address = max_watches_per_address
        self._watches: Counter[str] = Counter()

    def report(self, not_serving: Collection[str]) -> None:
        """Sets the status of every service, and of the server under the empty name."""
        if self.is_draining:
            return
        self.not_serving = frozenset(not_serving)
        for name in self._statuses:
            self._statuses[name] = NOT_SERVING if name in not_serving else SERVING
        self._changed.set()
        self._changed = asyncio.Event()

    def drain(self) -> None:
        """Reports NOT_SERVING from now on."""
        self.report(not_serving=self._statuses.keys())
        self.is_draining = True

    async def Check(self, request: pb.HealthCheckRequest, context: Context) -> pb.HealthCheckResponse:
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "This listener has no such service.")
        return _response(status)

    async def List(self, request: Any, context: Context) -> Any:
        return pb.HealthListResponse(  # type: ignore[attr-defined]  # newer than its types
            statuses={name: _response(status) for name, status in self._statuses.items()}
        )

    async def Watch(self, request: pb.HealthCheckRequest, context: Context) -> AsyncIterator[Any]:
        with self._counted(str(context.peer())):
            reported = None
            while True:
                changed, status = self._changed, self._statuses.get(request.service, SERVICE_UNKNOWN)
                if status != reported:
                    reported = status
                    yield _response(status)
                await changed.wait()

    @contextmanager
    def _counted(self, peer: str) -> Iterator[None]:
        endpoint = endpoint_of(peer)
        address = endpoint[0] if endpoint else peer
        if self._watches[address] >= self._max_watches_per_address or self._watches.total() >= self._max_watches:
            raise TooManyHealthWatches
        self._watches[address] += 1
        try:
            yield
        finally:
            self._watches[address] -= 1
            if not self._watches[address]:
                del self._watches[address]


def _response(status: int | None) -> pb.HealthCheckResponse:
    response: Any = pb.HealthCheckResponse
    return cast(pb.HealthCheckResponse, response(status=status))
