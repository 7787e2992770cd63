"""Merged members: which records were merged into others, and when."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from storage.postgres.database import Connection


async def aliases_of(
    connection: Connection, member_ids: Iterable[UUID], until: datetime | None = None
) -> dict[UUID, UUID]:
    """Returns those of some members who were merged, with the member into whom they were merged at last.

    Only merges recorded until an instant count; None: all.
    """
    cursor = await connection.execute(
        "WITH RECURSIVE alias (member_id, into_member_id, step) AS ("
        " SELECT from_member_id, into_member_id, 1 FROM member_merge"
        " WHERE from_member_id = ANY(%s) AND (%s::timestamptz IS NULL OR recorded_at <= %s)"
        " UNION ALL SELECT a.member_id, m.into_member_id, a.step + 1 FROM alias a"
        " JOIN member_merge m ON m.from_member_id = a.into_member_id"
        " WHERE %s::timestamptz IS NULL OR m.recorded_at <= %s)"
        " SELECT member_id, into_member_id FROM alias ORDER BY step",
        [sorted(set(member_ids)), until, until, until, until],
    )
    # If a member was merged into one who was merged later, the last step remains.
    return dict(await cursor.fetchall())
