"""Records calls in the audit log: every write, every read by an admin, and every call that is not allowed.

A successful write is recorded in its own transaction (`Core.write`). Other calls are recorded when they end, before the
response is sent, so an admin never receives what could not be recorded. The ids of an entry are collected where
requests are parsed (`validation.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from domain.errors import DomainError, NotNow
from operations.auditing import enter
from operations.call import Call, current_call
from operations.core import Core
from server.errors import NotAllowed
from server.identity.access_policy import AccessPolicy
from server.interceptors.wrapping import Around
from server.rpc_types import Context
from server.telemetry import metrics

log = structlog.get_logger()


def audited(core: Core, access_policy: AccessPolicy) -> Around:
    """Records writes, all calls by admins, and every call that is not allowed."""
    unfinished = set[asyncio.Task[None]]()

    @asynccontextmanager
    async def entered(method: str, context: Context) -> AsyncIterator[None]:
        call = current_call()
        audits = access_policy.audits(method, call.caller)
        try:
            yield
        except DomainError as error:
            if audits or isinstance(error, NotAllowed):
                await _enter_failure(core, call, error.reason)
            raise
        except BaseException:
            if not audits:
                raise
            # A task of its own, because the task of this call may be cancelled again. If the write succeeded, its own
            # transaction has recorded it.
            entering = asyncio.create_task(_enter_failure(core, call, "UNFINISHED"))
            unfinished.add(entering)
            entering.add_done_callback(unfinished.discard)
            raise
        if audits:
            await enter(core, call, "OK")

    return entered


async def _enter_failure(core: Core, call: Call, outcome: str) -> None:
    """Records a failed call. Without a database nothing was written, and only the log line of the call remains."""
    try:
        await enter(core, call, outcome)
    except NotNow:
        metrics.AUDIT_UNWRITTEN.inc()
        log.warning("audit_unwritten", method=call.method, outcome=outcome)
