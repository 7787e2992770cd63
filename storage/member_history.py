"""Loads history entries about members: recorded facts, creations, name changes, erasures and merges."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.fact_changes import fact_changes
from domain.history.entries import (
    MAX_FACT_CHANGES,
    HistoryEntry,
    MemberRecord,
    RecordedFacts,
    RecordKind,
)
from domain.members import Facts, Member
from storage.history_index import Position, Source
from storage.postgres.database import Connection
from storage.postgres.documents import Document, actor_from_document, member_from_document

_STATES = (
    "SELECT r.member_id, r.revision, r.recorded_at, r.actor, r.document, p.document"
    " FROM unnest(%s::uuid[], %s::integer[]) AS w(member_id, revision)"
    " JOIN member_revision r USING (member_id, revision)"
    " LEFT JOIN member_revision p ON p.member_id = r.member_id AND p.revision = r.revision - 1"
)


def fact_entry_id(member_id: UUID, revision: int) -> str:
    return f"{Source.FACT.name}/{member_id}/{revision}"


async def member_entries(connection: Connection, positions: Sequence[Position]) -> dict[Position, HistoryEntry]:
    """Returns the entries for states of members, by position."""
    cursor = await connection.execute(
        _STATES, [[member_id for _, _, (member_id, _) in positions], [revision for _, _, (_, revision) in positions]]
    )
    sources = {position.key: position.source for position in positions}
    found = {}
    for member_id, revision, recorded_at, actor, document, before in await cursor.fetchall():
        source = sources[member_id, revision]
        data = _facts(document, before) if source is Source.FACT else _record(document, before)
        found[Position(recorded_at, source, (member_id, revision))] = HistoryEntry(
            f"{source.name}/{member_id}/{revision}",
            recorded_at,
            actor_from_document(actor),
            data,
            member_id=member_id,
        )
    return found


def _facts(document: Document, before: Document | None) -> RecordedFacts:
    member = member_from_document(document)
    changes = fact_changes(member_from_document(before).facts if before else Facts(), member.facts)
    return RecordedFacts(
        member.member_id,
        changes[:MAX_FACT_CHANGES],
        max(0, len(changes) - MAX_FACT_CHANGES),
        are_erased=member.facts.erased_on is not None,
    )


def _record(document: Document, before: Document | None) -> MemberRecord:
    member = member_from_document(document)
    if before is None:
        return MemberRecord(RecordKind.MEMBER_CREATED, member.member_id)
    then: Member = member_from_document(before)
    is_renamed = then.display_name != member.display_name
    names = (then.display_name, member.display_name) if is_renamed else ("", "")
    return MemberRecord(RecordKind.MEMBER_CHANGED, member.member_id, *names)


async def erasure_entries(connection: Connection, positions: Sequence[Position]) -> dict[Position, HistoryEntry]:
    """Returns the entries for erasures, by position."""
    cursor = await connection.execute(
        "SELECT number, member_id, recorded_at, actor FROM erasure WHERE number = ANY(%s)",
        [[number for _, _, (number,) in positions]],
    )
    return {
        Position(recorded_at, Source.ERASURE, (number,)): HistoryEntry(
            f"{Source.ERASURE.name}/{number}",
            recorded_at,
            actor_from_document(actor),
            MemberRecord(RecordKind.MEMBER_ERASED, member_id),
            member_id=member_id,
        )
        for number, member_id, recorded_at, actor in await cursor.fetchall()
    }


async def merge_entries(connection: Connection, positions: Sequence[Position]) -> dict[Position, HistoryEntry]:
    """Returns the entries for merges, by position."""
    cursor = await connection.execute(
        "SELECT from_member_id, into_member_id, recorded_at, actor, reason FROM member_merge"
        " WHERE from_member_id = ANY(%s)",
        [[member_id for _, _, (member_id,) in positions]],
    )
    return {
        Position(recorded_at, Source.MERGE, (member_id,)): HistoryEntry(
            f"{Source.MERGE.name}/{member_id}",
            recorded_at,
            actor_from_document(actor),
            MemberRecord(RecordKind.MEMBER_MERGED, member_id, merged_into=into_member_id, reason=reason),
        )
        for member_id, into_member_id, recorded_at, actor, reason in await cursor.fetchall()
    }


async def facts_as_of(
    connection: Connection, wanted: Sequence[tuple[UUID, datetime]]
) -> dict[tuple[UUID, datetime], Facts]:
    """Returns the facts of members as of instants. Members without recorded facts are omitted."""
    cursor = await connection.execute(
        "SELECT w.member_id, w.instant, f.revision FROM unnest(%s::uuid[], %s::timestamptz[]) AS w(member_id, instant)"
        " CROSS JOIN LATERAL (SELECT revision FROM member_revision r WHERE r.member_id = w.member_id"
        " AND r.kind = 'FACT' AND r.recorded_at <= w.instant ORDER BY r.recorded_at DESC LIMIT 1) AS f",
        [[member_id for member_id, _ in wanted], [instant for _, instant in wanted]],
    )
    revisions = {(member_id, instant): (member_id, n) for member_id, instant, n in await cursor.fetchall()}
    distinct = sorted(set(revisions.values()))
    cursor = await connection.execute(
        "SELECT member_id, revision, document FROM member_revision"
        " JOIN unnest(%s::uuid[], %s::integer[]) AS w(member_id, revision) USING (member_id, revision)",
        [[member_id for member_id, _ in distinct], [n for _, n in distinct]],
    )
    facts = {(member, n): member_from_document(document).facts for member, n, document in await cursor.fetchall()}
    return {key: facts[state] for key, state in revisions.items()}
