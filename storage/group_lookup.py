"""Finds enrollment groups: by id, by contract and primary, and by what they contain. Takes no locks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.errors import GroupUnknown
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_column, fetch_first, find_value


@dataclass(frozen=True, slots=True)
class AsOf:
    """The point of time of a read: a revision, an instant, or now if both are None."""

    revision: int | None = None
    instant: datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupHead:
    """A group and its current revision, or the revision to read."""

    group_key: int
    group_id: UUID
    key: GroupKey
    revision: int


async def group_head(connection: Connection, group: UUID | GroupKey) -> GroupHead:
    """Returns a group by its id, or by contract and primary. Raises GroupUnknown."""
    where, named = named_group(group)
    found = await fetch_first(
        connection,
        group_head_of_row,
        f"SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group WHERE {where}",
        list(named.values()),
    )
    if found is None:
        raise GroupUnknown(**named)
    return found


async def group_recorded_at(connection: Connection, group: UUID | GroupKey) -> datetime | None:
    """Returns when something of a group was recorded last, or None if there is no such group."""
    where, named = named_group(group)
    statement = f"SELECT recorded_at FROM enrollment_group WHERE {where}"
    return await find_value(connection, datetime, statement, list(named.values()))


def group_head_of_row(
    *, group_key: int, group_id: UUID, contract_id: UUID, primary_id: UUID, revision: int
) -> GroupHead:
    """Returns the group of a row with these columns."""
    return GroupHead(group_key, group_id, GroupKey(contract_id, primary_id), revision)


def named_group(group: UUID | GroupKey, of: str = "") -> tuple[str, dict[str, UUID]]:
    """Returns the SQL condition that finds a group, and its parameters by name."""
    if isinstance(group, UUID):
        return f"{of}group_id = %s", {"group_id": group}
    return f"{of}contract_id = %s AND {of}primary_id = %s", group._asdict()


async def group_heads(connection: Connection, groups: Sequence[UUID | GroupKey]) -> dict[UUID | GroupKey, GroupHead]:
    """Returns many groups in one query, by the key that each was asked for. Groups that do not exist are omitted."""
    ids = [group for group in groups if isinstance(group, UUID)]
    keys = [group for group in groups if isinstance(group, GroupKey)]
    found = await fetch_all(
        connection,
        group_head_of_row,
        "SELECT group_key, group_id, contract_id, primary_id, revision FROM enrollment_group"
        " WHERE group_id = ANY(%s) OR (contract_id, primary_id) IN (SELECT * FROM unnest(%s::uuid[], %s::uuid[]))",
        [ids, [key.contract_id for key in keys], [key.primary_id for key in keys]],
    )
    by_id: dict[UUID | GroupKey, GroupHead] = {head.group_id: head for head in found}
    return by_id | {head.key: head for head in found}


async def causing_subject(connection: Connection, group_key: int) -> str | None:
    """Returns the subject who caused the waiting recompute of a group or, if none is waiting, its newest revision.

    Returns None if the group has neither.
    """
    return await find_value(
        connection,
        str,
        "SELECT coalesce(w.actor, c.actor, q.actor)->>'subject' FROM enrollment_group g"
        " LEFT JOIN recompute w ON w.group_key = g.group_key AND w.done_at IS NULL AND w.failed_at IS NULL"
        " LEFT JOIN enrollment_revision r ON r.group_key = g.group_key AND r.revision = g.revision"
        " LEFT JOIN change_request c USING (change_request_key)"
        " LEFT JOIN recompute q ON q.recompute_key = r.recompute_key WHERE g.group_key = %s",
        [group_key],
    )


async def primary_of_change_request(connection: Connection, change_request_id: UUID) -> UUID | None:
    """Returns the primary of the group of a change request, or None if there is no such request."""
    return await find_value(
        connection,
        UUID,
        "SELECT primary_id FROM enrollment_group JOIN change_request USING (group_key) WHERE change_request_id = %s",
        [change_request_id],
    )


async def members_of(connection: Connection, group: UUID | GroupKey) -> set[UUID]:
    """Returns the members whom a group concerns, now or earlier. Empty if there is no such group."""
    where, named = named_group(group)
    statement = f"SELECT member_id FROM group_member JOIN enrollment_group USING (group_key) WHERE {where}"
    return set(await fetch_column(connection, UUID, statement, list(named.values())))


async def contracts_of_member(connection: Connection, member_id: UUID) -> set[UUID]:
    """Returns the contracts of all groups to which a member belongs or belonged.

    Empty if the member's periods were erased.
    """
    return set(
        await fetch_column(
            connection,
            UUID,
            "SELECT DISTINCT g.contract_id FROM group_member m JOIN enrollment_group g USING (group_key)"
            " WHERE m.member_id = %s"
            " AND NOT EXISTS (SELECT FROM erasure e WHERE e.member_id = m.member_id AND e.periods_removed)",
            [member_id],
        )
    )


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups to list. Exactly one field is set."""

    contract_id: UUID | None = None
    primary_id: UUID | None = None
    member_id: UUID | None = None


async def list_heads(
    connection: Connection,
    which: GroupFilter,
    as_of: AsOf,
    after: UUID | None,
    limit: int,
    *,
    without: Collection[str] = (),
) -> list[GroupHead]:
    """Returns the matching groups that had the revision, or existed at the instant, in order of id, starting after a
    given one. Groups of contracts that are mapped in one of the countries `without` are left out."""
    source, where, named = "enrollment_group g", [], dict[str, Any](limit=limit)
    if which.contract_id:
        where.append("g.contract_id = %(contract)s")
        named["contract"] = which.contract_id
    if which.primary_id:
        where.append("g.primary_id = %(primary)s")
        named["primary"] = which.primary_id
    if which.member_id:
        source += " JOIN group_member m USING (group_key)"
        where.append("m.member_id = %(member)s")
        named["member"] = which.member_id
        if as_of.instant:
            where.append("m.recorded_at <= %(instant)s")
    if as_of.revision:
        where.append("g.revision >= %(revision)s")
        named["revision"] = as_of.revision
    if as_of.instant:
        where.append(
            "EXISTS (SELECT FROM change_request c WHERE c.group_key = g.group_key AND c.recorded_at <= %(instant)s)"
        )
        named["instant"] = as_of.instant
    if without:
        where.append(
            "NOT EXISTS (SELECT FROM legacy_identifier i WHERE i.kind = 'CONTRACT' AND i.id = g.contract_id"
            " AND i.country = ANY(%(without)s))"
        )
        named["without"] = list(without)
    if after:
        where.append("g.group_id > %(after)s")
        named["after"] = after
    return await fetch_all(
        connection,
        group_head_of_row,
        "SELECT g.group_key, g.group_id, g.contract_id, g.primary_id, g.revision"
        f" FROM {source} WHERE {' AND '.join(where)} ORDER BY g.group_id LIMIT %(limit)s",
        named,
    )
