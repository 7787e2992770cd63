"""Records calls in the audit log: every write, every read by an admin, and every call that is not allowed.

A successful write is recorded in its own transaction (`Core.write`). Other calls are recorded when they end, before the
response is sent, so an admin never receives what could not be recorded. The ids of an entry are collected where
requests are parsed (`validation.py`).
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from domain.errors import DomainError, NotNow
from operations.auditing import UNFINISHED, enter
from operations.call import Call
from operations.core import Core
from server.errors import NotAllowed
from server.identity.access_policy import AccessPolicy
from server.telemetry import metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Auditing:
    """Records writes, all calls by admins, and every call that is not allowed."""

    core: Core
    access_policy: AccessPolicy
    _unfinished: set[asyncio.Task[None]] = field(default_factory=set)

    def audits(self, call: Call) -> bool:
        return self.access_policy.audits(call.method, call.caller)

    async def succeeded(self, call: Call) -> None:
        """Records an audited call, unless its transaction did."""
        await enter(self.core, call, "OK")

    async def failed(self, call: Call, error: BaseException, *, audits: bool) -> None:
        """Records a failed call, if failed calls like it are recorded."""
        if isinstance(error, DomainError):
            if audits or isinstance(error, NotAllowed):
                await self._enter_failure(call, error.reason)
        elif audits:
            # A task of its own, because the task of this call may be cancelled again. If the write succeeded, or still
            # does in a batch, its own transaction records it.
            entering = asyncio.create_task(self._enter_failure(call, UNFINISHED))
            self._unfinished.add(entering)
            entering.add_done_callback(self._unfinished.discard)

    async def _enter_failure(self, call: Call, outcome: str) -> None:
        """Records a failed call. If the database is unavailable, only the log line of the call remains."""
        try:
            await enter(self.core, call, outcome)
        except NotNow:
            metrics.AUDIT_UNWRITTEN.inc()
            log.warning("audit_unwritten", method=call.method, outcome=outcome)
