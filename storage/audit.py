"""The audit log. Database functions with the rights of the tables' owner add and list entries. Nothing changes entries.

The function that adds an entry sets the instant and the database role, and checks the format. The caller and the ids
come from the server, and the database can't verify them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor, ActorKind
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An audited call.

    `ids` has the ids that the call named, returned or resolved, by field. `omitted_ids` is the number of omitted ids.
    `outcome` is OK, BEGUN (a stream), UNFINISHED, or an error reason.
    """

    call_id: str
    method: str
    actor: Actor
    ids: Mapping[str, str]
    omitted_ids: int
    outcome: str


async def add_entries(tx: Connection, entries: Sequence[AuditEntry]) -> None:
    """Adds entries with the current instant, and indexes each by each of its ids."""
    if not entries:
        return
    await tx.execute(
        "SELECT count(add_audit_entry(call_id, method, caller_kind, subject, on_behalf_of, ids, omitted_ids, outcome))"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::integer[],"
        " %s::text[]) AS e(call_id, method, caller_kind, subject, on_behalf_of, ids, omitted_ids, outcome)",
        [
            [entry.call_id for entry in entries],
            [entry.method for entry in entries],
            [entry.actor.kind.value for entry in entries],
            [entry.actor.subject for entry in entries],
            [entry.actor.on_behalf_of for entry in entries],
            [Jsonb(dict(entry.ids)) for entry in entries],
            [entry.omitted_ids for entry in entries],
            [entry.outcome for entry in entries],
        ],
    )


class EntryPosition(NamedTuple):
    """The position of an entry in a list."""

    recorded_at: datetime
    entry_key: int


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list. An entry must match all fields. None matches every entry.

    `method` is a method name with or without its service. `recorded_from` is inclusive, `recorded_before` exclusive.
    """

    named_id: UUID | None = None
    subject: str | None = None
    method: str | None = None
    outcome: str | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A stored entry and its position in a list."""

    position: EntryPosition
    entry: AuditEntry


async def list_entries(
    connection: Connection, which: AuditFilter, after: EntryPosition | None, limit: int
) -> list[StoredEntry]:
    """Returns entries after a position, newest first."""
    return await fetch_all(
        connection,
        _stored_entry,
        "SELECT * FROM list_audit_entries(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            which.named_id,
            which.subject,
            which.method,
            which.outcome,
            which.recorded_from,
            which.recorded_before,
            after and after.recorded_at,
            after and after.entry_key,
            limit,
        ],
    )


def _stored_entry(
    *, entry_key: int, recorded_at: datetime, caller_kind: str, subject: str, on_behalf_of: str, **columns: Any
) -> StoredEntry:
    actor = Actor(ActorKind(caller_kind), subject, on_behalf_of)
    return StoredEntry(EntryPosition(recorded_at, entry_key), AuditEntry(actor=actor, **columns))
