"""Backfills: groups of a country's legacy tables to align, in parts, so that an interrupted backfill can be resumed."""

from collections.abc import Iterable, Sequence
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
from storage.recomputes import ConcernedGroups
from storage.requests import WriteKey

GROUPS_OF_A_PART = 200


@dataclass(frozen=True, slots=True)
class NewBackfill:
    """A backfill to begin. `contract_id` None: all groups of the country."""

    country: str
    contract_id: UUID | None
    actor: Actor


@dataclass(frozen=True, slots=True)
class BackfillPart:
    """A locked part of a backfill, with its groups in order."""

    backfill_key: int
    part: int
    group_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """Numbers of groups: of all, and of those done so far."""

    groups: int
    done: int
    aligned: int
    written_back: int
    failed: int

    @property
    def is_complete(self) -> bool:
        return self.done == self.groups


@dataclass(frozen=True, slots=True)
class BackfillFailure:
    """A group that a backfill has skipped, and why."""

    group_id: UUID
    reason: str
    message: str


async def begin_backfill(tx: Connection, key: WriteKey, new: NewBackfill) -> int:
    """Starts a backfill of all groups of mapped contracts, or resumes it. Returns its key.

    Groups are those of the legacy tables whose ids are stored, and those of the core. Raises RequestIdReused.
    """
    await lock(tx, Lock.REQUEST, key.request_id)
    cursor = await tx.execute(
        "SELECT backfill_key, fingerprint FROM migration_backfill WHERE backfill_id = %s", [key.request_id]
    )
    if row := await cursor.fetchone():
        if bytes(row[1]) != key.fingerprint:
            raise RequestIdReused(key.request_id)
        backfill_key: int = row[0]
        return backfill_key
    return await fetch_value(
        tx,
        int,
        "WITH contracts AS (SELECT c.legacy_key, c.id FROM legacy_identifier c WHERE c.country = %(country)s"
        " AND c.kind = 'CONTRACT' AND (%(contract_id)s::uuid IS NULL OR c.id = %(contract_id)s)),"
        " ids AS (SELECT g.id FROM legacy_identifier g JOIN contracts c"
        " ON split_part(g.legacy_key, '/', 1) = c.legacy_key WHERE g.country = %(country)s AND g.kind = 'GROUP'"
        " UNION SELECT g.group_id FROM enrollment_group g JOIN contracts c ON c.id = g.contract_id),"
        " groups AS (SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS part FROM ids),"
        " backfill AS (INSERT INTO migration_backfill"
        " (backfill_id, fingerprint, country, contract_id, groups, recorded_at, actor)"
        " VALUES (%(backfill_id)s, %(fingerprint)s, %(country)s, %(contract_id)s, (SELECT count(*) FROM groups),"
        f" {NOW}, %(actor)s) RETURNING backfill_key),"
        " parts AS (INSERT INTO migration_backfill_part"
        " (backfill_key, part, group_ids, done, aligned, written_back, failed)"
        " SELECT backfill_key, part, array_agg(id ORDER BY id), false, 0, 0, 0 FROM groups, backfill"
        " GROUP BY backfill_key, part)"
        " SELECT backfill_key FROM backfill",
        {
            "size": GROUPS_OF_A_PART,
            "country": new.country,
            "contract_id": new.contract_id,
            "backfill_id": key.request_id,
            "fingerprint": key.fingerprint,
            "actor": Jsonb(actor_to_document(new.actor)),
        },
    )


async def groups_of_backfill(tx: Connection, backfill_key: int, max_ids: int) -> ConcernedGroups:
    """Returns the number of groups of a backfill, and up to `max_ids` of their ids."""
    return await fetch_one(
        tx,
        ConcernedGroups,
        "SELECT b.groups AS count, ARRAY(SELECT g.id FROM migration_backfill_part p"
        " CROSS JOIN unnest(p.group_ids) AS g(id) WHERE p.backfill_key = b.backfill_key AND p.part < %s"
        " ORDER BY g.id LIMIT %s) AS first_ids FROM migration_backfill b WHERE b.backfill_key = %s",
        [-(-max_ids // GROUPS_OF_A_PART), max_ids, backfill_key],
    )


async def take_part(tx: Connection, backfill_key: int) -> BackfillPart | None:
    """Returns the first part that is left and not locked by others, locked until the transaction ends.

    Returns None if there is none: the backfill is complete, or other calls with the same id work on the rest.
    """
    return await fetch_first(
        tx,
        BackfillPart,
        "SELECT backfill_key, part, group_ids FROM migration_backfill_part WHERE backfill_key = %s AND NOT done"
        " ORDER BY part LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
        [backfill_key],
    )


async def finish_part(
    tx: Connection, part: BackfillPart, aligned: int, written_back: int, failures: Sequence[BackfillFailure]
) -> None:
    """Marks a part as done, and stores which of its groups failed."""
    await tx.execute(
        "UPDATE migration_backfill_part SET done = true, aligned = %s, written_back = %s, failed = %s"
        " WHERE backfill_key = %s AND part = %s",
        [aligned, written_back, len(failures), part.backfill_key, part.part],
    )
    await tx.execute(
        "INSERT INTO migration_backfill_failure (backfill_key, group_id, reason, message)"
        " SELECT %s, * FROM unnest(%s::uuid[], %s::text[], %s::text[])",
        [
            part.backfill_key,
            [failure.group_id for failure in failures],
            [failure.reason for failure in failures],
            [failure.message for failure in failures],
        ],
    )


async def backfill_progress(connection: Connection, backfill_key: int) -> BackfillProgress:
    """Returns how far a backfill is."""
    return await fetch_one(
        connection,
        BackfillProgress,
        "SELECT b.groups, coalesce(sum(cardinality(p.group_ids)) FILTER (WHERE p.done), 0)::bigint AS done,"
        " coalesce(sum(p.aligned), 0)::bigint AS aligned, coalesce(sum(p.written_back), 0)::bigint AS written_back,"
        " coalesce(sum(p.failed), 0)::bigint AS failed FROM migration_backfill b"
        " LEFT JOIN migration_backfill_part p USING (backfill_key) WHERE b.backfill_key = %s GROUP BY b.backfill_key",
        [backfill_key],
    )


async def new_failures(
    connection: Connection, backfill_key: int, reported: Iterable[UUID], limit: int
) -> list[BackfillFailure]:
    """Returns failed groups of a backfill in order, without those that were reported before."""
    return await fetch_all(
        connection,
        BackfillFailure,
        "SELECT group_id, reason, message FROM migration_backfill_failure WHERE backfill_key = %s"
        " AND group_id <> ALL(%s::uuid[]) ORDER BY group_id LIMIT %s",
        [backfill_key, list(reported), limit],
    )
