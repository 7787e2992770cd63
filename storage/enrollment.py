"""The heads of enrollment groups, and the decisions and members that are stored with them.

A transaction that changes a group holds the lock on its row in `enrollment_group`, so only one changes it at a time.
`group_writes.py` writes changes, and `enrollment_reads.py` has the reads.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg.errors import SerializationFailure

from domain.enrollment.decisions import Decision, GroupKey
from storage.postgres.database import Connection
from storage.postgres.documents import change_request_from_document
from storage.postgres.instants import LATER_THAN, NOW
from storage.postgres.rows import fetch_all, fetch_column, fetch_value

NEW_GROUP = 0
"""Used as the key of a group that doesn't exist yet."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""An instant before everything that is recorded."""


@dataclass(frozen=True, slots=True)
class LockedGroup:
    """A group that this transaction can change, or a new one, which is created with its first request.

    `recorded_at` is the instant of its last change; NEVER for a new group.
    """

    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int
    recorded_at: datetime

    @property
    def is_new(self) -> bool:
        return self.group_key == NEW_GROUP

    def changed(self, recorded_at: datetime, *, makes_revision: bool) -> "LockedGroup":
        """Returns the group after a change."""
        return replace(self, revision=self.revision + makes_revision, recorded_at=recorded_at)


async def lock_group(tx: Connection, group_id: UUID, key: GroupKey) -> LockedGroup:
    """Locks a group. If it doesn't exist, returns a new one, which isn't locked."""
    return (await lock_groups_by_id(tx, {group_id: key}))[group_id]


async def lock_groups_by_id(
    tx: Connection, keys: Mapping[UUID, GroupKey], *, wait: bool = True
) -> dict[UUID, LockedGroup]:
    """Does the same for any number of groups. Without `wait`, groups locked by other transactions are omitted."""
    skip = "" if wait else " SKIP LOCKED"
    cursor = await tx.execute(
        f"WITH locked AS (SELECT {_LOCKED} WHERE group_id = ANY(%(ids)s) ORDER BY group_key FOR NO KEY UPDATE{skip})"
        " SELECT g.group_id, l.group_key, l.revision, l.recorded_at"
        " FROM enrollment_group g LEFT JOIN locked l USING (group_id) WHERE g.group_id = ANY(%(ids)s)",
        {"ids": list(keys)},
    )
    stored = {group_id: head for group_id, *head in await cursor.fetchall()}
    found: dict[UUID, LockedGroup] = {}
    for group_id, key in keys.items():
        group_key, revision, recorded_at = stored.get(group_id, (NEW_GROUP, 0, NEVER))
        if group_key is not None:  # otherwise another transaction has locked it
            found[group_id] = LockedGroup(group_key, group_id, key, revision, recorded_at)
    return found


async def create_groups(tx: Connection, groups: Collection[LockedGroup]) -> dict[UUID, int]:
    """Stores the new ones among some groups with their primaries. Returns the keys of all by group id.

    Raises SerializationFailure if another transaction has created one of them since it was found missing.
    """
    keys = {group.group_id: group.group_key for group in groups}
    if new := sorted((group for group in groups if group.is_new), key=lambda group: group.group_id):
        cursor = await tx.execute(
            "WITH created AS (INSERT INTO enrollment_group (group_id, contract_id, primary_id, revision, recorded_at)"
            " SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::integer[], %s::timestamptz[])"
            " ON CONFLICT DO NOTHING RETURNING group_id, group_key, primary_id, recorded_at),"
            " primaries AS (INSERT INTO group_member (member_id, group_key, recorded_at)"
            " SELECT primary_id, group_key, recorded_at FROM created)"
            " SELECT group_id, group_key FROM created",
            [
                [group.group_id for group in new],
                [group.key.contract_id for group in new],
                [group.key.primary_id for group in new],
                [group.revision for group in new],
                [group.recorded_at for group in new],
            ],
        )
        created: dict[UUID, int] = dict(await cursor.fetchall())
        if len(created) < len(new):
            raise SerializationFailure("another transaction has created the group")
        keys |= created
    return keys


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
