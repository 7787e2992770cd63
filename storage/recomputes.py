"""Recomputes that wait, were done, or were given up: a queue in the database, at most one waiting per group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.enrollment.decisions import GroupKey
from domain.enrollment.events import EventType
from domain.enrollment.history import Recompute, RecomputeTrigger
from domain.enrollment.unmet import UnmetEnroll
from storage.database import Connection
from storage.documents import unmet_from_document, unmet_to_document
from storage.enrollment import LockedGroup
from storage.outbox import FailedAttempt, NewEvent, add_event

_ENQUEUE = (
    "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, today_override)"
    " SELECT gen_random_uuid(), g.group_key, %(trigger)s, clock_timestamp(), %(today)s FROM ({groups}) g"
    " ON CONFLICT (group_key) WHERE done_at IS NULL AND failed_at IS NULL DO NOTHING"
)
WAITING = "done_at IS NULL AND failed_at IS NULL"


async def enqueue_for_member(tx: Connection, member_id: UUID, today: date | None) -> int:
    """Every group that concerns a member; answers with how many there are. The member must be locked."""
    groups = "SELECT group_key FROM group_member WHERE member_id = %(of)s"
    await tx.execute(
        _ENQUEUE.format(groups=groups), {"trigger": RecomputeTrigger.FACTS.value, "today": today, "of": member_id}
    )
    return await _count(tx, "SELECT count(*) FROM group_member WHERE member_id = %s", member_id)


async def enqueue_for_contract(
    tx: Connection, contract_id: UUID, today: date | None, trigger: RecomputeTrigger = RecomputeTrigger.CONTRACT
) -> int:
    """Every group of a contract; answers with how many there are. The contract must be locked."""
    groups = "SELECT group_key FROM enrollment_group WHERE contract_id = %(of)s"
    await tx.execute(_ENQUEUE.format(groups=groups), {"trigger": trigger.value, "today": today, "of": contract_id})
    return await _count(tx, "SELECT count(*) FROM enrollment_group WHERE contract_id = %s", contract_id)


async def _count(tx: Connection, statement: str, of: UUID) -> int:
    cursor = await tx.execute(statement, [of])
    row = await cursor.fetchone()
    return row[0] if row else 0


async def enqueue_for_group(tx: Connection, group: LockedGroup, today: date | None) -> Recompute:
    """One group, as an admin asks for; answers with the recompute that now waits."""
    groups = "SELECT %(of)s::bigint AS group_key"
    await tx.execute(
        _ENQUEUE.format(groups=groups),
        {"trigger": RecomputeTrigger.ADMIN.value, "today": today, "of": group.group_key},
    )
    cursor = await tx.execute(_RECOMPUTES + f" WHERE q.group_key = %s AND q.{WAITING}", [group.group_key])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (it was enqueued just now, or waits since before)
    return _recompute(row)


async def due_groups(connection: Connection, limit: int) -> list[int]:
    """The keys of groups that wait and are not pausing after a failure, the longest waiting first."""
    cursor = await connection.execute(
        f"SELECT group_key FROM recompute WHERE {WAITING}"
        " AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp()) ORDER BY recompute_key LIMIT %s",
        [limit],
    )
    return [group_key for (group_key,) in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class WaitingRecompute:
    recompute_key: int
    today_override: date | None
    failed_attempts: int


async def waiting_recomputes(connection: Connection, group_keys: list[int]) -> dict[int, WaitingRecompute]:
    """What waits for some groups, by group key. To do it, the group must be locked."""
    cursor = await connection.execute(
        f"SELECT group_key, recompute_key, today_override, failed_attempts FROM recompute"
        f" WHERE group_key = ANY(%s) AND {WAITING}",
        [group_keys],
    )
    return {group_key: WaitingRecompute(*waiting) for group_key, *waiting in await cursor.fetchall()}


async def finish(
    tx: Connection, waiting: WaitingRecompute, revision: int | None, unmet: tuple[UnmetEnroll, ...]
) -> None:
    """Says that a recompute is done, which revision it made, and what is not fully met. The last thing that a recompute
    does: whoever enqueues another one for the group waits from here on for this transaction to end."""
    await tx.execute(
        "UPDATE recompute SET done_at = clock_timestamp(), revision = %s, unmet = %s WHERE recompute_key = %s",
        [revision, Jsonb(unmet_to_document(unmet)), waiting.recompute_key],
    )


async def postpone(
    tx: Connection, group: LockedGroup, waiting: WaitingRecompute, pause_seconds: float | None, now: datetime
) -> None:
    """Counts a failed attempt: tried again after a pause, or (None) given up; either is an event of the group."""
    cursor = await tx.execute(
        "UPDATE recompute SET failed_attempts = failed_attempts + 1,"
        " next_attempt_at = clock_timestamp() + make_interval(secs => %s),"
        " failed_at = CASE WHEN %s::float8 IS NULL THEN clock_timestamp() END WHERE recompute_key = %s"
        " RETURNING failed_attempts, next_attempt_at",
        [pause_seconds, pause_seconds, waiting.recompute_key],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (it waits, and the group is locked)
    failed_attempts, next_attempt_at = row
    type_ = EventType.RECOMPUTE_FAILED if pause_seconds is None else EventType.RECOMPUTE_RETRIED
    failed = FailedAttempt(waiting.recompute_key, failed_attempts, next_attempt_at)
    event = NewEvent(type_, await _members(tx, group), failed_attempt=failed)
    await add_event(tx, group.group_key, event, now)


async def _members(tx: Connection, group: LockedGroup) -> set[UUID]:
    cursor = await tx.execute("SELECT member_id FROM group_member WHERE group_key = %s", [group.group_key])
    return {member_id for (member_id,) in await cursor.fetchall()}


_RECOMPUTES = (
    "SELECT q.recompute_key, q.recompute_id, g.group_id, g.contract_id, g.primary_id, q.trigger, q.requested_at,"
    " q.done_at, q.revision, q.failed_attempts, q.next_attempt_at, q.failed_at, q.unmet"
    " FROM recompute q JOIN enrollment_group g USING (group_key)"
)


def _recompute(row: Sequence[Any]) -> Recompute:
    return Recompute(
        recompute_id=row[1],
        group_id=row[2],
        key=GroupKey(row[3], row[4]),
        trigger=RecomputeTrigger(row[5]),
        requested_at=row[6],
        done_at=row[7],
        revision=row[8],
        failed_attempts=row[9],
        next_attempt_at=row[10],
        failed_at=row[11],
        unmet_enrolls=unmet_from_document(row[12]),
    )


async def recompute_by_id(connection: Connection, recompute_id: UUID) -> Recompute:
    """A recompute that was enqueued before."""
    cursor = await connection.execute(_RECOMPUTES + " WHERE q.recompute_id = %s", [recompute_id])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (recomputes are never deleted)
    return _recompute(row)


@dataclass(frozen=True, slots=True)
class RecomputeFilter:
    """Whose recomputes: of one group, by its key, or of every group of a contract."""

    group_key: int | None = None
    contract_id: UUID | None = None

    @property
    def where(self) -> str:
        return "g.group_key = %s" if self.group_key is not None else "g.contract_id = %s"

    @property
    def of(self) -> int | UUID | None:
        return self.contract_id if self.group_key is None else self.group_key


STATES = {
    "WAITING": f"q.{WAITING.replace('failed_at', 'q.failed_at')}",
    "DONE": "q.done_at IS NOT NULL",
    "FAILED": "q.failed_at IS NOT NULL",
    None: "TRUE",
}
"""The states of a recompute, by name, as SQL says them; None: any."""


async def list_recomputes(
    connection: Connection, which: RecomputeFilter, state: str | None, after: int, limit: int
) -> list[tuple[int, Recompute]]:
    """Recomputes after a key, in the order in which they were asked for, each with its key."""
    cursor = await connection.execute(
        _RECOMPUTES + f" WHERE {which.where} AND {STATES[state]} AND q.recompute_key > %s"
        " ORDER BY q.recompute_key LIMIT %s",
        [which.of, after, limit],
    )
    return [(row[0], _recompute(row)) for row in await cursor.fetchall()]


async def count_recomputes(connection: Connection, which: RecomputeFilter) -> tuple[int, int]:
    """How many wait, and how many failed."""
    cursor = await connection.execute(
        f"SELECT count(*) FILTER (WHERE {STATES['WAITING']}), count(*) FILTER (WHERE {STATES['FAILED']})"
        f" FROM recompute q JOIN enrollment_group g USING (group_key) WHERE {which.where}",
        [which.of],
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (0, 0)
