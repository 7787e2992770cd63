"""What a server tells of itself: metrics, traces, slow calls, and a health that is true."""

import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from tests.conftest import ServerProcess
from tests.rpc.conftest import UNARY, Shell
from tests.support.calls import Family, new_id
from tests.support.identities import FLAGS, VARIABLES, as_

QUERY = "affilia.enrollment.v1.EnrollmentQueryService"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Status = health_pb2.HealthCheckResponse


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def stop(self) -> None:
        self._server.stop(0).wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str, Collector]]:
    """A server, where its metrics are, and where its spans go."""
    collector, port = Collector(), free_port()
    flags = ["--metrics-listen", f"127.0.0.1:{port}", "--trace-endpoint", f"http://127.0.0.1:{collector.port}"]
    server = ServerProcess(tmp_path_factory.mktemp("watched"), *flags)
    yield server, f"http://127.0.0.1:{port}/metrics", collector
    server.stop()
    collector.stop()


def told(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 (our own)
        text: str = response.read().decode()
        return text


def value(text: str, name: str, **labels: str) -> float:
    """Of one sample; 0 where there is none."""
    wanted = set(labels.items())
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if match and wanted <= set(re.findall(r'(\w+)="([^"]*)"', match[1] or "")):
            return float(match[2])
    return 0.0


def test_calls_are_counted_by_method_and_status_streams_too(watched: tuple[ServerProcess, str, Collector]) -> None:
    server, url, _ = watched
    with grpc.insecure_channel(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        family.group()
        with pytest.raises(grpc.RpcError):
            family.queries.GetEnrollmentGroup(pb.GetEnrollmentGroupRequest(group_id=new_id()))
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/made.up/Name")(b"")  # type: ignore[arg-type]
        stub: Any = EnrollmentQueryServiceStub(channel)
        beginning: dict[str, Any] = {"from": pb.FEED_START_BEGINNING}
        watch = stub.WatchEnrollments(pb.WatchEnrollmentsRequest(**beginning))
        next(watch)
        open_now = value(told(url), "affilia_calls_open", method=f"/{QUERY}/WatchEnrollments")
        watch.cancel()
        text, until = "", time.monotonic() + 10
        while time.monotonic() < until:
            text = told(url)
            if value(text, "affilia_calls_total", method=f"/{QUERY}/WatchEnrollments", code="CANCELLED"):
                break
            time.sleep(0.05)
    assert open_now == 1
    group = f"/{QUERY}/GetEnrollmentGroup"
    assert value(text, "affilia_calls_total", method=group, code="OK") == 1
    assert value(text, "affilia_calls_total", method=group, code="NOT_FOUND") == 1
    assert value(text, "affilia_calls_total", method="unknown", code="UNIMPLEMENTED") == 1
    assert value(text, "affilia_calls_total", method=f"/{QUERY}/WatchEnrollments", code="CANCELLED") == 1
    assert value(text, "affilia_stream_messages_sent_total", method=f"/{QUERY}/WatchEnrollments") >= 1
    assert value(text, "affilia_call_seconds_count", method=group) == 2
    assert value(text, "affilia_feed_position") >= 1
    assert value(text, "affilia_database_up") == 1
    assert value(text, "affilia_pool_connections", state="all") >= 1
    assert family.primary not in text


def test_a_call_is_a_span_of_the_callers_trace_with_its_status(watched: tuple[ServerProcess, str, Collector]) -> None:
    server, _, collector = watched
    with grpc.insecure_channel(server.address) as channel:
        stub: Any = EnrollmentQueryServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            request = pb.GetEnrollmentGroupRequest(group_id=new_id())
            stub.GetEnrollmentGroup(request, metadata=(("traceparent", PARENT), ("x-request-id", "traced-1")))
    until = time.monotonic() + 15
    ours: list[Span] = []
    while not ours and time.monotonic() < until:
        ours = [span for span in list(collector.spans) if span.trace_id.hex() == PARENT.split("-")[1]]
        time.sleep(0.1)
    (span,) = ours
    said = {item.key: item.value.string_value or item.value.int_value for item in span.attributes}
    assert span.name == f"{QUERY}/GetEnrollmentGroup"
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert said["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert said["affilia.call_id"] == "traced-1"
    assert span.status.code == 0  # an answer, not a failure of the server


def test_a_call_that_takes_long_is_told_as_slow(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(slow_call_seconds=0.05)
    try:
        for seconds in (0.0, 0.1):

            async def answer(request: Any, seconds: float = seconds) -> Any:
                import asyncio

                await asyncio.sleep(seconds)
                return pb.GetEnrollmentGroupResponse()

            shell.probe.answer = answer
            shell.channel.unary_unary(UNARY)(pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString())
    finally:
        shell.stop()
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("slow_call") == 1


def test_eligibility_is_not_serving_while_its_projection_does_not_go_on(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--enrollment-source", f"127.0.0.1:{free_port()}")
    try:
        with grpc.insecure_channel(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)

            def status(service: str) -> Any:
                return health.Check(health_pb2.HealthCheckRequest(service=service)).status

            until = time.monotonic() + 15
            name = "affilia.eligibility.v1.EligibilityCheckService"
            while status(name) == Status.SERVING and time.monotonic() < until:
                time.sleep(0.1)
            assert status(name) == Status.NOT_SERVING
            assert status("") == Status.SERVING
            assert status(QUERY) == Status.SERVING
    finally:
        server.stop()


@pytest.mark.parametrize("detailed", [True, False])
def test_detailed_health_reflection_and_channelz_are_settings(tmp_path: Path, detailed: bool) -> None:
    flags = [f"--{'' if detailed else 'no-'}{name}" for name in ("detailed-health", "reflection", "channelz")]
    server = ServerProcess(tmp_path, *FLAGS, "--database-url", "embedded", *flags, environment=VARIABLES)
    service = as_("service", "x", "enrollment.read")
    try:
        with grpc.insecure_channel(server.address) as plain:
            channel: Any = plain
            health: Any = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == Status.SERVING
            named = health_pb2.HealthCheckRequest(service=QUERY)
            assert answers(lambda: health.Check(named).status == Status.SERVING) is detailed
            servers = channel.unary_unary("/grpc.channelz.v1.Channelz/GetServers")
            assert answers(lambda: servers(b"", metadata=as_("admin", "ada"), timeout=10)) is detailed
            assert answers(lambda: servers(b"", metadata=service, timeout=10)) is False
            reflect = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            assert answers(lambda: list(reflect(iter([b"\x3a\x00"]), metadata=service, timeout=10))) is detailed
    finally:
        server.stop()


def answers(ask: Callable[[], Any]) -> bool:
    """Whether a call says something, and not that it is none."""
    try:
        return bool(ask())
    except grpc.RpcError:
        return False
