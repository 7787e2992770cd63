"""Backfills: which groups are left to align, in parts that one transaction at a time works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.errors import RequestIdReused
from storage.postgres.database import Connection
from storage.postgres.documents import actor_to_document
from storage.postgres.instants import NOW
from storage.postgres.locks import Lock, lock
from storage.postgres.rows import fetch_all, fetch_first, fetch_one, fetch_value
from storage.requests import WriteKey


@dataclass(frozen=True, slots=True)
class BackfillPart:
    """Groups that one transaction aligns, in order of id."""

    backfill_key: int
    part: int
    group_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class BackfillFailure:
    """A group that couldn't be aligned or written back."""

    group_id: UUID
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class BackfillCounts:
    """How far a backfill is, in groups."""

    groups: int
    done: int
    aligned: int
    written_back: int
    failed: int
    is_complete: bool


async def find(tx: Connection, key: WriteKey) -> int | None:
    """Returns the key of a backfill that was begun, or None. Locks its request id. Raises RequestIdReused."""
    await lock(tx, Lock.REQUEST, key.request_id)
    cursor = await tx.execute(
        "SELECT backfill_key, fingerprint FROM migration_backfill WHERE backfill_id = %s", [key.request_id]
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if bytes(row[1]) != key.fingerprint:
        raise RequestIdReused(key.request_id)
    return int(row[0])


async def begin(
    tx: Connection, key: WriteKey, country: str, contract_id: UUID | None, actor: Actor, parts: Sequence[Sequence[UUID]]
) -> int:
    """Stores a backfill with its parts. Returns its key."""
    backfill_key = await fetch_value(
        tx,
        int,
        "INSERT INTO migration_backfill (backfill_id, fingerprint, country, contract_id, groups, recorded_at, actor)"
        f" VALUES (%s, %s, %s, %s, %s, {NOW}, %s) RETURNING backfill_key",
        [
            key.request_id,
            key.fingerprint,
            country,
            contract_id,
            sum(map(len, parts)),
            Jsonb(actor_to_document(actor)),
        ],
    )
    for number, group_ids in enumerate(parts):
        await tx.execute(
            "INSERT INTO migration_backfill_part (backfill_key, part, group_ids, done, aligned, written_back, failed)"
            " VALUES (%s, %s, %s, false, 0, 0, 0)",
            [backfill_key, number, list(group_ids)],
        )
    return backfill_key


async def take_part(tx: Connection, backfill_key: int) -> BackfillPart | None:
    """Locks a part that is left and that nobody else works on; None if there is none."""
    return await fetch_first(
        tx,
        BackfillPart,
        "SELECT backfill_key, part, group_ids FROM migration_backfill_part WHERE backfill_key = %s AND NOT done"
        " ORDER BY part LIMIT 1 FOR UPDATE SKIP LOCKED",
        [backfill_key],
    )


async def finish_part(
    tx: Connection, part: BackfillPart, aligned: int, written_back: int, failures: Sequence[BackfillFailure]
) -> None:
    """Stores what became of a part."""
    await tx.execute(
        "UPDATE migration_backfill_part SET done = true, aligned = %s, written_back = %s, failed = %s"
        " WHERE backfill_key = %s AND part = %s",
        [aligned, written_back, len(failures), part.backfill_key, part.part],
    )
    await tx.execute(
        "INSERT INTO migration_backfill_failure (backfill_key, group_id, reason, message)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS f ON CONFLICT DO NOTHING",
        [
            part.backfill_key,
            [each.group_id for each in failures],
            [each.reason for each in failures],
            [each.message for each in failures],
        ],
    )


async def counts(connection: Connection, backfill_key: int) -> BackfillCounts:
    """Returns how far a backfill is."""
    return await fetch_one(
        connection,
        BackfillCounts,
        "SELECT b.groups, coalesce(sum(cardinality(p.group_ids)) FILTER (WHERE p.done), 0)::bigint AS done,"
        " coalesce(sum(p.aligned), 0)::bigint AS aligned, coalesce(sum(p.written_back), 0)::bigint AS written_back,"
        " coalesce(sum(p.failed), 0)::bigint AS failed, coalesce(bool_and(p.done), true) AS is_complete"
        " FROM migration_backfill b LEFT JOIN migration_backfill_part p USING (backfill_key)"
        " WHERE b.backfill_key = %s GROUP BY b.groups",
        [backfill_key],
    )


async def failures(connection: Connection, backfill_key: int, limit: int) -> list[BackfillFailure]:
    """Returns failures of a backfill, in order of group id."""
    return await fetch_all(
        connection,
        BackfillFailure,
        "SELECT group_id, reason, message FROM migration_backfill_failure WHERE backfill_key = %s"
        " ORDER BY group_id LIMIT %s",
        [backfill_key, limit],
    )
