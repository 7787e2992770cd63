"""The client for threads.

    with Client("127.0.0.1:50051") as client:
        group = client.enrollment.get_enrollment_group(group_id=group_id).group
        for entry in client.premiums.all_premium_entries(contract_id=contract_id):
            ...

Each service is an attribute of the client; types are in `services.pyi`.
"""

from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentFilter
from affilia_client.blocking_feed import BlockingEnrollmentSubscription
from affilia_client.calling import Caller
from affilia_client.connection import Connection, Options, open_channel
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import TLS, Identity, Token
from affilia_client.resuming import HEARTBEAT_SECONDS, LONGEST_PAUSE_SECONDS, FeedStart
from affilia_client.services import (
    CatalogService,
    ChangeRequestService,
    CostProviderService,
    EligibilityCheckService,
    EligibilityInternalService,
    EnrollmentQueryService,
    MemberService,
    PremiumComputationService,
)


class Client:
    """All services of one deployment. Safe for threads; connects at the first call; close it, or use it with `with`.

    `address` is that of the public listener, and `internal_address` that of the internal one, if it is called; without
    it, `internal` goes to `address` too. `metadata` goes with every call. Every call takes a request or its fields, and
    a `timeout` in seconds in place of its usual deadline; `math.inf` is none. Every failure is a CallFailed.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: TLS | None = None,
        token: Token = "",
        internal_address: str = "",
        read_your_writes: bool = True,
        metadata: Mapping[str, str] | None = None,
        options: Options = (),
    ) -> None:
        tokens = ConsistencyTokens(remembered=read_your_writes)
        self._identity = Identity(token, metadata or {})
        self._connection = Connection(partial(open_channel, address, tls, options))
        self._internal = Connection(partial(open_channel, internal_address or address, tls, options))
        public = Caller(self._connection, self._identity, tokens)
        self.enrollment = EnrollmentQueryService(public)
        self.changes = ChangeRequestService(public)
        self.eligibility = EligibilityCheckService(public)
        self.costs = CostProviderService(public)
        self.premiums = PremiumComputationService(public)
        self.catalog = CatalogService(public)
        self.members = MemberService(public)
        self.internal = EligibilityInternalService(Caller(self._internal, self._identity, tokens))

    @property
    def channel(self) -> grpc.Channel:
        """The channel to the public listener, for stubs of one's own: health, reflection."""
        return self._connection.channel

    def subscribe(
        self,
        start: "str | FeedStart.ValueType",
        wanted: EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
    ) -> BlockingEnrollmentSubscription:
        """The change feed from a resume token, or from where `start` says, whatever happens to the connection."""
        return BlockingEnrollmentSubscription(
            self.channel,
            start,
            wanted,
            heartbeat_seconds=heartbeat_seconds,
            longest_pause_seconds=longest_pause_seconds,
            metadata=self._identity.metadata,
        )

    def close(self) -> None:
        """Ends what is under way, and every later call."""
        for connection in (self._connection, self._internal):
            if (channel := connection.end()) is not None:
                channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
