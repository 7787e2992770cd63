"""Finds the newest entries of a history.

Each source of entries is read through an index, from the newest entry backwards, so the cost of a page doesn't depend
on the length of the history.

A position identifies an entry. `storage/history_entries.py` loads the entries of positions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

from storage.group_lookup import GroupHead
from storage.postgres.database import Connection


class Source(IntEnum):
    """Where entries come from. Entries with the same instant are in this order."""

    CONTRACT = 1
    FACT = 2
    RECORD = 3
    ERASURE = 4
    CHANGE_REQUEST = 5
    RECOMPUTE = 6
    PREMIUM = 7
    INVOICE = 8
    APPLICATION = 9
    REVERSAL = 10
    MERGE = 11
    MIGRATION = 12


Key = tuple[Any, ...]


class Position(NamedTuple):
    """Identifies an entry. Positions sort in the order in which entries were recorded.

    `key` consists of integers, UUIDs and texts, the same types for every entry of a source.
    """

    recorded_at: datetime
    source: Source
    key: Key

    def to_json(self) -> list[Any]:
        return [self.recorded_at.isoformat(), int(self.source), [k if isinstance(k, int) else str(k) for k in self.key]]

    @staticmethod
    def from_json(document: Any) -> "Position":
        instant, number, key = document
        source = Source(number)
        types = _SOURCES[source].key_types
        return Position(datetime.fromisoformat(instant), source, tuple(t(k) for t, k in zip(types, key, strict=True)))


@dataclass(frozen=True, slots=True)
class HistoryScope:
    """Whose records a history includes.

    `groups` is keyed by group key. `members` has the instant since which records are included; None means always.
    """

    groups: Mapping[int, GroupHead]
    members: Mapping[UUID, datetime | None]
    contract_ids: Collection[UUID]


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which entries to return. `recorded_before` is exclusive."""

    sources: Collection[Source]
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class _SourceTable:
    """The table of a source, and its columns for the owner and the instant of an entry.

    Some sources write several rows for an entry. These have the same instant and key. The entries of a source with
    several owners can be found several times.
    """

    table: str
    owner: str
    keys: tuple[str, ...]
    key_types: tuple[type, ...]
    instant: str = "recorded_at"
    where: str = "TRUE"
    has_many_rows: bool = False
    has_many_owners: bool = False


_SOURCES = {
    Source.CONTRACT: _SourceTable("contract_revision", "contract_id", ("contract_id", "revision"), (UUID, int)),
    Source.FACT: _SourceTable(
        "member_revision", "member_id", ("member_id", "revision"), (UUID, int), where="kind = 'FACT'"
    ),
    Source.RECORD: _SourceTable(
        "member_revision", "member_id", ("member_id", "revision"), (UUID, int), where="kind = 'RECORD'"
    ),
    Source.ERASURE: _SourceTable("erasure", "member_id", ("number",), (int,)),
    Source.CHANGE_REQUEST: _SourceTable("change_request", "group_key", ("change_request_key",), (int,)),
    Source.RECOMPUTE: _SourceTable(
        "recompute", "group_key", ("recompute_key",), (int,), "done_at", where="done_at IS NOT NULL"
    ),
    Source.PREMIUM: _SourceTable("premium_stretch", "group_key", ("group_key",), (int,), has_many_rows=True),
    Source.INVOICE: _SourceTable(
        "premium_invoice_mark", "group_key", ("group_key", 'invoice_id COLLATE "C"'), (int, str), has_many_rows=True
    ),
    Source.APPLICATION: _SourceTable("accumulator_application", "group_id", ("application_key",), (int,)),
    Source.REVERSAL: _SourceTable("accumulator_reversal", "group_id", ("application_key",), (int,)),
    # Each merge is an entry of both members.
    Source.MERGE: _SourceTable(
        "(SELECT recorded_at, from_member_id AS member_id, from_member_id FROM member_merge UNION ALL"
        " SELECT recorded_at, into_member_id, from_member_id FROM member_merge) AS merge",
        "member_id",
        ("from_member_id",),
        (UUID,),
        has_many_owners=True,
    ),
    # Each change of a stage is an entry of all contracts of the country that are mapped.
    Source.MIGRATION: _SourceTable(
        "(SELECT c.recorded_at, i.id AS contract_id, c.change_key FROM migration_change c JOIN legacy_identifier i"
        " ON i.country = c.country AND i.kind = 'CONTRACT') AS moved",
        "contract_id",
        ("change_key",),
        (int,),
        has_many_owners=True,
    ),
}


async def newest_positions(
    connection: Connection, scope: HistoryScope, which: HistoryFilter, after: Position | None, limit: int
) -> list[Position]:
    """Returns the newest positions, newest first. With `after`, only those older than it."""
    found: list[Position] = []
    for source in sorted(which.sources):
        owners, since = _owners(scope, source)
        if owners:
            found += await _of_source(connection, source, owners, since, which, after, limit)
    return sorted(found, reverse=True)[:limit]


def _owners(scope: HistoryScope, source: Source) -> tuple[list[Any], list[datetime | None]]:
    """Returns the owners whose entries of a source are in a scope, and since when."""
    owners: list[Any]
    match source:
        case Source.CONTRACT | Source.MIGRATION:
            owners = list(scope.contract_ids)
        case Source.FACT | Source.RECORD | Source.ERASURE | Source.MERGE:
            return list(scope.members), list(scope.members.values())
        case Source.APPLICATION | Source.REVERSAL:
            owners = [head.group_id for head in scope.groups.values()]
        case _:
            owners = list(scope.groups)
    return owners, [None] * len(owners)


async def _of_source(
    connection: Connection,
    source: Source,
    owners: Sequence[Any],
    since: Sequence[datetime | None],
    which: HistoryFilter,
    after: Position | None,
    limit: int,
) -> list[Position]:
    table = _SOURCES[source]
    where, values = _conditions(source, which, after)
    newest = _newest_entries(table, where) if table.has_many_rows else _newest_rows(table, where)
    type_ = "uuid" if isinstance(owners[0], UUID) else "bigint"
    names = [f"k{n}" for n in range(len(table.keys))]
    cursor = await connection.execute(
        f"SELECT {'DISTINCT ' if table.has_many_owners else ''}s.instant, {', '.join(names)}"
        f" FROM unnest(%(owners)s::{type_}[], %(since)s::timestamptz[]) AS o(owner, since)"
        f" CROSS JOIN LATERAL ({newest}) AS s"
        f" ORDER BY s.instant DESC, {', '.join(f'{name} DESC' for name in names)} LIMIT %(limit)s",
        values | {"owners": list(owners), "since": list(since), "limit": limit},
    )
    return [Position(instant, source, tuple(key)) for instant, *key in await cursor.fetchall()]


def _conditions(source: Source, which: HistoryFilter, after: Position | None) -> tuple[str, dict[str, Any]]:
    """Returns the SQL condition for the rows to return, and its parameters."""
    table = _SOURCES[source]
    where = [f"{table.owner} = o.owner", table.where, f"{table.instant} >= coalesce(o.since, '-infinity')"]
    values: dict[str, Any] = {}
    if which.recorded_from is not None:
        where.append(f"{table.instant} >= %(from)s")
        values["from"] = which.recorded_from
    if which.recorded_before is not None:
        where.append(f"{table.instant} < %(before)s")
        values["before"] = which.recorded_before
    if after is not None:
        values["after"] = after.recorded_at
        if source is after.source:
            row = ", ".join([table.instant, *table.keys])
            key = ", ".join(f"%(after{n})s" for n in range(len(after.key)))
            where.append(f"({row}) < (%(after)s, {key})")
            values |= {f"after{n}": part for n, part in enumerate(after.key)}
        else:
            # Among entries with the same instant, those of an earlier source come later in the list.
            where.append(f"{table.instant} {'<=' if source < after.source else '<'} %(after)s")
    return " AND ".join(where), values


def _newest_rows(table: _SourceTable, where: str) -> str:
    """Returns a statement for sources with one row per entry."""
    columns = ", ".join(f"{key} AS k{n}" for n, key in enumerate(table.keys))
    order = ", ".join(f"{column} DESC" for column in (table.instant, *table.keys))
    return (
        f"SELECT {table.instant} AS instant, {columns} FROM {table.table} WHERE {where}"
        f" ORDER BY {order} LIMIT %(limit)s"
    )


def _newest_entries(table: _SourceTable, where: str) -> str:
    """Returns a statement for sources with many rows per entry.

    It only reads one row of each entry, and then looks up the next older entry in the index.
    """
    row = (table.instant, *table.keys)
    columns = ", ".join([f"{table.instant} AS instant", *(f"{key} AS k{n}" for n, key in enumerate(table.keys))])
    newest = f"SELECT {columns} FROM {table.table} WHERE {where}"
    one = f"ORDER BY {', '.join(f'{column} DESC' for column in row)} LIMIT 1"
    names = ", ".join(["instant", *(f"k{n}" for n in range(len(table.keys)))])
    older = f"({', '.join(row)}) < ({', '.join(f'e.{name}' for name in names.split(', '))})"
    return (
        f"WITH RECURSIVE entries AS (({newest} {one}) UNION ALL"
        f" SELECT x.* FROM entries e CROSS JOIN LATERAL ({newest} AND {older} {one}) AS x)"
        f" SELECT {names} FROM entries LIMIT %(limit)s"
    )
