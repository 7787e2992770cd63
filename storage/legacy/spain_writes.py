"""Writes rows of the Spanish tables, in a constant number of statements."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.migration.legacy import LegacyGroup
from domain.migration.writing_back import RowChange
from storage.legacy.spain_identifiers import users_for
from storage.postgres.database import Connection


async def let_write(tx: Connection) -> None:
    """Lets this transaction write although the guard of the tables lets nobody else (`spain_guard.sql`)."""
    await tx.execute("SET LOCAL affilia.writes_back = 'on'")


async def apply_changes(tx: Connection, group: LegacyGroup, changes: Sequence[RowChange]) -> None:
    """Updates locked rows of a group, and inserts rows into its policies. Adds users for unknown members."""
    updates = [change for change in changes if change.row_id is not None]
    inserts = [change for change in changes if change.row_id is None]
    await let_write(tx)
    if updates:
        await _update(tx, updates)
    if inserts:
        await _insert(tx, inserts, await _users(tx, group, {change.member_id for change in inserts}))


async def _update(tx: Connection, changes: Sequence[RowChange]) -> None:
    await tx.execute(
        "UPDATE legacy_es.es_enrollment e SET is_cancelled = c.is_cancelled, updated_at = now(),"
        " start_date = CASE WHEN c.is_cancelled THEN e.start_date ELSE c.first_on END,"
        " end_date = CASE WHEN c.is_cancelled THEN e.end_date ELSE c.last_on END"
        " FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::boolean[]) AS c(id, first_on, last_on, is_cancelled)"
        " WHERE e.id = c.id",
        [
            [change.row_id for change in changes],
            [change.first_on for change in changes],
            [change.last_on for change in changes],
            [change.is_cancelled for change in changes],
        ],
    )


async def _insert(tx: Connection, changes: Sequence[RowChange], users: dict[UUID, int]) -> None:
    await tx.execute(
        "INSERT INTO legacy_es.es_enrollment"
        " (policy_id, user_id, enrollment_type, product_code, start_date, end_date, is_cancelled)"
        " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::date[], %s::date[],"
        " %s::boolean[])",
        [
            [change.policy_id for change in changes],
            [users[change.member_id] for change in changes],
            [change.membership_type for change in changes],
            [change.product for change in changes],
            [change.first_on for change in changes],
            [change.last_on for change in changes],
            [change.is_cancelled for change in changes],
        ],
    )


async def _users(tx: Connection, group: LegacyGroup, member_ids: Collection[UUID]) -> dict[UUID, int]:
    """Returns the user of each member: the one of the member's last row, or else one who owns a policy of the group."""
    users = {member_id: user_id for user_id, member_id in group.member_ids.items()}
    users |= {group.member_ids[row.user_id]: row.user_id for row in group.rows}
    unknown = [member_id for member_id in member_ids if member_id not in users]
    return users | (await users_for(tx, unknown) if unknown else {})
