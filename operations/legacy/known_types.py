"""The membership types that the core has recorded for the members of groups. They take precedence over legacy rows."""

from collections.abc import Collection, Mapping
from uuid import UUID

from domain.enrollment.counting import membership_types
from domain.enrollment.decisions import enrolled_members
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup
from storage import enrollment, merges
from storage.postgres.database import Connection

NO_TYPES: Mapping[UUID, MembershipType] = {}


async def known_types(
    connection: Connection, groups: Collection[LegacyGroup]
) -> dict[UUID, Mapping[UUID, MembershipType]]:
    """Returns the recorded types by group id. Groups without decisions are missing."""
    if not groups:
        return {}
    decisions = await enrollment.decisions_of_groups(connection, [group.group_id for group in groups])
    members = {member for of_group in decisions.values() for member in enrolled_members(of_group)}
    aliases = await merges.aliases_of(connection, members) if members else {}
    return {
        group.group_id: membership_types(group.key.primary_id, tuple(decisions[group.group_id]), aliases)
        for group in groups
        if group.group_id in decisions
    }
