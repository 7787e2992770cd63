"""Logs, measures and traces every call: its method, status, duration and id, but never its content.

Successful calls are logged at level debug, slow ones at warning, all others at info.
"""

import logging
import re
import time
from typing import Any

import grpc
import structlog

from server.interceptors.arrival import Arrival
from server.methods import Method
from server.rpc_types import Context
from server.telemetry.call_ids import CallIds
from server.telemetry.call_metrics import CALL_METRICS, call_type
from server.telemetry.log import set_call_fields
from server.telemetry.tracing import Tracer, trace_id

CALL_ID = "x-request-id"
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
OK, CANCELLED = ("OK", 0), ("CANCELLED", 1)

log = structlog.get_logger()


class Observer:
    """Observes the calls of one listener."""

    def __init__(self, slow_seconds: float, tracer: Tracer | None) -> None:
        self.slow_seconds = slow_seconds
        self.tracer = tracer
        self.ids = CallIds()

    def of(self, method: Method) -> "MethodObserver":
        return MethodObserver(self, method)


class MethodObserver:
    """Observes the calls of one method. Health, reflection and channelz are measured, but neither logged nor traced."""

    def __init__(self, observer: Observer, method: Method) -> None:
        self.method = method
        self.tracer = None if method.is_quiet else observer.tracer
        type_of_calls = call_type(
            request_streaming=method.request_streaming, response_streaming=method.response_streaming
        )
        self.statistics = CALL_METRICS.of(method.name, type_of_calls)
        self._new_id = observer.ids.new
        self._slow_seconds = float("inf") if method.is_lasting else observer.slow_seconds
        self._logs_success = log.is_enabled_for(logging.DEBUG)

    def begin(self, context: Context, arrival: Arrival) -> "Observation":
        """Starts to observe a call. `Observation.end` must follow."""
        call_id = self._id_of(arrival)
        context.set_trailing_metadata(((CALL_ID, call_id),))
        span = None
        if self.tracer is None:
            set_call_fields({"call_id": call_id})
        else:
            span = self.tracer.begin(self.method.name, arrival.metadata, call_id)
            set_call_fields({"call_id": call_id, "trace_id": trace_id(span)})
        self.statistics.begin()
        return Observation(self, call_id, arrival.peer, span)

    def _id_of(self, arrival: Arrival) -> str:
        """Returns the call id that the caller sent, if it is safe to log; otherwise a new one."""
        for name, value in arrival.metadata:
            if name == CALL_ID and isinstance(value, str) and SAFE_ID.fullmatch(value):
                return value
        return self._new_id()

    def rejected_early(self) -> None:
        """Counts a call that was rejected before it was read. Such a call is neither measured nor logged."""
        self.statistics.rejected("RESOURCE_EXHAUSTED")

    def log_end(self, status: str, seconds: float, peer: str) -> None:
        """Writes the log line of a call, if it has one."""
        slow = seconds > self._slow_seconds
        if self.method.is_quiet or (status == "OK" and not slow and not self._logs_success):
            return
        write = log.warning if slow else log.debug if status == "OK" else log.info
        write(
            "slow_call" if slow else "call",
            method=self.method.name,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            peer=peer.partition(":")[0],  # ipv4, ipv6 or unix: how, not who
        )


class Observation:
    """One call that is being observed. Set `is_cancelled` to false once gRPC has, or will have, its status."""

    __slots__ = ("_began", "_of", "_peer", "_span", "call_id", "is_cancelled")

    def __init__(self, of: MethodObserver, call_id: str, peer: str, span: Any) -> None:
        self.call_id = call_id
        self.is_cancelled = True
        self._of = of
        self._peer = peer
        self._span = span
        self._began = time.perf_counter()

    def end(self, context: Context) -> None:
        """Counts, measures, logs and traces the call."""
        seconds = time.perf_counter() - self._began
        # An abandoned stream has a status although its task was cancelled.
        status, number = CANCELLED if self.is_cancelled and not context.done() else _status(context)
        of = self._of
        of.statistics.end(status, seconds)
        if of.tracer is not None and self._span is not None:
            of.tracer.end(self._span, status, number)
        of.log_end(status, seconds, self._peer)


def _status(context: Context) -> tuple[str, int]:
    code: Any = context.code()  # a number or a StatusCode, despite the declared type
    if not code:
        return OK
    if isinstance(code, grpc.StatusCode):
        return code.name, code.value[0]
    return _NAMES.get(code, "OK"), code


_NAMES: dict[Any, str] = {code.value[0]: code.name for code in grpc.StatusCode}
