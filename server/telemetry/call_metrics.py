"""Metrics of calls: under our own names, and under those that gRPC middlewares of other languages use, so that existing
dashboards work. Methods that were never called have no metrics.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from server.methods import UNKNOWN
from server.telemetry.call_statistics import BOUNDS_SECONDS, CallStatistics

UNARY, CLIENT_STREAM, SERVER_STREAM, BIDI_STREAM = "unary", "client_stream", "server_stream", "bidi_stream"

GRPC_LABELS = ("grpc_type", "grpc_service", "grpc_method")
ENDED, DURATION = "Calls that ended, streams included", "Duration of calls, and of streams until their end, in seconds."
UPPER_BOUNDS = [*map(floatToGoString, BOUNDS_SECONDS), "+Inf"]


def call_type(*, request_streaming: bool, response_streaming: bool) -> str:
    """Returns the value of the label `grpc_type`."""
    if request_streaming:
        return BIDI_STREAM if response_streaming else CLIENT_STREAM
    return SERVER_STREAM if response_streaming else UNARY


class _Families(NamedTuple):
    """The metrics of one scrape."""

    calls: CounterMetricFamily
    seconds: HistogramMetricFamily
    open: GaugeMetricFamily
    started: CounterMetricFamily
    handled: CounterMetricFamily
    handling_seconds: HistogramMetricFamily

    @classmethod
    def empty(cls) -> "_Families":
        return cls(
            CounterMetricFamily("affilia_calls", f"{ENDED}.", labels=["method", "code"]),
            HistogramMetricFamily("affilia_call_seconds", DURATION, labels=["method"]),
            GaugeMetricFamily("affilia_calls_open", "Calls in progress, open streams included.", labels=["method"]),
            CounterMetricFamily("grpc_server_started", "Calls that started, streams included.", labels=GRPC_LABELS),
            CounterMetricFamily("grpc_server_handled", f"{ENDED}, by status.", labels=[*GRPC_LABELS, "grpc_code"]),
            HistogramMetricFamily("grpc_server_handling_seconds", DURATION, labels=GRPC_LABELS),
        )

    def add(self, method: str, grpc: Sequence[str], statistics: CallStatistics) -> None:
        """Adds the values of a method. `grpc` are the values of `GRPC_LABELS`."""
        for status, number in list(statistics.ended.items()):
            self.calls.add_metric([method, status], number)
            self.handled.add_metric([*grpc, _code_name(status)], number)
        durations = list(zip(UPPER_BOUNDS, accumulate(statistics.buckets), strict=True))
        self.seconds.add_metric([method], durations, statistics.seconds)
        self.handling_seconds.add_metric(grpc, durations, statistics.seconds)
        self.open.add_metric([method], statistics.open)
        self.started.add_metric(grpc, statistics.started)


class CallMetrics(Collector):
    """The statistics of all methods. Listeners share those of methods that they both have."""

    def __init__(self) -> None:
        self._statistics: dict[str, CallStatistics] = {}
        self._grpc_labels: dict[str, tuple[str, str, str]] = {}

    def of(self, method: str, type_of_calls: str) -> CallStatistics:
        """Returns the statistics of a method."""
        service, _, name = method.strip("/").rpartition("/")
        self._grpc_labels[method] = type_of_calls, service or UNKNOWN, name
        return self._statistics.setdefault(method, CallStatistics())

    def describe(self) -> Iterable[Metric]:
        """Returns the metrics without values."""
        return _Families.empty()

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics with the values of all methods that were called."""
        families = _Families.empty()
        for method, statistics in list(self._statistics.items()):
            if statistics.started:
                families.add(method, self._grpc_labels[method], statistics)
        return families


def _code_name(code: str) -> str:
    """Returns the name of a status as spelled in gRPC's metrics: `InvalidArgument` for INVALID_ARGUMENT."""
    return SPECIAL_NAMES.get(code) or code.title().replace("_", "")


SPECIAL_NAMES: Mapping[str, str] = {"OK": "OK", "CANCELLED": "Canceled"}

CALL_METRICS = CallMetrics()
REGISTRY.register(CALL_METRICS)
