"""Determines whose records are in the history of a group, a member or a contract."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.errors import ContractUnknown, MemberUnknown
from storage.group_lookup import GroupHead, group_head, group_head_of_row
from storage.history_index import HistoryScope
from storage.merges import merged_into
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_all, fetch_value


async def of_group(connection: Connection, group_id: UUID) -> HistoryScope:
    """Returns the records of the group, of its contract, and of its members since they joined it.

    Raises GroupUnknown.
    """
    head = await group_head(connection, group_id)
    return HistoryScope({head.group_key: head}, await _members(connection, [head]), [head.key.contract_id])


async def of_member(connection: Connection, member_id: UUID) -> HistoryScope:
    """Returns all records of the member, and of every group to which the member belongs or belonged.

    This includes the records of members who were merged into this one. Raises MemberUnknown.
    """
    exists = "SELECT EXISTS (SELECT FROM member_revision WHERE member_id = %s AND revision = 1)"
    if not await fetch_value(connection, bool, exists, [member_id]):
        raise MemberUnknown(member_id)
    ids = [member_id, *await merged_into(connection, member_id)]
    heads = await fetch_all(
        connection,
        group_head_of_row,
        "SELECT DISTINCT g.group_key, g.group_id, g.contract_id, g.primary_id, g.revision"
        " FROM group_member m JOIN enrollment_group g USING (group_key) WHERE m.member_id = ANY(%s)",
        [ids],
    )
    members = await _members(connection, heads)
    contract_ids = {head.key.contract_id for head in heads}
    since_ever = dict.fromkeys(ids)
    return HistoryScope({head.group_key: head for head in heads}, {**members, **since_ever}, sorted(contract_ids))


async def of_contract(connection: Connection, contract_id: UUID) -> HistoryScope:
    """Returns the records of the contract, without those of its groups. Raises ContractUnknown."""
    exists = "SELECT EXISTS (SELECT FROM contract_revision WHERE contract_id = %s AND revision = 1)"
    if not await fetch_value(connection, bool, exists, [contract_id]):
        raise ContractUnknown(contract_id)
    return HistoryScope({}, {}, [contract_id])


async def _members(connection: Connection, heads: Sequence[GroupHead]) -> dict[UUID, datetime | None]:
    """Returns the members of groups, and when each joined the first of these groups."""
    cursor = await connection.execute(
        "SELECT member_id, min(recorded_at) FROM group_member WHERE group_key = ANY(%s) GROUP BY member_id",
        [[head.group_key for head in heads]],
    )
    return dict(await cursor.fetchall())
