"""Who calls: fills the `Call` that every operation receives. What they may is judged further in (`auditing.py`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import structlog

from domain.errors import FieldViolation, RequestMalformed
from server.errors import MethodUnknown
from server.identity.callers import Callers
from server.interceptors.lasting import LastingCalls
from server.interceptors.methods import HEALTH, UNKNOWN
from server.interceptors.wrapping import Around
from server.operations.call import Call, begin_call
from server.rpc_types import Context
from server.system import system, system_clock

TODAY = "x-affilia-today"
NOBODY = system("nobody")


def identified(callers: Callers, lasting: LastingCalls, *, dev: bool) -> Around:
    """Begins every call as its caller's; with `dev`, on the day that the call's metadata names. Health is for all."""

    @asynccontextmanager
    async def begun(method: str, context: Context) -> AsyncIterator[None]:
        call_id = str(structlog.contextvars.get_contextvars().get("call_id", ""))
        if method.startswith(HEALTH):
            begin_call(Call(call_id, NOBODY, system_clock, None, method))
            yield
            return
        credentials = callers.credentials(context)
        caller, expires_at = await callers.caller(credentials)
        if method == UNKNOWN:
            raise MethodUnknown
        begin_call(Call(call_id, caller, system_clock, _today(context) if dev else None, method))
        with lasting.authorised_again(context, callers, credentials, expires_at):
            yield

    return begun


def _today(context: Context) -> date | None:
    for name, value in context.invocation_metadata() or ():
        if name == TODAY:
            try:
                return date.fromisoformat(str(value))
            except ValueError as not_a_date:
                raise RequestMalformed([FieldViolation(TODAY, "is not a date such as 2026-03-01")]) from not_a_date
    return None
