"""Entering calls into the audit log that no transaction of theirs has entered."""

from server.operations.call import Call
from server.operations.core import Core, entry_of
from storage.audit import add_entry


async def enter(core: Core, call: Call, outcome: str) -> None:
    """Enters a call, once. Raises DatabaseUnavailable."""
    if call.trail.recorded:
        return
    await core.database.write(lambda tx: add_entry(tx, entry_of(call, outcome)))
    call.trail.recorded = True
