"""The membership types that the core has recorded for the members of groups. They take precedence over legacy rows."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from domain.enrollment.counting import membership_types
from domain.enrollment.decisions import GroupKey, enrolled_members
from domain.membership import MembershipType
from storage import enrollment, enrollment_reads, merges
from storage.postgres.database import Connection

NO_TYPES: Mapping[UUID, MembershipType] = {}


async def known_types(
    connection: Connection, groups: Iterable[GroupKey]
) -> dict[GroupKey, Mapping[UUID, MembershipType]]:
    """Returns the recorded types by group. Groups that the core doesn't have are missing."""
    heads = await enrollment_reads.group_heads(connection, list(groups))
    keys = {head.group_key: head.key for head in heads.values()}
    decisions = await enrollment.decisions_of(connection, list(keys))
    members = {member for of_group in decisions.values() for member in enrolled_members(of_group)}
    aliases = await merges.aliases_of(connection, members)
    return {
        key: membership_types(key.primary_id, tuple(decisions.get(group_key, ())), aliases)
        for group_key, key in keys.items()
    }
