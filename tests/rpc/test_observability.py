"""Metrics, traces, slow calls, and health."""

import asyncio
import re
import socket
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
from tests.support.channels import connected_to
from tests.support.identities import FLAGS, VARIABLES, as_
from tests.support.waiting import wait_until

QUERY = "affilia.enrollment.v1.EnrollmentQueryService"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Status = health_pb2.HealthCheckResponse


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives spans like an OpenTelemetry collector."""

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
    """A server, the URL of its metrics, and the collector of its spans."""
    collector, port = Collector(), free_port()
    flags = ["--metrics-listen", f"127.0.0.1:{port}", "--trace-endpoint", f"http://127.0.0.1:{collector.port}"]
    server = ServerProcess(tmp_path_factory.mktemp("watched"), *flags)
    yield server, f"http://127.0.0.1:{port}/metrics", collector
    server.stop()
    collector.stop()


def metrics_text(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 (our own)
        text: str = response.read().decode()
        return text


def value(text: str, name: str, **labels: str) -> float:
    """Returns the value of a sample; 0 if there is none."""
    wanted = set(labels.items())
    for line in text.splitlines():
        match = re.fullmatch(rf"{name}(?:{{(.*)}})? (\S+)", line)
        if match and wanted <= set(re.findall(r'(\w+)="([^"]*)"', match[1] or "")):
            return float(match[2])
    return 0.0


def test_calls_and_streams_are_counted_by_method_and_status(watched: tuple[ServerProcess, str, Collector]) -> None:
    server, url, _ = watched
    with connected_to(server.address) as channel:
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
        open_now = value(metrics_text(url), "affilia_calls_open", method=f"/{QUERY}/WatchEnrollments")
        watch.cancel()
        labels = {"method": f"/{QUERY}/WatchEnrollments", "code": "CANCELLED"}
        wait_until(lambda: value(metrics_text(url), "affilia_calls_total", **labels), "the cancelled stream is counted")
        text = metrics_text(url)
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
    with connected_to(server.address) as channel:
        stub: Any = EnrollmentQueryServiceStub(channel)
        with pytest.raises(grpc.RpcError):
            request = pb.GetEnrollmentGroupRequest(group_id=new_id())
            stub.GetEnrollmentGroup(request, metadata=(("traceparent", PARENT), ("x-request-id", "traced-1")))
    (span,) = wait_until(
        lambda: [span for span in list(collector.spans) if span.trace_id.hex() == PARENT.split("-")[1]],
        "the span is exported",
    )
    said = {item.key: item.value.string_value or item.value.int_value for item in span.attributes}
    assert span.name == f"{QUERY}/GetEnrollmentGroup"
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert said["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert said["affilia.call_id"] == "traced-1"
    assert span.status.code == 0  # an answer, not a failure of the server


@pytest.mark.parametrize(("threshold_seconds", "slow_calls"), [(0.05, 1), (3600, 0)])
def test_calls_that_take_longer_than_the_threshold_are_logged_as_slow(
    capsys: pytest.CaptureFixture[str], threshold_seconds: float, slow_calls: int
) -> None:
    shell = Shell(slow_call_seconds=threshold_seconds)

    async def answer(request: Any) -> Any:
        await asyncio.sleep(0.1)
        return pb.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    try:
        shell.channel.unary_unary(UNARY)(pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString())
    finally:
        shell.stop()
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("slow_call") == slow_calls


def test_eligibility_is_not_serving_while_its_projection_is_stuck(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--enrollment-source", f"127.0.0.1:{free_port()}")
    try:
        with connected_to(server.address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)

            def status(service: str) -> Any:
                return health.Check(health_pb2.HealthCheckRequest(service=service)).status

            name = "affilia.eligibility.v1.EligibilityCheckService"
            wait_until(lambda: status(name) == Status.NOT_SERVING, "eligibility reports that it is not serving")
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
        with connected_to(server.address) as plain:
            channel: Any = plain
            health: Any = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == Status.SERVING
            named = health_pb2.HealthCheckRequest(service=QUERY)
            assert answers(lambda: health.Check(named).status == Status.SERVING) is detailed
            servers = channel.unary_unary("/grpc.channelz.v1.Channelz/GetServers")
            assert answers(lambda: servers(b"", metadata=as_("admin", "ada"), timeout=60)) is detailed
            assert answers(lambda: servers(b"", metadata=service, timeout=60)) is False
            reflect = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            assert answers(lambda: list(reflect(iter([b"\x3a\x00"]), metadata=service, timeout=60))) is detailed
    finally:
        server.stop()


def answers(ask: Callable[[], Any]) -> bool:
    """Returns whether a call succeeds with a true answer."""
    try:
        return bool(ask())
    except grpc.RpcError:
        return False
