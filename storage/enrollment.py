"""Enrollment groups, written: requests, revisions, periods, differences and events, in the caller's transaction.

Whoever changes a group holds the lock on its head row (`lock_group`); everything else follows from that. Reading for
others stands in `enrollment_reads.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.catalog.contract import Contract
from domain.enrollment.decisions import Decision, GroupKey
from domain.enrollment.differences import Difference, PolicyEvent
from domain.enrollment.events import EventType
from domain.enrollment.group import Period
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.identity import slot_id
from domain.membership import MembershipType
from storage.database import Connection
from storage.documents import change_request_from_document, change_request_to_document
from storage.instants import LATER_THAN
from storage.outbox import NewEvent, add_event


@dataclass(frozen=True, slots=True)
class LockedGroup:
    """The head of a group that this transaction may change. `recorded_at` is that of its last change."""

    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int
    recorded_at: datetime


async def lock_group(tx: Connection, group_id: UUID, key: GroupKey) -> LockedGroup:
    """Locks a group, which comes to be if it is not there yet (and is gone again if the transaction is)."""
    if found := await _lock(tx, group_id):
        return found
    await tx.execute(
        "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
        " VALUES (%s, %s, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
        [group_id, key.contract_id, key.primary_id],
    )
    made = await _lock(tx, group_id)
    assert made is not None  # noqa: S101 (somebody has just inserted it)
    await add_members(tx, made, [key.primary_id])
    return made


async def _lock(tx: Connection, group_id: UUID) -> LockedGroup | None:
    cursor = await tx.execute(f"SELECT {_LOCKED} WHERE group_id = %s FOR NO KEY UPDATE", [group_id])
    row = await cursor.fetchone()
    return _locked(row) if row else None


_LOCKED = "group_key, group_id, contract_id, primary_id, revision, recorded_at FROM enrollment_group"


def _locked(row: Sequence[Any]) -> LockedGroup:
    return LockedGroup(row[0], row[1], GroupKey(row[2], row[3]), row[4], row[5])


async def lock_groups(tx: Connection, group_keys: Sequence[int]) -> list[LockedGroup]:
    """Locks groups, in order, waiting for those that others have locked."""
    cursor = await tx.execute(
        f"SELECT {_LOCKED} WHERE group_key = ANY(%s) ORDER BY group_key FOR NO KEY UPDATE", [list(group_keys)]
    )
    return [_locked(row) for row in await cursor.fetchall()]


async def lock_free_groups(tx: Connection, group_keys: list[int]) -> list[LockedGroup]:
    """Locks those of some groups that nobody else has locked."""
    cursor = await tx.execute(
        f"SELECT {_LOCKED} WHERE group_key = ANY(%s) ORDER BY group_key FOR NO KEY UPDATE SKIP LOCKED", [group_keys]
    )
    return [_locked(row) for row in await cursor.fetchall()]


async def groups_of_member(connection: Connection, member_id: UUID) -> list[int]:
    """The keys of all groups that concern a member, or did, in order."""
    cursor = await connection.execute(
        "SELECT group_key FROM group_member WHERE member_id = %s ORDER BY group_key", [member_id]
    )
    return [row[0] for row in await cursor.fetchall()]


async def decisions_of(connection: Connection, group_keys: list[int]) -> dict[int, list[Decision]]:
    """What the approved requests of some groups say, by group key, each in order of approval."""
    cursor = await connection.execute(
        "SELECT group_key, document FROM change_request WHERE group_key = ANY(%s) AND approved"
        " ORDER BY change_request_key",
        [group_keys],
    )
    decisions: dict[int, list[Decision]] = {}
    for group_key, document in await cursor.fetchall():
        decisions.setdefault(group_key, []).append(change_request_from_document(document).decision())
    return decisions


async def add_members(tx: Connection, group: LockedGroup, member_ids: Iterable[UUID]) -> None:
    """Notes whom the group concerns; those noted before stay."""
    await tx.execute(
        "INSERT INTO group_member (member_id, group_key, recorded_at)"
        " SELECT m, %s, clock_timestamp() FROM unnest(%s::uuid[]) AS m ON CONFLICT DO NOTHING",
        [group.group_key, sorted(set(member_ids))],
    )


async def recording_instant(tx: Connection, group: LockedGroup) -> datetime:
    """The instant of what is now recorded of a group: later than everything recorded of it before."""
    cursor = await tx.execute(
        f"UPDATE enrollment_group SET recorded_at = {LATER_THAN} WHERE group_key = %s RETURNING recorded_at",
        [group.recorded_at, group.group_key],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (the group is locked)
    recorded_at: datetime = row[0]
    return recorded_at


async def add_change_request(tx: Connection, group: LockedGroup, request: ChangeRequest) -> int:
    """Stores a judged request, and the event of a rejection. Answers with its key."""
    approved = request.verdict == Verdict.APPROVED
    cursor = await tx.execute(
        "INSERT INTO change_request (change_request_id, group_key, approved, revision, recorded_at, document)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING change_request_key",
        [
            request.change_request_id,
            group.group_key,
            approved,
            request.revision,
            request.recorded_at,
            Jsonb(change_request_to_document(request)),
        ],
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    change_request_key: int = row[0]
    if not approved:
        concerned = {request.key.primary_id, *(scoped.change.member_id for scoped in request.changes)}
        rejected = NewEvent(EventType.CHANGE_REQUEST_REJECTED, concerned, change_request_key=change_request_key)
        await add_event(tx, group.group_key, rejected, request.recorded_at)
    return change_request_key


@dataclass(frozen=True, slots=True)
class NewRevision:
    """What a revision records: its periods, how it differs from the one before, and what that means.

    `membership_types` are everyone's who has a period or a difference.
    """

    periods: tuple[Period, ...]
    differences: tuple[Difference, ...]
    membership_types: Mapping[UUID, MembershipType]
    policy_event: PolicyEvent
    recorded_at: datetime
    change_request_key: int | None = None
    recompute_key: int | None = None


async def add_revision(tx: Connection, group: LockedGroup, contract: Contract, new: NewRevision) -> int:
    """Stores the next revision of a group with its event, and moves the head. Answers with its number."""
    revision = group.revision + 1
    cursor = await tx.execute(
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
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 (an INSERT … RETURNING gives a row)
    revision_key = row[0]
    await _add_periods(tx, revision_key, contract, new.periods)
    await _add_differences(tx, revision_key, group, new)
    await tx.execute("UPDATE enrollment_group SET revision = %s WHERE group_key = %s", [revision, group.group_key])
    concerned = {group.key.primary_id, *(p.member_id for p in new.periods), *(d.member_id for d in new.differences)}
    event = NewEvent(EventType(f"POLICY_{new.policy_event}"), concerned, revision_key=revision_key)
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
    async with tx.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO enrollment_difference"
            " (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
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
            ],
        )
