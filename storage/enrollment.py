"""Writes of enrollment groups: requests, revisions, periods, differences and events, in the caller's transaction.

A transaction that changes a group holds the lock on its row in `enrollment_group` (`lock_group`), so only one changes
it at a time. `enrollment_reads.py` has the reads.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.catalog.contract import Contract
from domain.enrollment.decisions import Decision, GroupKey, members_named
from domain.enrollment.differences import Difference, PolicyEvent
from domain.enrollment.events import EventType
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.identity import slot_id
from domain.membership import MembershipType
from storage.outbox import NewEvent, add_event
from storage.postgres.database import Connection
from storage.postgres.documents import actor_to_document, change_request_from_document, change_request_to_document
from storage.postgres.instants import LATER_THAN, NOW
from storage.postgres.rows import fetch_all, fetch_column, fetch_first, fetch_value, insert_rows


@dataclass(frozen=True, slots=True)
class LockedGroup:
    """A group that this transaction can change. `recorded_at` is the instant of its last change."""

    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int
    recorded_at: datetime


async def lock_group(tx: Connection, group_id: UUID, key: GroupKey) -> LockedGroup:
    """Locks a group, and creates it if it does not exist. A rollback removes a group that was created."""
    if found := await _lock(tx, group_id):
        return found
    await tx.execute(
        "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
        f" VALUES (%s, %s, %s, {NOW}) ON CONFLICT DO NOTHING",
        [group_id, key.contract_id, key.primary_id],
    )
    locked = await _lock(tx, group_id)
    assert locked is not None  # noqa: S101 (this or another transaction has just inserted it)
    await add_members(tx, locked, [key.primary_id])
    return locked


async def _lock(tx: Connection, group_id: UUID) -> LockedGroup | None:
    return await fetch_first(tx, _locked, f"SELECT {_LOCKED} WHERE group_id = %s FOR NO KEY UPDATE", [group_id])


_LOCKED = "group_key, group_id, contract_id, primary_id, revision, recorded_at FROM enrollment_group"


def _locked(*, contract_id: UUID, primary_id: UUID, **columns: Any) -> LockedGroup:
    return LockedGroup(key=GroupKey(contract_id, primary_id), **columns)


async def lock_groups(tx: Connection, group_keys: Sequence[int]) -> list[LockedGroup]:
    """Locks groups in order, and waits for those that are locked by others."""
    statement = f"SELECT {_LOCKED} WHERE group_key = ANY(%s) ORDER BY group_key FOR NO KEY UPDATE"
    return await fetch_all(tx, _locked, statement, [list(group_keys)])


async def lock_free_groups(tx: Connection, group_keys: list[int]) -> list[LockedGroup]:
    """Locks those of some groups that are not locked by others."""
    statement = f"SELECT {_LOCKED} WHERE group_key = ANY(%s) ORDER BY group_key FOR NO KEY UPDATE SKIP LOCKED"
    return await fetch_all(tx, _locked, statement, [group_keys])


async def groups_of_member(connection: Connection, *member_ids: UUID) -> list[int]:
    """Returns the keys of all groups that concern a member, or one of several members, now or earlier, in order."""
    statement = "SELECT DISTINCT group_key FROM group_member WHERE member_id = ANY(%s) ORDER BY group_key"
    return await fetch_column(connection, int, statement, [list(member_ids)])


async def decisions_of(connection: Connection, group_keys: list[int]) -> dict[int, list[Decision]]:
    """Returns the decisions of some groups by group key, in order of approval."""
    cursor = await connection.execute(
        "SELECT group_key, document, actor FROM change_request WHERE group_key = ANY(%s) AND approved"
        " ORDER BY change_request_key",
        [group_keys],
    )
    decisions: dict[int, list[Decision]] = {}
    for group_key, document, actor in await cursor.fetchall():
        decisions.setdefault(group_key, []).append(change_request_from_document(document, actor).decision())
    return decisions


async def decisions_of_groups(connection: Connection, group_ids: Collection[UUID]) -> dict[UUID, list[Decision]]:
    """Returns the decisions of some groups by group id, in order of approval. Groups without decisions are missing."""
    cursor = await connection.execute(
        "SELECT g.group_id, c.document, c.actor FROM enrollment_group g JOIN change_request c USING (group_key)"
        " WHERE g.group_id = ANY(%s) AND c.approved ORDER BY c.change_request_key",
        [list(group_ids)],
    )
    decisions: dict[UUID, list[Decision]] = {}
    for group_id, document, actor in await cursor.fetchall():
        decisions.setdefault(group_id, []).append(change_request_from_document(document, actor).decision())
    return decisions


async def add_members(tx: Connection, group: LockedGroup, member_ids: Iterable[UUID]) -> None:
    """Stores which members a group concerns, in addition to those stored before."""
    await tx.execute(
        "INSERT INTO group_member (member_id, group_key, recorded_at)"
        f" SELECT m, %s, (SELECT {NOW}) FROM unnest(%s::uuid[]) AS m ON CONFLICT DO NOTHING",
        [group.group_key, sorted(set(member_ids))],
    )


async def recording_instant(tx: Connection, group: LockedGroup) -> datetime:
    """Returns the instant for what is recorded now. It is later than everything recorded of the group before."""
    return await fetch_value(
        tx,
        datetime,
        f"UPDATE enrollment_group SET recorded_at = {LATER_THAN} WHERE group_key = %s RETURNING recorded_at",
        [group.recorded_at, group.group_key],
    )


async def add_change_request(tx: Connection, group: LockedGroup, request: ChangeRequest) -> int:
    """Stores a change request with its verdict and, if it is rejected, the event. Returns its key."""
    approved = request.verdict == Verdict.APPROVED
    change_request_key = await fetch_value(
        tx,
        int,
        "INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document, actor)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING change_request_key",
        [
            request.change_request_id,
            group.group_key,
            approved,
            request.revision,
            request.recorded_at,
            Jsonb(change_request_to_document(request)),
            Jsonb(actor_to_document(request.actor)),
        ],
    )
    if not approved:
        member_ids = {request.key.primary_id, *members_named(scoped.change for scoped in request.changes)}
        rejected = NewEvent(EventType.CHANGE_REQUEST_REJECTED, member_ids, change_request_key=change_request_key)
        await add_event(tx, group.group_key, rejected, request.recorded_at)
    return change_request_key


@dataclass(frozen=True, slots=True)
class NewRevision:
    """The contents of a revision: its periods, the differences from the previous revision, and the resulting event.

    `membership_types` has every member who has a period or a difference.
    """

    periods: tuple[Period, ...]
    differences: tuple[Difference, ...]
    membership_types: Mapping[UUID, MembershipType]
    policy_event: PolicyEvent
    recorded_at: datetime
    change_request_key: int | None = None
    recompute_key: int | None = None


async def add_revision(tx: Connection, group: LockedGroup, contract: Contract, new: NewRevision) -> int:
    """Stores the next revision of a group with its event, and makes it the current one. Returns its number."""
    revision = group.revision + 1
    revision_key = await fetch_value(
        tx,
        int,
        "INSERT INTO enrollment_revision"
        " (group_key, revision, recorded_at, change_request_key, recompute_key, policy_event)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING revision_key",
        [
            group.group_key,
            revision,
            new.recorded_at,
            new.change_request_key,
            new.recompute_key,
            new.policy_event.value,
        ],
    )
    await _add_periods(tx, revision_key, contract, new.periods)
    await _add_differences(tx, revision_key, group, new)
    await tx.execute("UPDATE enrollment_group SET revision = %s WHERE group_key = %s", [revision, group.group_key])
    member_ids = {group.key.primary_id, *(p.member_id for p in new.periods), *(d.member_id for d in new.differences)}
    event = NewEvent(EventType(f"POLICY_{new.policy_event}"), member_ids, revision_key=revision_key)
    await add_event(tx, group.group_key, event, new.recorded_at)
    return revision


async def _add_periods(tx: Connection, revision_key: int, contract: Contract, periods: tuple[Period, ...]) -> None:
    slot_ids: Mapping[UUID, UUID] = {
        module_id: slot_id(contract.contract_id, module_id, contract.slots[module_id])
        for module_id in {period.module_id for period in periods}
    }
    await tx.execute(
        "INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)"
        " SELECT %s, p.member_id, p.module_id, p.slot_id, p.membership_type, p.days"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::daterange[])"
        " AS p(member_id, module_id, slot_id, membership_type, days)",
        [
            revision_key,
            [p.member_id for p in periods],
            [p.module_id for p in periods],
            [slot_ids[p.module_id] for p in periods],
            [p.membership_type.value for p in periods],
            [p.days for p in periods],
        ],
    )


async def _add_differences(tx: Connection, revision_key: int, group: LockedGroup, new: NewRevision) -> None:
    await insert_rows(
        tx,
        "enrollment_difference (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)",
        "(%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            [
                revision_key,
                group.group_key,
                d.member_id,
                new.membership_types[d.member_id].value,
                d.module_id,
                [str(k) for k in d.kinds],
                d.gained,
                d.lost,
            ]
            for d in new.differences
        ),
    )
