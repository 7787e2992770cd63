"""A listener: a gRPC server with its services, health, reflection, and the interceptors around them."""

import asyncio
from collections.abc import Collection, Sequence

import grpc
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2_grpc

from domain.errors import ShuttingDown
from operations.core import Core
from server.addresses import AddressTaken
from server.call_acceptor import CallAcceptor, RegisteredHandlers, can_accept_many
from server.connections import Connections
from server.health import Health
from server.identity.access_policy import AccessPolicy
from server.identity.listener_access import ListenerAccess
from server.interceptors.admission import Admission
from server.interceptors.around import Around
from server.interceptors.auditing import Auditing
from server.interceptors.identity import Identification
from server.interceptors.limits import CallerLimits
from server.interceptors.reauthorization import Reauthorization
from server.interceptors.slow_readers import MAX_SEND_SECONDS, SlowReaders
from server.interceptors.telemetry import Observer
from server.interceptors.validation import ValidationInterceptor
from server.interceptors.wrapping import AroundInterceptor
from server.reflection import add_reflection
from server.services import Service
from server.settings import Settings
from server.streams import OpenStreams
from server.telemetry.tracing import Tracer
from server.tokens import Tokens
from server.workers.supervisor import Supervisor, Worker

CHANNELZ = "grpc.channelz.v1.Channelz"
NOTICE_SECONDS = 0.1
"""Pause between reporting NOT_SERVING and stopping, so that health watchers receive the report."""


class Listener:
    """Serves on one address between `start` and `drain`. `address` has the port that was bound."""

    def __init__(
        self,
        services: Sequence[Service],
        core: Core,
        tokens: Tokens,
        settings: Settings,
        access: ListenerAccess,
        admission: Admission,
        tracer: Tracer | None = None,
        max_send_seconds: float = MAX_SEND_SECONDS,
    ) -> None:
        names = [service.name for service in services]
        self._access = access
        self.health = Health(
            ["", *(names if access.detailed_health else ())],
            settings.health_watches,
            settings.health_watches_per_address,
        )
        self.streams, connections = OpenStreams(), Connections()
        self._slow_readers = SlowReaders(self.streams, connections, max_send_seconds)
        self._reauthorization = Reauthorization(self.streams, access.authenticator)
        self._supervisor = Supervisor()
        access_policy = AccessPolicy.of({service.name: service.permissions for service in services})
        around = Around(
            admission,
            connections,
            Observer(settings.slow_call_seconds, tracer),
            settings.default_deadline_seconds,
            Identification(access.authenticator, self._reauthorization, settings.dev),
            CallerLimits(settings.calls_per_caller, settings.streams_per_caller),
            Auditing(core, access_policy),
        )
        wrapping = AroundInterceptor(self.streams, around)
        validation = ValidationInterceptor(core, access_policy, tokens)
        self._server = grpc.aio.server(
            interceptors=[wrapping, validation],
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # A single process must not share its address with another server by accident.
                ("grpc.so_reuseport", int(settings.processes > 1)),
                # Thousands of streams can resume at the same time after a restart. gRPC cancels the excess streams.
                ("grpc.server.max_pending_requests", 10_000),
                ("grpc.server.max_pending_requests_hard_limit", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.enable_channelz", int(access.channelz)),
            ],
        )
        registered = RegisteredHandlers()
        for service in services:
            service.add(service.servicer(core, tokens), registered)
        self._server.add_generic_rpc_handlers(registered.generic)
        self._acceptor: CallAcceptor | None = None
        if can_accept_many():
            handlers = registered.handlers(access_policy.permissions)
            for name, handler in handlers.items():
                wrapping.add(name, validation.wrap(name, handler))
            self._acceptor = CallAcceptor(self._server, handlers, wrapping.handler_of)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        if access.reflection:
            add_reflection(self._server, [*names, health.SERVICE_NAME, *([CHANNELZ] if access.channelz else [])])
        if access.channelz:
            channelz.add_channelz_servicer(self._server)
        self.address = ""

    async def start(self, address: str) -> None:
        """Starts to listen, with TLS if certificates are configured. Raises AddressTaken, CertificateUnreadable."""
        certificates = self._access.certificates
        try:
            if certificates is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, certificates.credentials())
        except RuntimeError as taken:
            raise AddressTaken(address) from taken
        self.address = address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
        await self._server.start()
        if self._acceptor:
            self._acceptor.start()
        self._supervisor.start(
            Worker("slow-readers", lambda: self._slow_readers.watch(port)),
            Worker("reauthorization", self._reauthorization.watch),
        )

    def accepts(self, method: str) -> int:
        """Returns how many calls of a method can be accepted in one turn of the event loop."""
        return self._acceptor.accepts(method) if self._acceptor else 1

    def report_health(self, not_serving: Collection[str] = ()) -> None:
        """Sets the health of every service, and of the whole server (an empty name)."""
        self.health.report(not_serving)

    async def drain(self, seconds: float) -> None:
        """Reports NOT_SERVING, accepts no new calls, ends long-lived streams, and gives calls time to finish."""
        self.health.drain()
        await asyncio.sleep(NOTICE_SECONDS)
        self.streams.end(ShuttingDown())
        await self._server.stop(seconds)
        if self._acceptor:
            await self._acceptor.wait_ended()
        await self._supervisor.stop()
