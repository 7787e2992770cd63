"""Logs, measures and traces every call: its method, status, duration and id, but never its content.

Successful calls are logged at level debug, slow ones at warning, all others at info.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import structlog

from server.interceptors.wrapping import Around
from server.methods import LASTING_METHODS, QUIET_METHODS
from server.rpc_types import Context
from server.telemetry import metrics
from server.telemetry.tracing import Tracer, trace_id

CALL_ID = "x-request-id"
SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


def call_id(context: Context) -> str:
    """Returns the call id that the caller sent, if it is safe to log; otherwise a new one."""
    for name, value in context.invocation_metadata() or ():
        if name == CALL_ID and isinstance(value, str) and SAFE_ID.fullmatch(value):
            return value
    return uuid4().hex


def observed(slow_seconds: float, tracer: Tracer | None) -> Around:
    """Observes every call. Health, reflection and channelz are measured, but neither logged nor traced."""

    @asynccontextmanager
    async def around(method: str, context: Context) -> AsyncIterator[None]:
        own_id, quiet = call_id(context), method.startswith(QUIET_METHODS)
        structlog.contextvars.bind_contextvars(call_id=own_id)
        context.set_trailing_metadata(((CALL_ID, own_id),))
        # Read the peer now: reading it after the call has ended, as a cancelled stream may below, crashes the process.
        peer = str(context.peer()).partition(":")[0]  # ipv4, ipv6 or unix: how, not who
        span = None
        if tracer is not None and not quiet:
            span = tracer.begin(method, context.invocation_metadata(), own_id)
            structlog.contextvars.bind_contextvars(trace_id=trace_id(span))
        open_calls = metrics.OPEN_CALLS.labels(method)
        open_calls.inc()
        began = time.perf_counter()
        cancelled = True
        try:
            yield
            cancelled = False
        except grpc.aio.AbortError:
            cancelled = False
            raise
        finally:
            seconds = time.perf_counter() - began
            # An abandoned stream has a status although its task was cancelled.
            status, number = ("CANCELLED", 1) if cancelled and not context.done() else _status(context)
            open_calls.dec()
            metrics.CALLS.labels(method, status).inc()
            metrics.CALL_SECONDS.labels(method).observe(seconds)
            if tracer is not None and span is not None:
                tracer.end(span, status, number)
            if not quiet:
                slow = seconds > slow_seconds and not method.endswith(LASTING_METHODS)
                write = log.warning if slow else log.debug if status == "OK" else log.info
                event = "slow_call" if slow else "call"
                write(event, method=method, status=status, milliseconds=round(seconds * 1000, 1), peer=peer)

    return around


def _status(context: Context) -> tuple[str, int]:
    code: Any = context.code()  # a number or a StatusCode, despite the declared type
    if isinstance(code, grpc.StatusCode):
        return code.name, code.value[0]
    return _NAMES.get(code, "OK"), code or 0


_NAMES: dict[Any, str] = {code.value[0]: code.name for code in grpc.StatusCode}
