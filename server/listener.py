"""One listener: a gRPC server with its services, health, reflection, and the interceptors around them."""

import asyncio
from collections.abc import Collection, Sequence

import grpc
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from server.identity.entrances import Entrance
from server.identity.policy import Policy
from server.interceptors.auditing import audited
from server.interceptors.errors import errors_translated
from server.interceptors.identity import identified
from server.interceptors.lasting import LastingCalls
from server.interceptors.limits import Load, OfEachCaller
from server.interceptors.telemetry import observed
from server.interceptors.validation import ValidationInterceptor
from server.interceptors.wrapping import AroundInterceptor
from server.operations.core import Core
from server.reflection import add_reflection
from server.services import Service
from server.settings import Settings
from server.tokens import Tokens
from server.tracing import Tracer

CHANNELZ = "grpc.channelz.v1.Channelz"
NOTICE_SECONDS = 0.1
"""Between saying that we are going and going, so that watchers of health hear it."""

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


class AddressTaken(Exception):
    """An address cannot be listened on."""


class Listener:
    """Built, then started, then drained. `address` tells the port that was bound."""

    def __init__(
        self,
        services: Sequence[Service],
        core: Core,
        tokens: Tokens,
        settings: Settings,
        entrance: Entrance,
        load: Load,
        tracer: Tracer | None = None,
    ) -> None:
        self._names = ["", *(service.name for service in services)]
        self._entrance = entrance
        self._health = health.aio.HealthServicer()
        self._lasting = LastingCalls()
        policy = Policy.of({service.name: service.permissions for service in services})
        of_each = OfEachCaller(settings.calls_per_caller, settings.streams_per_caller)
        self._server = grpc.aio.server(
            interceptors=[
                AroundInterceptor(
                    observed(settings.slow_call_seconds, tracer),
                    errors_translated(settings.default_deadline_seconds),
                    load.bounded,
                    self._lasting.until_drained,
                    identified(entrance.callers, self._lasting, dev=settings.dev),
                    of_each.bounded,
                    audited(core, policy),
                    is_too_much=load.is_too_much,
                ),
                ValidationInterceptor(core, policy),
            ],
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                # Thousands of streams may come back at once, after a restart; whom gRPC refuses is told CANCELLED.
                ("grpc.server.max_pending_requests", 10_000),
                ("grpc.server.max_pending_requests_hard_limit", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.enable_channelz", int(entrance.channelz)),
            ],
        )
        for service in services:
            service.add(service.servicer(core, tokens), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if entrance.reflection:
            add_reflection(
                self._server, [*self._names[1:], health.SERVICE_NAME, *([CHANNELZ] if entrance.channelz else [])]
            )
        if entrance.channelz:
            channelz.add_channelz_servicer(self._server)
        self.address = ""

    async def start(self, address: str) -> None:
        """Listens, with TLS where there are certificates. Raises AddressTaken, CertificateUnreadable."""
        certificates = self._entrance.certificates
        try:
            if certificates is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, certificates.credentials())
        except RuntimeError as taken:
            raise AddressTaken(f"Cannot listen on {address}: is another server running there?") from taken
        self.address = address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
        await self._server.start()

    async def tell_health(self, *, serving: bool, but: Collection[str] = ()) -> None:
        """Says for every service whether it can answer; `but` are those that cannot though the server serves."""
        for name in self._names if self._entrance.detailed_health else [""]:
            await self._health.set(name, SERVING if serving and name not in but else NOT_SERVING)

    async def drain(self, seconds: float) -> None:
        """Says that it is going, takes no new calls, and lets those under way finish, so many seconds at the most."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(NOTICE_SECONDS)
        self._lasting.end()
        await self._server.stop(seconds)
