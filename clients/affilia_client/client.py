"""The client for threads.

    with Client("127.0.0.1:50051") as client:
        group = client.enrollment.get_enrollment_group(group_id=group_id).group
        for entry in client.premiums.all_premium_entries(contract_id=contract_id):
            ...

Each service is an attribute of the client. `services.pyi` has the types.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import grpc

from affilia.enrollment.v1.enrollment_event_pb2 import EnrollmentFilter
from affilia_client.blocking_feed import BlockingEnrollmentSubscription
from affilia_client.call_options import CallOptions
from affilia_client.calling import Caller
from affilia_client.connection import Connection, Interceptor, Options, open_channel
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import TLS, Identity, Token
from affilia_client.endpoint import Endpoint, internal_endpoint, missing_internal
from affilia_client.health import CHECK, HealthStatus, health_request, health_status
from affilia_client.resuming import HEARTBEAT_SECONDS, MAX_PAUSE_SECONDS, FeedStart
from affilia_client.services import (
    AuditService,
    CatalogService,
    ChangeRequestService,
    CostProviderService,
    EligibilityCheckService,
    EligibilityInternalService,
    EnrollmentQueryService,
    HistoryService,
    MemberService,
    MigrationService,
    PremiumComputationService,
)


class Client:
    """A client of all services of one deployment. It is thread-safe and connects on the first call. Close it, or use
    `with`.

    `address` is the public listener, with the credentials `tls` and `token`. `internal` is the internal listener, used
    by the `internal` service: an address on the loopback interface, or an Endpoint with its own credentials. Both share
    consistency tokens. `metadata` is sent with every call. `interceptors` (of gRPC) are applied to subscriptions and to
    every attempt of every call; the first is the outermost.

    Every call takes a request message or its fields, and these options: `timeout` is the deadline in seconds
    (`math.inf` for none), `metadata` replaces the client's metadata with the same key, and `interceptors` are applied
    outside those of the client. Failures are raised as CallFailed.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: TLS | None = None,
        token: Token = "",
        internal: str | Endpoint = "",
        read_your_writes: bool = True,
        metadata: Mapping[str, str] | None = None,
        interceptors: Sequence[Interceptor] = (),
        options: Options = (),
    ) -> None:
        tokens = ConsistencyTokens(enabled=read_your_writes)
        self._identity = Identity(token, metadata or {})
        self._connection = Connection(partial(open_channel, address, tls, options, interceptors))
        inner = internal_endpoint(internal)
        self._internal = Connection(
            partial(open_channel, inner.address, inner.tls, options, interceptors) if inner.address else _no_internal
        )
        public = Caller(self._connection, self._identity, tokens)
        self._health = Caller(self._connection, Identity("", metadata or {}), tokens)
        self.enrollment = EnrollmentQueryService(public)
        self.changes = ChangeRequestService(public)
        self.history = HistoryService(public)
        self.eligibility = EligibilityCheckService(public)
        self.costs = CostProviderService(public)
        self.premiums = PremiumComputationService(public)
        self.catalog = CatalogService(public)
        self.members = MemberService(public)
        self.audit = AuditService(public)
        self.migrations = MigrationService(public)
        self.history = HistoryService(public)
        self.internal = EligibilityInternalService(
            Caller(self._internal, Identity(inner.token, metadata or {}), tokens)
        )

    def check_health(self, service: str = "", *, timeout: float | None = None) -> HealthStatus:
        """Returns the status of a service, such as `affilia.catalog.v1.CatalogService`, or of the whole server.

        Health checks carry no token, because servers answer them without one. Raises NotFound for an unknown service.
        """
        return health_status(self._health.call(CHECK, health_request(service), CallOptions(timeout)))

    @property
    def channel(self) -> grpc.Channel:
        """The channel to the public listener, for other stubs such as reflection."""
        return self._connection.channel

    def subscribe(
        self,
        start: "str | FeedStart.ValueType",
        event_filter: EnrollmentFilter | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        max_pause_seconds: float = MAX_PAUSE_SECONDS,
    ) -> BlockingEnrollmentSubscription:
        """Subscribes to the change feed. `start` is a resume token or a FeedStart, see `EnrollmentSubscription`."""
        return BlockingEnrollmentSubscription(
            self.channel,
            start,
            event_filter,
            heartbeat_seconds=heartbeat_seconds,
            max_pause_seconds=max_pause_seconds,
            metadata=self._identity.metadata,
        )

    def close(self) -> None:
        """Closes the connections. Calls in progress are cancelled, and later calls fail."""
        for connection in (self._connection, self._internal):
            if (channel := connection.end()) is not None:
                channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _no_internal() -> grpc.Channel:
    raise missing_internal()
