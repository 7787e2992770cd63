"""One log line a call: which method, how it ended, how long it took, under which id. Never what was in it.

Calls that succeed are told at level debug, all others at info.
"""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
import structlog

from server.rpc_types import Context

CALL_ID = "x-request-id"
HARMLESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET_METHODS = ("/grpc.health.", "/grpc.reflection.")

log = structlog.get_logger()


def call_id(context: Context) -> str:
    """The caller's id of the call, if it brought a harmless one; else a new one."""
    for name, value in context.invocation_metadata() or ():
        if name == CALL_ID and isinstance(value, str) and HARMLESS_ID.fullmatch(value):
            return value
    return uuid4().hex


@asynccontextmanager
async def logged(method: str, context: Context) -> AsyncIterator[None]:
    """Logs a call, but for health and reflection."""
    own_id = call_id(context)
    structlog.contextvars.bind_contextvars(call_id=own_id)
    context.set_trailing_metadata(((CALL_ID, own_id),))
    # Asked for now: once a call has ended, as a stream that was cancelled may have when it comes to its end here, there
    # is no peer any more, and asking for it ends the process.
    peer = str(context.peer()).partition(":")[0]  # ipv4, ipv6 or unix: how, not who
    began = time.perf_counter()
    cancelled = True
    try:
        yield
        cancelled = False
    except grpc.aio.AbortError:
        cancelled = False
        raise
    finally:
        if not method.startswith(QUIET_METHODS):
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            status = "CANCELLED" if cancelled else _status(context)
            tell = log.debug if status == "OK" else log.info
            tell("call", method=method, status=status, milliseconds=milliseconds, peer=peer)


def _status(context: Context) -> str:
    code: Any = context.code()  # a number or a StatusCode, whatever the types say
    return str(code.name) if isinstance(code, grpc.StatusCode) else _NAMES.get(code, "OK")


_NAMES: dict[Any, str] = {code.value[0]: code.name for code in grpc.StatusCode}
