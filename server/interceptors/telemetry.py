"""What is told of each call: a log line, metrics, a span. Which method, how it ended, how long it took, under which id;
never what was in it.

Calls that succeed are logged at level debug, slow ones at warning, all others at info.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import structlog

from server import metrics
from server.interceptors.methods import LASTING_METHODS, QUIET_METHODS
from server.interceptors.wrapping import Around
from server.rpc_types import Context
from server.tracing import Tracer, trace_id

CALL_ID = "x-request-id"
HARMLESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


def call_id(context: Context) -> str:
    """The caller's id of the call, if it brought a harmless one; else a new one."""
    for name, value in context.invocation_metadata() or ():
        if name == CALL_ID and isinstance(value, str) and HARMLESS_ID.fullmatch(value):
            return value
    return uuid4().hex


def observed(slow_seconds: float, tracer: Tracer | None) -> Around:
    """Observes every call; health, reflection and channelz are measured, but neither logged nor traced."""

    @asynccontextmanager
    async def around(method: str, context: Context) -> AsyncIterator[None]:
        own_id, quiet = call_id(context), method.startswith(QUIET_METHODS)
        structlog.contextvars.bind_contextvars(call_id=own_id)
        context.set_trailing_metadata(((CALL_ID, own_id),))
        # Asked for now: once a call has ended, as a stream that was cancelled may have when it comes to its end here,
        # there is no peer any more, and asking for it ends the process.
        peer = str(context.peer()).partition(":")[0]  # ipv4, ipv6 or unix: how, not who
        span = None
        if tracer is not None and not quiet:
            span = tracer.begin(method, context.invocation_metadata(), own_id)
            structlog.contextvars.bind_contextvars(trace_id=trace_id(span))
        under_way = metrics.OPEN_CALLS.labels(method)
        under_way.inc()
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
            status, number = ("CANCELLED", 1) if cancelled else _status(context)
            under_way.dec()
            metrics.CALLS.labels(method, status).inc()
            metrics.CALL_SECONDS.labels(method).observe(seconds)
            if tracer is not None and span is not None:
                tracer.end(span, status, number)
            if not quiet:
                slow = seconds > slow_seconds and not method.endswith(LASTING_METHODS)
                tell = log.warning if slow else log.debug if status == "OK" else log.info
                event = "slow_call" if slow else "call"
                tell(event, method=method, status=status, milliseconds=round(seconds * 1000, 1), peer=peer)

    return around


def _status(context: Context) -> tuple[str, int]:
    code: Any = context.code()  # a number or a StatusCode, whatever the types say
    if isinstance(code, grpc.StatusCode):
        return code.name, code.value[0]
    return _NAMES.get(code, "OK"), code or 0


_NAMES: dict[Any, str] = {code.value[0]: code.name for code in grpc.StatusCode}
