"""The client for tasks: the same calls as `client.py`, to be awaited.

    async with AsyncClient("127.0.0.1:50051") as client:
        group = (await client.enrollment.get_enrollment_group(group_id=group_id)).group
        async for entry in client.premiums.all_premium_entries(contract_id=contract_id):
            ...

Each service is an attribute of the client; types are in `services.pyi`.
"""

from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentFilter
from affilia_client.async_calling import AsyncCaller
from affilia_client.connection import Connection, Options, open_async_channel
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import TLS, AsyncIdentity, AsyncToken
from affilia_client.feed import EnrollmentSubscription
from affilia_client.resuming import HEARTBEAT_SECONDS, LONGEST_PAUSE_SECONDS, FeedStart
from affilia_client.services import (
    AsyncCatalogService,
    AsyncChangeRequestService,
    AsyncCostProviderService,
    AsyncEligibilityCheckService,
    AsyncEligibilityInternalService,
    AsyncEnrollmentQueryService,
    AsyncMemberService,
    AsyncPremiumComputationService,
)


class AsyncClient:
    """All services of one deployment, for the tasks of one loop: `Client` says what the arguments mean.

    `token` may also give an awaitable.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: TLS | None = None,
        token: AsyncToken = "",
        internal_address: str = "",
        read_your_writes: bool = True,
        metadata: Mapping[str, str] | None = None,
        options: Options = (),
    ) -> None:
        tokens = ConsistencyTokens(remembered=read_your_writes)
        self._identity = AsyncIdentity(token, metadata or {})
        self._connection = Connection(partial(open_async_channel, address, tls, options))
        self._internal = Connection(partial(open_async_channel, internal_address or address, tls, options))
        public = AsyncCaller(self._connection, self._identity, tokens)
        self.enrollment = AsyncEnrollmentQueryService(public)
        self.changes = AsyncChangeRequestService(public)
        self.eligibility = AsyncEligibilityCheckService(public)
        self.costs = AsyncCostProviderService(public)
        self.premiums = AsyncPremiumComputationService(public)
        self.catalog = AsyncCatalogService(public)
        self.members = AsyncMemberService(public)
        self.internal = AsyncEligibilityInternalService(AsyncCaller(self._internal, self._identity, tokens))

    @property
    def channel(self) -> grpc.aio.Channel:
        """The channel to the public listener, for stubs of one's own: health, reflection."""
        return self._connection.channel

    def subscribe(
        self,
        start: "str | FeedStart.ValueType",
        wanted: EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> EnrollmentSubscription:
        """The change feed from a resume token, or from where `start` says, whatever happens to the connection."""
        return EnrollmentSubscription(
            self.channel,
            start,
            wanted,
            heartbeat_seconds=heartbeat_seconds,
            longest_pause_seconds=longest_pause_seconds,
            metadata=self._identity.metadata,
        )

    async def close(self) -> None:
        """Ends what is under way, and every later call."""
        for connection in (self._connection, self._internal):
            if (channel := connection.end()) is not None:
                await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
