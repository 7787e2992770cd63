"""OpenTelemetry traces: one span per call, a child of the caller's span if the caller sends `traceparent`.

Off by default, at no cost. Spans have the method, status and id of the call, but none of its data.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACE_HEADERS = ("traceparent", "tracestate")
SERVER_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS", "UNIMPLEMENTED"})
"""Statuses that are the server's fault, for which a span is marked as failed."""

_propagator = TraceContextTextMapPropagator()


class TracingMissing(Exception):
    """Tracing is configured, but the packages for it are not installed."""


@contextmanager
def tracing(endpoint: str) -> Iterator["Tracer | None"]:
    """Yields a tracer that sends spans to a collector, or None without an endpoint. Raises TracingMissing."""
    if not endpoint:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as missing:
        raise TracingMissing(
            "AFFILIA_TRACE_ENDPOINT requires the extra tracing: pip install 'affilia-server[tracing]'"
        ) from missing
    provider = TracerProvider(resource=Resource.create({"service.name": "affilia"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracer(provider)
    finally:
        provider.shutdown()


class Tracer:
    """Starts and ends the spans of calls."""

    def __init__(self, provider: Any) -> None:
        self._tracer: trace.Tracer = provider.get_tracer("affilia")

    def begin(self, method: str, metadata: Any, call_id: str) -> Span:
        """Starts the span of a call."""
        carrier = {name: value for name, value in metadata or () if name in TRACE_HEADERS and isinstance(value, str)}
        service, _, name = method.lstrip("/").rpartition("/")
        return self._tracer.start_span(
            f"{service}/{name}" if service else name,
            context=_propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name, "affilia.call_id": call_id},
        )

    def end(self, span: Span, status: str, number: int) -> None:
        """Ends the span of a call with its status."""
        span.set_attribute("rpc.grpc.status_code", number)
        if status in SERVER_FAULTS:
            span.set_status(Status(StatusCode.ERROR, status))
        span.end()


def trace_id(span: Span) -> str:
    """Returns the trace id of a span in hexadecimal, for log lines."""
    return f"{span.get_span_context().trace_id:032x}"
