"""The server's shell around a servicer of the tests."""

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
from server.identity.entrances import Entrance, public_entrance
from server.identity.policy import ENROLLMENT_QUERY, Permission
from server.interceptors.limits import Load
from server.listener import Listener
from server.services import Service
from server.settings import Settings
from server.slow_readers import SlowReaders
from tests.conftest import ServerProcess

T = TypeVar("T")
Answer = Callable[[pb.GetEnrollmentGroupRequest], Awaitable[Any]]

SERVICE = "affilia.enrollment.v1.EnrollmentQueryService"
UNARY = f"/{SERVICE}/GetEnrollmentGroup"
DOWN = "/affilia.test.v1.Probe/Down"
UP = "/affilia.test.v1.Probe/Up"
FLOOD = "/affilia.test.v1.Probe/Flood"
"""Methods that stream to the caller, a little or without end, and one that the caller streams to."""

PROBE = "affilia.test.v1.Probe"
OF_PROBE = dict.fromkeys(("Down", "Up", "Flood"), Permission("test"))


async def nothing(request: pb.GetEnrollmentGroupRequest) -> pb.GetEnrollmentGroupResponse:
    return pb.GetEnrollmentGroupResponse()


def describe_probe() -> None:
    """Tells reflection of the methods that no proto has."""
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
    """Answers every method with what the test says."""

    def __init__(self) -> None:
        self.answer: Answer = nothing
        self.slow_readers: SlowReaders | None = None

    async def GetEnrollmentGroup(self, request: Any, context: Any) -> Any:
        return await self.answer(request)

    async def Down(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield pb.GetEnrollmentGroupResponse()
        yield await self.answer(request)

    async def Flood(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Sends without end, to readers that are given up after half a second."""
        self.slow_readers = self.slow_readers or SlowReaders(0.5)
        reader = self.slow_readers.reader(context)
        while True:
            with reader.sending():
                yield bytes(100_000)

    async def WatchEnrollments(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Says one thing, and nothing more."""
        yield pb.WatchEnrollmentsResponse()
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
    """A listener of the product, on a loop in a thread of its own, without a database behind it."""

    def __init__(self, entrance: Entrance | None = None, **settings: Any) -> None:
        self.entrance = entrance
        self.probe = Probe()  # type: ignore[abstract]  # the other methods are not asked
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._running = True
        self.listener = self.run(self._started(Settings(listen="127.0.0.1:0", **{"dev": True, **settings})))
        self.channel: Any = grpc.insecure_channel(self.listener.address)

    async def _started(self, settings: Settings) -> Listener:
        services = [
            Service(SERVICE, lambda core, tokens: self.probe, Probe.add_to, ENROLLMENT_QUERY),
            Service(PROBE, lambda core, tokens: self.probe, lambda probe, server: None, OF_PROBE),
        ]
        core_and_tokens: Any = None  # the probe needs neither
        entrance, load = self.entrance or await public_entrance(settings), Load(settings.most_calls)
        listener = Listener(services, core_and_tokens, core_and_tokens, settings, entrance, load)
        await listener.start(settings.listen)
        await listener.tell_health(serving=True)
        return listener

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def drain(self, seconds: float) -> None:
        self._running = False
        self.run(self.listener.drain(seconds))

    def stop(self) -> None:
        self.channel.close()
        if self._running:
            self.drain(0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def shell() -> Iterator[Shell]:
    """On port 0, with `--dev`, and with half a second for calls that bring no deadline."""
    running = Shell(default_deadline_seconds=0.5)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def internal(server: ServerProcess) -> Iterator[grpc.Channel]:
    """The internal listener of the shared server."""
    with grpc.insecure_channel(server.internal_address) as channel:
        yield channel
