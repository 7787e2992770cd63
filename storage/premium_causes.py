"""Reads what may have caused premium entries: earlier entries for the same month, and revisions that changed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.days import Span
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all
from storage.premiums import StoredEntry


@dataclass(frozen=True, slots=True)
class Computation:
    """An earlier computation of an enrollment and month: the group's revision, and when its entries were recorded."""

    revision: int
    recorded_at: datetime


async def previous_computations(connection: Connection, entries: Sequence[StoredEntry]) -> dict[int, Computation]:
    """Returns the previous computation of each entry's enrollment and month, by the entry's index."""
    cursor = await connection.execute(
        "SELECT DISTINCT ON (w.n) w.n, s.revision, s.recorded_at"
        " FROM unnest(%s::integer[], %s::uuid[], %s::integer[], %s::timestamptz[])"
        " AS w(n, enrollment_id, month, recorded_at)"
        " JOIN premium_stretch s ON s.enrollment_id = w.enrollment_id AND s.cancels IS NULL"
        " AND w.month BETWEEN s.first_month AND s.last_month AND s.recorded_at < w.recorded_at"
        " ORDER BY w.n, s.recorded_at DESC",
        [
            list(range(len(entries))),
            [each.ledger_entry.entry.enrollment_id for each in entries],
            [each.ledger_entry.entry.month for each in entries],
            [each.recorded_at for each in entries],
        ],
    )
    return {n: Computation(revision, recorded_at) for n, revision, recorded_at in await cursor.fetchall()}


class Wanted(NamedTuple):
    """The days of one enrollment, and the revisions to search: after `since`, up to `until`."""

    group_id: UUID
    member_id: UUID
    module_id: UUID
    days: Span
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class DaysChanged:
    """The last revision that changed the days of the enrollment or, if none did, of another one in the group."""

    n: int
    revision: int
    member_id: UUID
    module_id: UUID


async def changes_of_days(connection: Connection, wanted: Sequence[Wanted]) -> dict[int, DaysChanged]:
    """Returns the revision that last changed the days of each item, by index. Omits items that no revision changed."""
    found = await fetch_all(
        connection,
        DaysChanged,
        "SELECT DISTINCT ON (w.n) w.n, r.revision, d.member_id, d.module_id"
        " FROM unnest(%s::integer[], %s::uuid[], %s::uuid[], %s::uuid[], %s::daterange[], %s::integer[], %s::integer[])"
        " AS w(n, group_id, member_id, module_id, days, since, until) JOIN enrollment_group g USING (group_id)"
        " JOIN enrollment_difference d USING (group_key) JOIN enrollment_revision r USING (revision_key)"
        " WHERE r.revision > w.since AND r.revision <= w.until AND (d.gained && w.days OR d.lost && w.days)"
        " ORDER BY w.n, (d.member_id = w.member_id AND d.module_id = w.module_id) DESC, r.revision DESC",
        [list(range(len(wanted))), *(list(column) for column in zip(*wanted, strict=True))],
    )
    return {each.n: each for each in found}
