"""The client for asyncio. It has the same calls as `client.py`, as coroutines.

    async with AsyncClient("127.0.0.1:50051") as client:
        group = (await client.enrollment.get_enrollment_group(group_id=group_id)).group
        async for entry in client.premiums.all_premium_entries(contract_id=contract_id):
            ...

Each service is an attribute of the client. `services.pyi` has the types.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentFilter
from affilia_client.async_calling import AsyncCaller
from affilia_client.call_options import CallOptions
from affilia_client.connection import Connection, Options, open_async_channel
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import TLS, AsyncIdentity, AsyncToken
from affilia_client.endpoint import Endpoint, internal_endpoint, missing_internal
from affilia_client.feed import EnrollmentSubscription
from affilia_client.health import CHECK, HealthStatus, health_request, health_status
from affilia_client.resuming import HEARTBEAT_SECONDS, MAX_PAUSE_SECONDS, FeedStart
from affilia_client.services import (
    AsyncAuditService,
    AsyncCatalogService,
    AsyncChangeRequestService,
    AsyncCostProviderService,
    AsyncEligibilityCheckService,
    AsyncEligibilityInternalService,
    AsyncEnrollmentQueryService,
    AsyncHistoryService,
    AsyncMemberService,
    AsyncMigrationService,
    AsyncPremiumComputationService,
)


class AsyncClient:
    """A client of all services of one deployment, for the tasks of one event loop.

    Takes the same arguments as `Client`, except that `token` can also be a function that returns an awaitable, and
    interceptors are those of grpc.aio.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: TLS | None = None,
        token: AsyncToken = "",
        internal: str | Endpoint = "",
        read_your_writes: bool = True,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        options: Options = (),
    ) -> None:
        tokens = ConsistencyTokens(enabled=read_your_writes)
        self._identity = AsyncIdentity(token, metadata or {})
        self._connection = Connection(partial(open_async_channel, address, tls, options, interceptors))
        inner = internal_endpoint(internal)
        self._internal = Connection(
            partial(open_async_channel, inner.address, inner.tls, options, interceptors)
            if inner.address
            else _no_internal
        )
        public = AsyncCaller(self._connection, self._identity, tokens)
        self._health = AsyncCaller(self._connection, AsyncIdentity("", metadata or {}), tokens)
        self.enrollment = AsyncEnrollmentQueryService(public)
        self.changes = AsyncChangeRequestService(public)
        self.history = AsyncHistoryService(public)
        self.eligibility = AsyncEligibilityCheckService(public)
        self.costs = AsyncCostProviderService(public)
        self.premiums = AsyncPremiumComputationService(public)
        self.catalog = AsyncCatalogService(public)
        self.members = AsyncMemberService(public)
        self.audit = AsyncAuditService(public)
        self.migrations = AsyncMigrationService(public)
        self.history = AsyncHistoryService(public)
        self.internal = AsyncEligibilityInternalService(
            AsyncCaller(self._internal, AsyncIdentity(inner.token, metadata or {}), tokens)
        )

    async def check_health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:  # noqa: ASYNC109 (as for all calls)
        """Returns the status of a service, such as `affilia.catalog.v1.CatalogService`, or of the whole server.

        Health checks carry no token, because servers answer them without one. Raises NotFound for an unknown service.
        """
        return health_status(await self._health.call(CHECK, health_request(service), CallOptions(timeout)))

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel to the public listener, for other stubs such as reflection."""
        return self._connection.channel

    def subscribe(
        self,
        start: "str | FeedStart.ValueType",
        event_filter: EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        max_pause_seconds: float = MAX_PAUSE_SECONDS,
    ) -> EnrollmentSubscription:
        """Subscribes to the change feed. `start` is a resume token or a FeedStart, see `EnrollmentSubscription`."""
        return EnrollmentSubscription(
            self.channel,
            start,
            event_filter,
            heartbeat_seconds=heartbeat_seconds,
            max_pause_seconds=max_pause_seconds,
            metadata=self._identity.metadata,
        )

    async def close(self) -> None:
        """Closes the connections. Calls in progress are cancelled, and later calls fail."""
        for connection in (self._connection, self._internal):
            if (channel := connection.end()) is not None:
                await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _no_internal() -> grpc.aio.Channel:
    raise missing_internal()
