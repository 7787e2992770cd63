"""Adds calls to the audit log if their own transaction hasn't added them, and lists the log."""

from collections.abc import Sequence

from operations.call import Call
from operations.core import Core, entry_of
from operations.paging import Page
from storage import audit
from storage.audit import AuditFilter, EntryPosition, StoredEntry

UNFINISHED = "UNFINISHED"
"""The outcome of a call that was cancelled or failed before its outcome was known."""


async def enter(core: Core, call: Call, outcome: str) -> None:
    """Adds a call to the audit log, once. Raises DatabaseUnavailable.

    A write whose caller has left can still be committed with others. Its transaction then adds its outcome as well.
    """
    if call.trail.recorded:
        return
    await core.database.write(lambda tx: audit.add_entries(tx, [entry_of(call, outcome)]))
    if outcome != UNFINISHED:
        call.trail.recorded = True


async def list_entries(core: Core, which: AuditFilter, page: Page[EntryPosition | None]) -> Sequence[StoredEntry]:
    """Returns entries, newest first."""
    async with core.database.reading() as connection:
        return await audit.list_entries(connection, which, page.after, page.size)
