"""Recomputes that wait, and those that were done: a queue in the database, at most one waiting per group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.enrollment.history import Recompute, RecomputeTrigger
from storage.database import Connection
from storage.enrollment import LockedGroup
from storage.enrollment_reads import GroupHead

_ENQUEUE = (
    "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, today_override)"
    " SELECT gen_random_uuid(), g.group_key, %(trigger)s, clock_timestamp(), %(today)s FROM ({groups}) g"
    " ON CONFLICT (group_key) WHERE done_at IS NULL DO NOTHING"
)


async def enqueue_for_member(tx: Connection, member_id: UUID, today: date | None) -> int:
    """Every group that concerns a member; answers with how many there are. The member must be locked."""
    groups = "SELECT group_key FROM group_member WHERE member_id = %(of)s"
    await tx.execute(
        _ENQUEUE.format(groups=groups),
        {"trigger": RecomputeTrigger.FACTS.value, "today": today, "of": member_id},
    )
    cursor = await tx.execute("SELECT count(*) FROM group_member WHERE member_id = %s", [member_id])
    row = await cursor.fetchone()
    return row[0] if row else 0


async def enqueue_for_contract(tx: Connection, contract_id: UUID, today: date | None) -> None:
    """Every group of a contract. The contract must be locked."""
    groups = "SELECT group_key FROM enrollment_group WHERE contract_id = %(of)s"
    await tx.execute(
        _ENQUEUE.format(groups=groups),
        {"trigger": RecomputeTrigger.CONTRACT.value, "today": today, "of": contract_id},
    )


async def enqueue_for_group(tx: Connection, group: LockedGroup, today: date | None) -> Recompute:
    """One group, as an admin asks for; answers with the recompute that now waits."""
    groups = "SELECT %(of)s::bigint AS group_key"
    await tx.execute(
        _ENQUEUE.format(groups=groups),
        {"trigger": RecomputeTrigger.ADMIN.value, "today": today, "of": group.group_key},
    )
    cursor = await tx.execute(_RECOMPUTES + " WHERE q.group_key = %s AND q.done_at IS NULL", [group.group_key])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (it was enqueued just now, or waits since before)
    return _recompute(row)


async def waiting_groups(connection: Connection, limit: int) -> list[int]:
    """The keys of groups that wait, the longest waiting first."""
    cursor = await connection.execute(
        "SELECT group_key FROM recompute WHERE done_at IS NULL ORDER BY recompute_key LIMIT %s", [limit]
    )
    return [group_key for (group_key,) in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class WaitingRecompute:
    recompute_key: int
    today_override: date | None


async def waiting_recompute(tx: Connection, group: LockedGroup) -> WaitingRecompute | None:
    """What waits for a group that this transaction has locked."""
    cursor = await tx.execute(
        "SELECT recompute_key, today_override FROM recompute WHERE group_key = %s AND done_at IS NULL",
        [group.group_key],
    )
    row = await cursor.fetchone()
    return WaitingRecompute(*row) if row else None


async def finish(tx: Connection, waiting: WaitingRecompute, revision: int | None) -> None:
    """Says that a recompute is done, and which revision it made. The last thing that a recompute does: whoever
    enqueues another one for the group waits from here on for this transaction to end."""
    await tx.execute(
        "UPDATE recompute SET done_at = clock_timestamp(), revision = %s WHERE recompute_key = %s",
        [revision, waiting.recompute_key],
    )


_RECOMPUTES = (
    "SELECT q.recompute_key, q.recompute_id, g.group_id, g.contract_id, g.primary_id, q.trigger, q.requested_at,"
    " q.done_at, q.revision FROM recompute q JOIN enrollment_group g USING (group_key)"
)


def _recompute(row: Sequence[Any]) -> Recompute:
    return Recompute(row[1], row[2], GroupKey(row[3], row[4]), RecomputeTrigger(row[5]), row[6], row[7], row[8])


async def recompute_by_id(connection: Connection, recompute_id: UUID) -> Recompute:
    """A recompute that was enqueued before."""
    cursor = await connection.execute(_RECOMPUTES + " WHERE q.recompute_id = %s", [recompute_id])
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (recomputes are never deleted)
    return _recompute(row)


async def list_recomputes(
    connection: Connection, head: GroupHead, done: bool | None, after: int, limit: int
) -> list[tuple[int, Recompute]]:
    """The recomputes of a group after a key, in the order in which they were asked for, each with its key."""
    cursor = await connection.execute(
        _RECOMPUTES + " WHERE q.group_key = %s AND (%s::boolean IS NULL OR (q.done_at IS NOT NULL) = %s)"
        " AND q.recompute_key > %s ORDER BY q.recompute_key LIMIT %s",
        [head.group_key, done, done, after, limit],
    )
    return [(row[0], _recompute(row)) for row in await cursor.fetchall()]
