"""Metrics of calls are made of plain counts, and equal those that prometheus-client would have counted."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from server.methods import UNKNOWN
from server.telemetry.call_metrics import UNARY, CallMetrics
from server.telemetry.call_statistics import BOUNDS_SECONDS
from tests.rpc.conftest import UNARY as UNARY_METHOD
from tests.rpc.conftest import Shell
from tests.rpc.test_limits import REQUEST

METHOD = "/affilia.catalog.v1.MemberService/GetMember"
GRPC = {"grpc_type": UNARY, "grpc_service": "affilia.catalog.v1.MemberService", "grpc_method": "GetMember"}
TINY = 1e-9

Series = tuple[str, frozenset[tuple[str, str]]]


def exported(metrics: CallMetrics | CollectorRegistry) -> dict[Series, float]:
    """Returns the value of every series, as Prometheus reads it."""
    registry = CollectorRegistry()
    if isinstance(metrics, CallMetrics):
        registry.register(metrics)
    else:
        registry = metrics
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


def test_durations_are_in_the_buckets_of_a_histogram() -> None:
    metrics, registry = CallMetrics(), CollectorRegistry()
    statistics = metrics.of(METHOD, UNARY)
    histogram = Histogram("affilia_call_seconds", "", ["method"], buckets=BOUNDS_SECONDS, registry=registry)
    for bound in BOUNDS_SECONDS:
        for seconds in (bound - TINY, bound, bound + TINY):
            statistics.begin()
            statistics.end("OK", seconds)
            histogram.labels(METHOD).observe(seconds)
    ours = exported(metrics)
    expected = {key: value for key, value in exported(registry).items() if not key[0].endswith("_created")}
    assert {key: ours[key] for key in expected} == expected
    assert ours[series("grpc_server_handling_seconds_count", **GRPC)] == 3 * len(BOUNDS_SECONDS)


def test_calls_are_counted_from_their_start_to_their_status() -> None:
    metrics = CallMetrics()
    statistics = metrics.of(METHOD, UNARY)
    for _ in range(3):
        statistics.begin()
    statistics.end("OK", 0.002)
    statistics.end("NOT_FOUND", 0.003)
    found = exported(metrics)
    assert found[series("affilia_calls_open", method=METHOD)] == 1
    assert found[series("affilia_calls_total", method=METHOD, code="OK")] == 1
    assert found[series("grpc_server_started_total", **GRPC)] == 3
    assert found[series("grpc_server_handled_total", **GRPC, grpc_code="NotFound")] == 1


def test_a_call_that_was_rejected_before_it_was_read_has_no_duration() -> None:
    metrics = CallMetrics()
    metrics.of(METHOD, UNARY).rejected("RESOURCE_EXHAUSTED")
    found = exported(metrics)
    assert found[series("grpc_server_started_total", **GRPC)] == 1
    assert found[series("affilia_calls_total", method=METHOD, code="RESOURCE_EXHAUSTED")] == 1
    assert found[series("affilia_calls_open", method=METHOD)] == 0
    assert found[series("affilia_call_seconds_count", method=METHOD)] == 0


def test_methods_that_were_never_called_have_no_metrics() -> None:
    metrics = CallMetrics()
    metrics.of(METHOD, UNARY)
    metrics.of(UNKNOWN, UNARY).begin()
    assert {dict(labels).get("method", UNKNOWN) for _, labels in exported(metrics)} == {UNKNOWN}


def test_listeners_share_the_statistics_of_a_method() -> None:
    metrics = CallMetrics()
    assert metrics.of(METHOD, UNARY) is metrics.of(METHOD, UNARY)


def test_only_streams_that_were_opened_have_a_count_of_messages(shell: Shell) -> None:
    shell.channel.unary_unary(UNARY_METHOD)(REQUEST, timeout=60)
    text = generate_latest().decode()
    assert f'affilia_stream_messages_sent_total{{method="{UNARY_METHOD}"}}' not in text
