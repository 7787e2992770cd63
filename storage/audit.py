"""The audit log: only ever added to, by a role that can do nothing else with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`ids` are those that the request names, by field. `outcome` is OK, BEGUN (a stream), UNFINISHED, or a reason."""

    call_id: str
    method: str
    caller_kind: str
    subject: str
    ids: Mapping[str, str]
    outcome: str


async def add_entry(tx: Connection, entry: AuditEntry) -> None:
    """Adds an entry, with the instant of now."""
    await tx.execute(
        "INSERT INTO audit_entry (recorded_at, call_id, method, caller_kind, subject, ids, outcome)"
        " VALUES (clock_timestamp(), %s, %s, %s, %s, %s, %s)",
        [entry.call_id, entry.method, entry.caller_kind, entry.subject, Jsonb(dict(entry.ids)), entry.outcome],
    )
