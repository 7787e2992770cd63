"""Identifies the caller, and creates the `Call` that every operation receives. `validation.py` authorizes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date

import structlog

from domain.errors import FieldViolation, RequestMalformed
from operations.call import Call, begin_call
from server.errors import MethodUnknown
from server.identity.authenticators import Authenticator
from server.interceptors.reauthorization import Reauthorization
from server.interceptors.wrapping import Around
from server.methods import HEALTH, UNKNOWN
from server.rpc_types import Context
from server.streams import current_stream
from server.system import system, system_clock

TODAY = "x-affilia-today"
ANONYMOUS = system("nobody")


def identified(authenticator: Authenticator, reauthorization: Reauthorization, *, dev: bool) -> Around:
    """Authenticates every call except health checks. With `dev`, the call's metadata can set its current day."""

    @asynccontextmanager
    async def begun(method: str, context: Context) -> AsyncIterator[None]:
        call_id = str(structlog.contextvars.get_contextvars().get("call_id", ""))
        if method.startswith(HEALTH):
            begin_call(Call(call_id, ANONYMOUS, system_clock, None, method))
            yield
            return
        credentials = authenticator.credentials(context)
        caller, expires_at = await authenticator.authenticate(credentials)
        if method == UNKNOWN:
            raise MethodUnknown
        call = Call(call_id, caller, system_clock, _today(context) if dev else None, method)
        stream = current_stream()
        if stream is not None:
            call = replace(call, stream_end=stream.end_request)
            reauthorization.begin(stream, authenticator, credentials, expires_at)
        begin_call(call)
        yield

    return begun


def _today(context: Context) -> date | None:
    for name, value in context.invocation_metadata() or ():
        if name == TODAY:
            try:
                return date.fromisoformat(str(value))
            except ValueError as not_a_date:
                raise RequestMalformed([FieldViolation(TODAY, "must be a date such as 2026-03-01")]) from not_a_date
    return None
