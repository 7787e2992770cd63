"""Reads the groups of all members on a page with one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.days import NO_DAYS, Days
from domain.membership import MembershipType
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class GroupOfMember:
    """A group that a member belongs or belonged to, and the days on which the member is enrolled in any module.

    `membership_type` is None if the member has no role in the group.
    """

    group_id: UUID
    contract_id: UUID
    primary_id: UUID
    membership_type: MembershipType | None
    enrolled: Days


async def groups_of_members(
    connection: Connection, member_ids: Sequence[UUID], limit: int
) -> dict[UUID, tuple[list[GroupOfMember], int]]:
    """Returns up to `limit` groups of each member, ordered by group id, and the total number of their groups.

    Members without groups are omitted.
    """
    cursor = await connection.execute(
        "SELECT w.member_id, g.group_id, g.contract_id, g.primary_id, g.number, p.membership_type, p.days"
        " FROM unnest(%s::uuid[]) AS w (member_id), LATERAL ("
        "SELECT e.*, count(*) OVER () AS number FROM group_member m JOIN enrollment_group e USING (group_key)"
        " WHERE m.member_id = w.member_id ORDER BY e.group_id LIMIT %s) AS g"
        " LEFT JOIN enrollment_revision r ON r.group_key = g.group_key AND r.revision = g.revision"
        " LEFT JOIN LATERAL (SELECT (array_agg(membership_type ORDER BY days DESC))[1] AS membership_type,"
        " range_agg(days) AS days FROM enrollment_period p"
        " WHERE p.revision_key = r.revision_key AND p.member_id = w.member_id) AS p ON true"
        " ORDER BY w.member_id, g.group_id",
        [list(member_ids), limit],
    )
    found: dict[UUID, tuple[list[GroupOfMember], int]] = {}
    for member_id, group_id, contract_id, primary_id, number, kind, days in await cursor.fetchall():
        role = MembershipType(kind) if kind else None
        if role is None and member_id == primary_id:
            role = MembershipType.PRIMARY
        group = GroupOfMember(group_id, contract_id, primary_id, role, days or NO_DAYS)
        found.setdefault(member_id, ([], number))[0].append(group)
    return found
