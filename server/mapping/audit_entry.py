"""Maps audit log entries, filters for them, and their positions in lists."""

from datetime import datetime
from typing import Any
from uuid import UUID

from affilia.audit.v1 import audit_service_pb2 as pb
from server.mapping.actors import actor_to_proto
from server.mapping.dates import timestamp_to_proto
from server.mapping.listing import instants_from_proto
from storage.audit import AuditFilter, EntryPosition, StoredEntry


def filter_from_proto(request: pb.ListAuditEntriesRequest) -> AuditFilter:
    """Returns the filter of a request. Raises RequestMalformed."""
    return AuditFilter(
        UUID(request.named_id) if request.named_id else None,
        request.subject or None,
        request.method or None,
        request.outcome or None,
        *instants_from_proto(request, "recorded"),
    )


def position_to_json(position: EntryPosition) -> list[Any]:
    return [position.recorded_at.isoformat(), position.entry_key]


def position_from_json(position: list[Any]) -> EntryPosition:
    recorded_at, entry_key = position
    return EntryPosition(datetime.fromisoformat(recorded_at), entry_key)


def entry_to_proto(stored: StoredEntry) -> pb.AuditEntry:
    entry = stored.entry
    return pb.AuditEntry(
        recorded_at=timestamp_to_proto(stored.position.recorded_at),
        call_id=entry.call_id,
        method=entry.method,
        actor=actor_to_proto(entry.actor),
        ids=[pb.NamedId(field=field, id=id_) for field, id_ in entry.ids.items()],
        ids_omitted=entry.omitted_ids,
        outcome=entry.outcome,
    )
