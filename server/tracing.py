"""Traces of calls, for OpenTelemetry: one span a call, a child of the caller's where it sends `traceparent`.

Off, and free, unless an endpoint is set. Spans say method, status and the call's id; nothing that was sent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACE_HEADERS = ("traceparent", "tracestate")
OURS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS", "UNIMPLEMENTED"})
"""Statuses that are the server's fault; all others are answers."""

_propagator = TraceContextTextMapPropagator()


class TracingMissing(Exception):
    """Traces are asked for, and the packages for them are not installed."""


@contextmanager
def tracing(endpoint: str) -> Iterator["Tracer | None"]:
    """Sends spans to a collector for a while. Raises TracingMissing."""
    if not endpoint:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise TracingMissing("AFFILIA_TRACE_ENDPOINT needs the extra: pip install 'affilia[tracing]'") from missing
    provider = TracerProvider(resource=Resource.create({"service.name": "affilia"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracer(provider)
    finally:
        provider.shutdown()


class Tracer:
    """Begins and ends the spans of calls."""

    def __init__(self, provider: Any) -> None:
        self._tracer: trace.Tracer = provider.get_tracer("affilia")

    def begin(self, method: str, metadata: Any, call_id: str) -> Span:
        """The span of a call that begins."""
        carrier = {name: value for name, value in metadata or () if name in TRACE_HEADERS and isinstance(value, str)}
        service, _, name = method.lstrip("/").rpartition("/")
        return self._tracer.start_span(
            f"{service}/{name}" if service else name,
            context=_propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name, "affilia.call_id": call_id},
        )

    def end(self, span: Span, status: str, number: int) -> None:
        """Ends the span of a call that ended so."""
        span.set_attribute("rpc.grpc.status_code", number)
        if status in OURS:
            span.set_status(Status(StatusCode.ERROR, status))
        span.end()


def trace_id(span: Span) -> str:
    """For log lines."""
    return f"{span.get_span_context().trace_id:032x}"
