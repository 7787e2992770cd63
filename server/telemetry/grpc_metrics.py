"""Call metrics under the names that gRPC middlewares of other languages use, so that existing dashboards work.

They are derived from the server's own metrics when they are scraped, so that calls aren't counted twice. Only started
calls have a counter of their own.
"""

from collections.abc import Iterable, Mapping

from prometheus_client import REGISTRY, Counter
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from server.methods import UNKNOWN
from server.telemetry.metrics import CALL_SECONDS, CALLS

UNARY, CLIENT_STREAM, SERVER_STREAM, BIDI_STREAM = "unary", "client_stream", "server_stream", "bidi_stream"

LABELS = ("grpc_type", "grpc_service", "grpc_method")
STARTED = Counter("grpc_server_started", "Calls that started, streams included.", LABELS)


def call_type(*, request_streaming: bool, response_streaming: bool) -> str:
    """Returns the value of the label `grpc_type`."""
    if request_streaming:
        return BIDI_STREAM if response_streaming else CLIENT_STREAM
    return SERVER_STREAM if response_streaming else UNARY


class GrpcMetrics(Collector):
    """Yields `grpc_server_handled_total` and `grpc_server_handling_seconds`."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}

    def add_method(self, name: str, type_of_calls: str) -> Counter:
        """Registers the type of a method. Returns the counter of its started calls."""
        self._types[name] = type_of_calls
        return STARTED.labels(**self._labels(name))

    def describe(self) -> Iterable[Metric]:
        """Yields the metrics without values."""
        yield CounterMetricFamily(
            "grpc_server_handled", "Calls that ended, streams included, by status.", labels=[*LABELS, "grpc_code"]
        )
        yield HistogramMetricFamily(
            "grpc_server_handling_seconds",
            "Duration of calls, and of streams until their end, in seconds.",
            labels=LABELS,
        )

    def collect(self) -> Iterable[Metric]:
        """Yields the metrics with the values of `affilia_calls_total` and `affilia_call_seconds`."""
        for metric, source in zip(self.describe(), (CALLS, CALL_SECONDS), strict=True):
            for family in source.collect():
                metric.samples += [
                    self._renamed(sample, family.name, metric.name)
                    for sample in family.samples
                    if not sample.name.endswith("_created")
                ]
            yield metric

    def _renamed(self, sample: Sample, old: str, new: str) -> Sample:
        labels = dict(sample.labels)
        renamed = self._labels(labels.pop("method"))
        if "code" in labels:
            renamed["grpc_code"] = _code_name(labels.pop("code"))
        return sample._replace(name=sample.name.replace(old, new, 1), labels={**renamed, **labels})

    def _labels(self, method: str) -> dict[str, str]:
        service, _, name = method.strip("/").rpartition("/")
        return {
            "grpc_type": self._types.get(method, UNARY),
            "grpc_service": service or UNKNOWN,
            "grpc_method": name,
        }


def _code_name(code: str) -> str:
    """Returns the name of a status as spelled in these metrics: `InvalidArgument` for INVALID_ARGUMENT."""
    return SPECIAL_NAMES.get(code) or code.title().replace("_", "")


SPECIAL_NAMES: Mapping[str, str] = {"OK": "OK", "CANCELLED": "Canceled"}

GRPC_METRICS = GrpcMetrics()
REGISTRY.register(GRPC_METRICS)
