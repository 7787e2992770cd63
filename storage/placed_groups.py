"""Where groups are: in the core, and in the legacy tables of a country."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.migration.stages import Stage
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class PlacedGroup:
    """Where a group is: its head in the core, and the country whose legacy tables have its contract, with the stage.

    `head` is None if the core doesn't have the group, `country` if its contract isn't mapped or the group is unknown.
    """

    head: GroupHead | None
    country: str | None
    stage: Stage | None

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known about the group. The legacy tables can have it under an id that isn't stored yet."""
        return self.head is None and self.country is None


async def placed_groups(
    connection: Connection, groups: Collection[UUID | GroupKey]
) -> dict[UUID | GroupKey, PlacedGroup]:
    """Returns where each of some groups is, by how it was asked for."""
    ids = {group: group_id(*group) if isinstance(group, GroupKey) else group for group in groups}
    cursor = await connection.execute(
        "SELECT a.id, g.group_key, g.contract_id, g.primary_id, g.revision, m.country, m.stage"
        " FROM unnest(%s::uuid[], %s::uuid[]) AS a(id, contract_id)"
        " LEFT JOIN enrollment_group g ON g.group_id = a.id"
        " LEFT JOIN legacy_identifier l ON l.kind = 'GROUP' AND l.id = a.id"
        " LEFT JOIN legacy_identifier c ON c.kind = 'CONTRACT' AND c.id = coalesce(a.contract_id, g.contract_id)"
        " LEFT JOIN migration m ON m.country = coalesce(c.country, l.country)",
        [list(ids.values()), [group.contract_id if isinstance(group, GroupKey) else None for group in ids]],
    )
    found = {
        asked: PlacedGroup(
            GroupHead(key, asked, GroupKey(contract_id, primary_id), revision) if key is not None else None,
            country,
            Stage(stage) if stage else None,
        )
        for asked, key, contract_id, primary_id, revision, country, stage in await cursor.fetchall()
    }
    return {group: found[of_id] for group, of_id in ids.items()}
