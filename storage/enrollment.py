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
from storage.postgres.rows import fetch_all, fetch_column, fetch_value, insert_rows


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
    (locked,) = await lock_or_create_groups(tx, {group_id: key})
    return locked


async def lock_or_create_groups(tx: Connection, keys: Mapping[UUID, GroupKey]) -> list[LockedGroup]:
    """Does the same for any number of groups, with as many statements as for one."""
    found = await _lock(tx, keys)
    if missing := sorted(keys.keys() - {group.group_id for group in found}):
        await tx.execute(
            "INSERT INTO enrollment_group (group_id, contract_id, primary_id, recorded_at)"
            f" SELECT g.group_id, g.contract_id, g.primary_id, {NOW} FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[])"
            " AS g(group_id, contract_id, primary_id) ON CONFLICT DO NOTHING",
            [missing, [keys[each].contract_id for each in missing], [keys[each].primary_id for each in missing]],
        )
        created = await _lock(tx, missing)  # by this transaction, or meanwhile by others
        await _add_primaries(tx, created)
        found += created
    return found


async def _lock(tx: Connection, group_ids: Collection[UUID]) -> list[LockedGroup]:
    statement = f"SELECT {_LOCKED} WHERE group_id = ANY(%s) ORDER BY group_key FOR NO KEY UPDATE"
    return await fetch_all(tx, _locked, statement, [list(group_ids)])


async def _add_primaries(tx: Connection, groups: Sequence[LockedGroup]) -> None:
    """Stores that new groups concern their primaries."""
    await tx.execute(
        "INSERT INTO group_member (member_id, group_key, recorded_at)"
        f" SELECT g.primary_id, g.group_key, (SELECT {NOW}) FROM unnest(%s::uuid[], %s::bigint[])"
        " AS g(primary_id, group_key) ON CONFLICT DO NOTHING",
        [[group.key.primary_id for group in groups], [group.group_key for group in groups]],
    )


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
    view: bytes | None = None


async def add_revision(tx: Connection, group: LockedGroup, contract: Contract, new: NewRevision) -> int:
    """Stores the next revision of a group with its event, and makes it the current one. Returns its number."""
    revision = group.revision + 1
    slot_ids: Mapping[UUID, UUID] = {
        module_id: slot_id(contract.contract_id, module_id, contract.slots[module_id])
        for module_id in {period.module_id for period in new.periods}
    }
    revision_key = await fetch_value(
        tx,
        int,
        _ADD_REVISION,
        {
            "group_key": group.group_key,
            "revision": revision,
            "recorded_at": new.recorded_at,
            "change_request_key": new.change_request_key,
            "recompute_key": new.recompute_key,
            "policy_event": new.policy_event.value,
            "view": new.view,
            "members": [p.member_id for p in new.periods],
            "modules": [p.module_id for p in new.periods],
            "slots": [slot_ids[p.module_id] for p in new.periods],
            "types": [p.membership_type.value for p in new.periods],
            "days": [p.days for p in new.periods],
        },
    )
    await _add_differences(tx, revision_key, group, new)
    member_ids = {group.key.primary_id, *(p.member_id for p in new.periods), *(d.member_id for d in new.differences)}
    event = NewEvent(EventType(f"POLICY_{new.policy_event}"), member_ids, revision_key=revision_key)
    await add_event(tx, group.group_key, event, new.recorded_at)
    return revision


_ADD_REVISION = (
    "WITH moved AS (UPDATE enrollment_group SET revision = %(revision)s WHERE group_key = %(group_key)s),"
    " added AS (INSERT INTO enrollment_revision"
    " (group_key, revision, recorded_at, change_request_key, recompute_key, policy_event, view) VALUES (%(group_key)s,"
    " %(revision)s, %(recorded_at)s, %(change_request_key)s, %(recompute_key)s, %(policy_event)s, %(view)s)"
    " RETURNING revision_key),"
    " periods AS (INSERT INTO enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)"
    " SELECT added.revision_key, p.* FROM added, unnest(%(members)s::uuid[], %(modules)s::uuid[], %(slots)s::uuid[],"
    " %(types)s::text[], %(days)s::daterange[]) AS p)"
    " SELECT revision_key FROM added"
)
"""SQL that adds a revision with its periods, and makes it the current one."""


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
