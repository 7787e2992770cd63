"""The audit log's entries: every write, and whatever an admin reads.

A write that was done has its entry from its own transaction (`Core.write`); all else is entered when the call ends,
before the caller is answered: an admin does not get to read what could not be entered.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from domain.errors import DomainError, NotNow
from server import metrics
from server.identity.policy import Policy
from server.interceptors.methods import LASTING_METHODS
from server.interceptors.wrapping import Around
from server.operations.auditing import enter
from server.operations.call import Call, CallerKind, current_call
from server.operations.core import Core
from server.rpc_types import Context

log = structlog.get_logger()


def audited(core: Core, policy: Policy) -> Around:
    """Enters calls of the methods that write, and all calls of admins; those that the policy refuses, too."""
    writes, unfinished = policy.writes, set[asyncio.Task[None]]()

    @asynccontextmanager
    async def entered(method: str, context: Context) -> AsyncIterator[None]:
        call = current_call()
        if method not in writes and call.caller.kind is not CallerKind.ADMIN:
            policy.check(method, call.caller)
            yield
            return
        try:
            policy.check(method, call.caller)
            if method not in writes and method.endswith(LASTING_METHODS):
                await enter(core, call, "BEGUN")
            yield
        except DomainError as error:
            await _enter_failure(core, call, error.reason)
            raise
        except BaseException:
            # The call is over, and may be cancelled again: this goes on without it. What was done has its entry from
            # its own transaction.
            entering = asyncio.create_task(_enter_failure(core, call, "UNFINISHED"))
            unfinished.add(entering)
            entering.add_done_callback(unfinished.discard)
            raise
        await enter(core, call, "OK")

    return entered


async def _enter_failure(core: Core, call: Call, outcome: str) -> None:
    """Without a database nothing was written, and nothing can be entered; the log line of the call remains."""
    try:
        await enter(core, call, outcome)
    except NotNow:
        metrics.AUDIT_UNWRITTEN.inc()
        log.warning("audit_unwritten", method=call.method, outcome=outcome)
