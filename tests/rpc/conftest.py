"""The product's gRPC listener around a servicer of the tests, without a database."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import (
    EnrollmentQueryServiceServicer,
    add_EnrollmentQueryServiceServicer_to_server,
)
from operations.core import core_on
from server.identity.access_policy import ENROLLMENT_QUERY, Permission
from server.identity.listener_access import ListenerAccess, public_access
from server.interceptors.admission import Admission
from server.interceptors.slow_readers import MAX_SEND_SECONDS
from server.listener import Listener
from server.services import Service
from server.settings import Settings
from server.tokens import Tokens
from storage.postgres.database import Database
from tests.conftest import ServerProcess
from tests.support.channels import OPTIONS, connected_to
from tests.support.migration import Spain
from tests.support.spanish import SpanishServer, the_rules

T = TypeVar("T")
Answer = Callable[[pb.GetEnrollmentGroupRequest], Awaitable[Any]]

SERVICE = "affilia.enrollment.v1.EnrollmentQueryService"
UNARY = f"/{SERVICE}/GetEnrollmentGroup"
DOWN = "/affilia.test.v1.Probe/Down"
UP = "/affilia.test.v1.Probe/Up"
FLOOD = "/affilia.test.v1.Probe/Flood"
"""Methods that stream to the caller, a little or endlessly, and one to which the caller streams."""

PROBE = "affilia.test.v1.Probe"
OF_PROBE = dict.fromkeys(("Down", "Up", "Flood"), Permission("test"))


async def nothing(request: pb.GetEnrollmentGroupRequest) -> pb.GetEnrollmentGroupResponse:
    return pb.GetEnrollmentGroupResponse()


def describe_probe() -> None:
    """Registers descriptors of the test's methods, which are in no proto, for reflection."""
    file = descriptor_pb2.FileDescriptorProto(name="affilia/test/v1/probe.proto", package="affilia.test.v1")
    file.dependency.append(pb.DESCRIPTOR.name)
    service = file.service.add(name="Probe")
    request, response = (f".{pb.DESCRIPTOR.package}.GetEnrollmentGroup{end}" for end in ("Request", "Response"))
    for name in OF_PROBE:
        upwards = name == "Up"
        method = service.method.add(name=name, input_type=request, output_type=response)
        method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
        method.client_streaming, method.server_streaming = upwards, not upwards
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


describe_probe()


class Probe(EnrollmentQueryServiceServicer):
    """Answers every method with the answer that the test sets."""

    def __init__(self) -> None:
        self.answer: Answer = nothing
        self.flood_bytes = 100_000
        self.watch_pause: float | None = None
        self.watch_bytes = 0

    async def GetEnrollmentGroup(self, request: Any, context: Any) -> Any:
        return await self.answer(request)

    async def Down(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.GetEnrollmentGroupResponse()
        yield await self.answer(request)

    async def Flood(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Sends messages endlessly."""
        while True:
            yield bytes(self.flood_bytes)

    async def WatchEnrollments(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Sends one message, and another one after each pause if `watch_pause` is set."""
        yield pb.WatchEnrollmentsResponse(resume_token="0")
        while self.watch_pause is not None:
            await asyncio.sleep(self.watch_pause)
            yield pb.WatchEnrollmentsResponse(resume_token="1" + "x" * self.watch_bytes)
        await asyncio.Event().wait()

    async def Up(self, requests: AsyncIterator[Any], context: Any) -> Any:
        async for request in requests:
            await self.answer(request)
        return pb.GetEnrollmentGroupResponse()

    def add_to(self, server: grpc.aio.Server) -> None:
        add_EnrollmentQueryServiceServicer_to_server(self, server)
        codec: Any = {
            "request_deserializer": pb.GetEnrollmentGroupRequest.FromString,
            "response_serializer": pb.GetEnrollmentGroupResponse.SerializeToString,
        }
        down: Any = grpc.unary_stream_rpc_method_handler(self.Down, **codec)
        flood: Any = grpc.unary_stream_rpc_method_handler(self.Flood, **codec)
        up: Any = grpc.stream_unary_rpc_method_handler(self.Up, **codec)
        methods = grpc.method_handlers_generic_handler(
            "affilia.test.v1.Probe", {"Down": down, "Up": up, "Flood": flood}
        )
        server.add_generic_rpc_handlers((methods,))


class Shell:
    """A listener of the product, on an event loop in its own thread, without a database."""

    def __init__(
        self, access: ListenerAccess | None = None, max_send_seconds: float = MAX_SEND_SECONDS, **settings: Any
    ) -> None:
        self.access = access
        self.max_send_seconds = max_send_seconds
        self.probe = Probe()  # type: ignore[abstract]  # the other methods are not asked
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._running = True
        self.listener = self.run(self._started(Settings(listen="127.0.0.1:0", **{"dev": True, **settings})))
        # Rejected calls are not sent again: tests of rejections see them.
        self.channel: Any = grpc.insecure_channel(self.listener.address, OPTIONS)

    async def _started(self, settings: Settings) -> Listener:
        services = [
            Service(SERVICE, lambda core, tokens: self.probe, Probe.add_to, ENROLLMENT_QUERY),
            Service(PROBE, lambda core, tokens: self.probe, lambda probe, server: None, OF_PROBE),
        ]
        core, tokens = core_on(Database("")), Tokens(b"")  # the probe needs neither; the database is never opened
        access, admission = self.access or await public_access(settings), Admission(settings.max_calls)
        self._watching = asyncio.create_task(admission.watch())
        listener = Listener(services, core, tokens, settings, access, admission, max_send_seconds=self.max_send_seconds)
        await listener.start(settings.listen)
        listener.report_health()
        return listener

    async def _stop_watching(self) -> None:
        self._watching.cancel()
        await asyncio.wait([self._watching])

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def drain(self, seconds: float) -> None:
        self._running = False
        self.run(self.listener.drain(seconds))

    def open_streams(self, method: str) -> int:
        """Counts the open streams of a method."""

        async def count() -> int:
            return sum(stream.method == method for stream in self.listener.streams)

        return self.run(count())

    def stop(self) -> None:
        self.channel.close()
        if self._running:
            self.drain(0)
        self.run(self._stop_watching())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A listener with the settings of `--dev`."""
    running = Shell()
    yield running
    running.stop()


@pytest.fixture
def hasty_shell() -> Iterator[Shell]:
    """The same, with half a second for calls without a deadline."""
    running = Shell(default_deadline_seconds=0.5)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def internal(server: ServerProcess) -> Iterator[grpc.Channel]:
    """The internal listener of the shared server."""
    with connected_to(server.internal_address) as channel:
        yield channel


@pytest.fixture(scope="session")
def spanish_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpanishServer]:
    """The server that tests of migrations share, one test after the other."""
    running = SpanishServer(tmp_path_factory.mktemp("spanish"))
    yield running
    running.stop()


@pytest.fixture
def spain(spanish_server: SpanishServer) -> Spain:
    """Empty Spanish tables, and a contract without rules that isn't mapped yet."""
    spanish_server.reset()
    return Spain(spanish_server)


@pytest.fixture
def strict_spain(spanish_server: SpanishServer) -> Spain:
    """The same with the rules CHILD_AGE, EMPLOYED and NEEDS_PRIMARY."""
    spanish_server.reset()
    return Spain(spanish_server, the_rules())
