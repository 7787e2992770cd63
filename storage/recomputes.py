"""Recomputes that are waiting, done or failed: a queue in the database with at most one waiting recompute per group."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.actors import Actor
from domain.enrollment.decisions import GroupKey
from domain.enrollment.events import EventType
from domain.enrollment.history import Recompute, RecomputeTrigger
from domain.enrollment.unmet import UnmetEnrolls
from domain.errors import RecomputeUnknown
from storage.enrollment import LockedGroup, recording_instant
from storage.listing import ListFilter, Listing, RowPosition, conditions, order_of, page_of
from storage.migration_stages import CONTRACTS_WITHOUT_CHANGES
from storage.outbox import FailedAttempt, NewEvent, add_event
from storage.postgres.database import Connection
from storage.postgres.documents import (
    Document,
    actor_from_document,
    actor_to_document,
    unmet_from_document,
    unmet_to_document,
)
from storage.postgres.instants import NOW
from storage.postgres.rows import fetch_all, fetch_column, fetch_first, fetch_one, fetch_value

_ENQUEUE = (
    "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, today_override, actor)"
    " SELECT gen_random_uuid(), g.group_key, %(trigger)s, clock_timestamp(), %(today)s, %(actor)s FROM ({groups}) g"
    " ON CONFLICT (group_key) WHERE done_at IS NULL AND failed_at IS NULL DO NOTHING"
)
WAITING = "done_at IS NULL AND failed_at IS NULL"
LISTED_AS_WAITING: LiteralString = "(done_at IS NOT NULL)::integer = 0 AND (failed_at IS NOT NULL)::integer = 0"
"""The same condition as in `recompute_listed_index`, which is in the order of requests. The index of waiting groups
isn't, and what it finds would have to be sorted. The casts are there because PostgreSQL rewrites comparisons of boolean
expressions."""

DUE: LiteralString = (
    f"FROM recompute q WHERE {LISTED_AS_WAITING} AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())"
    " AND NOT EXISTS (SELECT FROM enrollment_group g WHERE g.group_key = q.group_key"
    f" AND g.contract_id IN ({CONTRACTS_WITHOUT_CHANGES}))"
)
"""Recomputes that can run now."""

NEXT_DUE: LiteralString = f"SELECT group_key {DUE} ORDER BY requested_at, recompute_key LIMIT %(limit)s"


@dataclass(frozen=True, slots=True)
class RecomputeCause:
    """Why groups are recomputed, who caused it, and the day to use as today if the call has set one."""

    trigger: RecomputeTrigger
    actor: Actor
    today_override: date | None

    def columns(self, of: UUID | int) -> dict[str, Any]:
        return {
            "trigger": self.trigger.value,
            "actor": Jsonb(actor_to_document(self.actor)),
            "today": self.today_override,
            "of": of,
        }


@dataclass(frozen=True, slots=True)
class ConcernedGroups:
    """The number of groups that a change affects, and the ids of the first of them."""

    count: int
    first_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class WaitingRecompute:
    recompute_key: int
    recompute_id: UUID
    today_override: date | None
    failed_attempts: int


async def enqueue_for_member(tx: Connection, member_id: UUID, cause: RecomputeCause, max_ids: int) -> ConcernedGroups:
    """Enqueues every group of a member, which must be locked.

    Returns the number of these groups, and up to `max_ids` of their ids.
    """
    groups = "SELECT group_key FROM group_member WHERE member_id = %(of)s"
    return await _enqueue(tx, groups, cause.columns(member_id), max_ids)


async def enqueue_for_members(tx: Connection, member_ids: Collection[UUID], cause: RecomputeCause) -> None:
    """Enqueues every group of several members, who must be locked, in order, so that two calls can't deadlock."""
    groups = "SELECT DISTINCT group_key FROM group_member WHERE member_id = ANY(%(members)s) ORDER BY group_key"
    columns = cause.columns(0) | {"members": list(member_ids)}
    await tx.execute(_ENQUEUE.format(groups=groups), columns)


async def enqueue_for_contract(
    tx: Connection, contract_id: UUID, cause: RecomputeCause, max_ids: int
) -> ConcernedGroups:
    """Enqueues every group of a contract, which must be locked.

    Returns the number of these groups, and up to `max_ids` of their ids.
    """
    groups = "SELECT group_key FROM enrollment_group WHERE contract_id = %(of)s"
    return await _enqueue(tx, groups, cause.columns(contract_id), max_ids)


async def _enqueue(tx: Connection, groups: str, columns: dict[str, Any], max_ids: int) -> ConcernedGroups:
    await tx.execute(_ENQUEUE.format(groups=groups), columns)
    return await fetch_one(
        tx,
        ConcernedGroups,
        f"SELECT (SELECT count(*) FROM ({groups}) g) AS count, ARRAY("
        f"SELECT e.group_id FROM ({groups}) g JOIN enrollment_group e USING (group_key) ORDER BY group_key"
        " LIMIT %(max_ids)s) AS first_ids",
        columns | {"max_ids": max_ids},
    )


async def enqueue_for_group(tx: Connection, group: LockedGroup, cause: RecomputeCause) -> Recompute:
    """Enqueues one group. Returns the recompute that is now waiting, which another request may have enqueued."""
    groups = "SELECT %(of)s::bigint AS group_key"
    await tx.execute(_ENQUEUE.format(groups=groups), cause.columns(group.group_key))
    waiting = f"SELECT {_RECOMPUTES} WHERE q.group_key = %s AND {WAITING}"
    return await fetch_one(tx, _recompute, waiting, [group.group_key])


async def begin(tx: Connection, group: LockedGroup, cause: RecomputeCause) -> WaitingRecompute:
    """Adds a recompute of a locked group that this transaction runs itself, and must finish.

    Its row never waits, not even in this transaction. Transactions that enqueue the group therefore don't wait for this
    one before it finishes a recompute, and this one never waits for them.
    """
    return await fetch_one(
        tx,
        WaitingRecompute,
        "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, done_at, today_override, actor)"
        " SELECT gen_random_uuid(), %(of)s, %(trigger)s, now, now, %(today)s, %(actor)s FROM clock_timestamp() AS now"
        " RETURNING recompute_key, recompute_id, today_override, failed_attempts",
        cause.columns(group.group_key),
    )


async def due_groups(connection: Connection, limit: int) -> list[int]:
    """Returns the keys of groups that are waiting and are not paused after a failure, in the order in which they were
    enqueued. Groups that can't change now, because their country is being migrated, keep waiting."""
    return await fetch_column(connection, int, NEXT_DUE, {"limit": limit})


async def waiting_recomputes(connection: Connection, group_keys: list[int]) -> dict[int, WaitingRecompute]:
    """Returns the waiting recomputes of some groups, by group key. Lock the group before running its recompute."""
    cursor = await connection.execute(
        f"SELECT group_key, recompute_key, recompute_id, today_override, failed_attempts FROM recompute"
        f" WHERE group_key = ANY(%s) AND {WAITING}",
        [group_keys],
    )
    return {group_key: WaitingRecompute(*waiting) for group_key, *waiting in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class GroupsNow:
    """The instant of recording, the number of the last erasure (0 if there is none), and the waiting
    recomputes by group key."""

    instant: datetime
    erasures: int
    waiting: Mapping[int, WaitingRecompute]


async def groups_now(tx: Connection, group_keys: list[int]) -> GroupsNow:
    """Returns the current state for locked groups. Whatever other transactions change later has a later instant."""
    cursor = await tx.execute(
        "SELECT n.instant, n.erasures, q.group_key, q.recompute_key, q.recompute_id, q.today_override,"
        f" q.failed_attempts FROM (SELECT {NOW} AS instant, (SELECT coalesce(max(number), 0) FROM erasure) AS erasures)"
        f" AS n LEFT JOIN recompute q ON q.group_key = ANY(%s) AND {WAITING}",
        [group_keys],
    )
    rows = await cursor.fetchall()
    instant, erasures, *_ = rows[0]
    waiting = {group_key: WaitingRecompute(*rest) for _, _, group_key, *rest in rows if group_key is not None}
    return GroupsNow(instant, erasures, waiting)


@dataclass(frozen=True, slots=True)
class FinishedRecompute:
    """A recompute that is done, the revision that it made, if any, and the enrolls that are not fully met."""

    recompute: WaitingRecompute
    revision: int | None
    unmet: UnmetEnrolls


async def finish(tx: Connection, finished: Sequence[FinishedRecompute]) -> None:
    """Marks recomputes as done.

    This must be the last step of a recompute: from here on, transactions that enqueue its group wait for this one to
    end.
    """
    if not finished:
        return
    rows = [
        {
            "recompute_key": each.recompute.recompute_key,
            "revision": each.revision,
            "unmet": unmet_to_document(each.unmet.enrolls),
            "unmet_omitted": each.unmet.omitted,
        }
        for each in finished
    ]
    await tx.execute(
        "UPDATE recompute q SET done_at = clock_timestamp(), revision = f.revision, unmet = f.unmet,"
        " unmet_omitted = f.unmet_omitted FROM jsonb_to_recordset(%s)"
        " AS f(recompute_key bigint, revision integer, unmet jsonb, unmet_omitted integer)"
        " WHERE q.recompute_key = f.recompute_key",
        [Jsonb(rows)],
    )


async def postpone(tx: Connection, group: LockedGroup, waiting: WaitingRecompute, pause_seconds: float | None) -> None:
    """Counts a failed attempt and stores an event of the group.

    The recompute is tried again after `pause_seconds`, or is given up if that is None.
    """
    failed = await fetch_one(
        tx,
        FailedAttempt,
        "UPDATE recompute SET failed_attempts = failed_attempts + 1,"
        " next_attempt_at = clock_timestamp() + make_interval(secs => %s),"
        " failed_at = CASE WHEN %s::float8 IS NULL THEN clock_timestamp() END WHERE recompute_key = %s"
        " RETURNING recompute_key, failed_attempts, next_attempt_at",
        [pause_seconds, pause_seconds, waiting.recompute_key],
    )
    type_ = EventType.RECOMPUTE_FAILED if pause_seconds is None else EventType.RECOMPUTE_RETRIED
    event = NewEvent(type_, await _members(tx, group), failed_attempt=failed)
    await add_event(tx, group.group_key, event, await recording_instant(tx, group))


async def _members(tx: Connection, group: LockedGroup) -> set[UUID]:
    statement = "SELECT member_id FROM group_member WHERE group_key = %s"
    return set(await fetch_column(tx, UUID, statement, [group.group_key]))


_COLUMNS = (
    "q.recompute_id, g.group_id, g.contract_id, g.primary_id, q.trigger, q.requested_at,"
    " q.done_at, q.revision, q.failed_attempts, q.next_attempt_at, q.failed_at, q.unmet, q.unmet_omitted, q.actor"
)
_RECOMPUTES = f"{_COLUMNS} FROM recompute q JOIN enrollment_group g USING (group_key)"


def _recompute(
    *,
    contract_id: UUID,
    primary_id: UUID,
    trigger: str,
    unmet: list[Document] | None,
    unmet_omitted: int,
    actor: Document,
    **columns: Any,
) -> Recompute:
    return Recompute(
        key=GroupKey(contract_id, primary_id),
        trigger=RecomputeTrigger(trigger),
        unmet=unmet_from_document(unmet, unmet_omitted),
        actor=actor_from_document(actor),
        **columns,
    )


def _listed_recompute(*, recompute_key: int, **columns: Any) -> tuple[RowPosition, Recompute]:
    recompute = _recompute(**columns)
    return RowPosition(recompute.requested_at, recompute_key), recompute


def _keyed_recompute(*, recompute_key: int, **columns: Any) -> tuple[int, Recompute]:
    return recompute_key, _recompute(**columns)


async def recompute_by_id(connection: Connection, recompute_id: UUID) -> Recompute:
    """Returns a recompute. Raises RecomputeUnknown."""
    found = await fetch_first(connection, _recompute, f"SELECT {_RECOMPUTES} WHERE q.recompute_id = %s", [recompute_id])
    if found is None:
        raise RecomputeUnknown(recompute_id)
    return found


async def keyed_recomputes(connection: Connection, keys: Sequence[int]) -> dict[int, Recompute]:
    """Returns recomputes by their keys."""
    statement = f"SELECT q.recompute_key, {_RECOMPUTES} WHERE q.recompute_key = ANY(%s)"
    return dict(await fetch_all(connection, _keyed_recompute, statement, [list(keys)]))


# -------------------------------------------------------------------------------------------------- lists

RECOMPUTES = Listing(
    table="recompute",
    key="recompute_key",
    at="requested_at",
    states={
        "WAITING": [LISTED_AS_WAITING],
        "DONE": ["(done_at IS NOT NULL)::integer = 1 AND (failed_at IS NOT NULL)::integer = 0"],
        "FAILED": ["(done_at IS NOT NULL)::integer = 0 AND (failed_at IS NOT NULL)::integer = 1"],
    },
    newest_first=False,
)

MAX_COUNT = 10_000
"""Maximum count for the recomputes of all groups. Those of a group or contract are counted without a maximum."""


async def list_of_group(
    connection: Connection, which: ListFilter, after: int, limit: int
) -> list[tuple[RowPosition, Recompute]]:
    """Returns the recomputes of a group after a key, in the order in which they were requested."""
    where, named = conditions(RECOMPUTES, which)
    if which.state is not None:
        where += f" AND {RECOMPUTES.states[which.state][0]}"
    rows: LiteralString = (
        f"SELECT * FROM recompute WHERE recompute_key > %(after)s{where} ORDER BY recompute_key LIMIT %(limit)s"
    )
    return await _read(connection, rows, "recompute_key", named | {"after": after, "limit": limit})


async def list_of_all(
    connection: Connection, which: ListFilter, after: RowPosition | None, limit: int
) -> list[tuple[RowPosition, Recompute]]:
    """Returns the recomputes of all groups, or of a contract's groups, after a position, in the order of requests."""
    rows, named = page_of(RECOMPUTES, which, after, limit)
    return await _read(connection, rows, order_of(RECOMPUTES, which), named)


async def _read(
    connection: Connection, rows: LiteralString, order: LiteralString, named: dict[str, Any]
) -> list[tuple[RowPosition, Recompute]]:
    return await fetch_all(
        connection,
        _listed_recompute,
        f"SELECT q.recompute_key, {_COLUMNS} FROM ({rows}) AS q JOIN enrollment_group g USING (group_key)"
        f" ORDER BY {order}",
        named,
    )


async def count_recomputes(connection: Connection, which: ListFilter) -> tuple[int, int]:
    """Returns how many recomputes of a group, of a contract's groups or of all groups are waiting, and how many failed.

    For all groups, each count is at most MAX_COUNT.
    """
    of_target = ListFilter(group_key=which.group_key, contract_id=which.contract_id)
    limit = MAX_COUNT if of_target == ListFilter() else None
    waiting, failed = [await _count(connection, of_target, state, limit) for state in ("WAITING", "FAILED")]
    return waiting, failed


async def _count(connection: Connection, of_target: ListFilter, state: str, limit: int | None) -> int:
    where, named = conditions(RECOMPUTES, of_target)
    of_state = RECOMPUTES.states[state][0]
    statement: LiteralString = f"SELECT FROM recompute WHERE {of_state}{where} LIMIT %(limit)s"
    return await fetch_value(connection, int, f"SELECT count(*) FROM ({statement}) AS c", named | {"limit": limit})
