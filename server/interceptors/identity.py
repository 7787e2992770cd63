"""Who calls, and what is today for them: fills the `Call` that every operation receives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import structlog

from domain.errors import FieldViolation, RequestMalformed
from server.interceptors.wrapping import Around
from server.operations.call import Call, Caller, CallerKind, begin_call
from server.rpc_types import Context

TODAY = "x-affilia-today"
LOOPBACK = Caller(CallerKind.SERVICE, "loopback")
"""Until identity lands, whoever reaches the loopback interface is trusted."""


def system_clock() -> datetime:
    """The present instant."""
    return datetime.now(UTC)


def identified(*, dev: bool) -> Around:
    """Begins every call as the trusted loopback caller; with `dev`, on the day that the call's metadata names."""

    @asynccontextmanager
    async def begun(method: str, context: Context) -> AsyncIterator[None]:
        call_id = str(structlog.contextvars.get_contextvars().get("call_id", ""))
        begin_call(Call(call_id, LOOPBACK, system_clock, _today(context) if dev else None))
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
