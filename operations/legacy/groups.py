"""Iterates over all groups of legacy tables, page by page."""

from collections.abc import AsyncIterator
from uuid import UUID

from domain.migration.legacy import LegacyGroup
from storage.legacy.source import LegacySource
from storage.postgres.database import Connection

GROUPS_OF_A_PAGE = 200


async def legacy_groups_of(
    connection: Connection, source: LegacySource, contract_id: UUID | None, after: UUID
) -> AsyncIterator[dict[UUID, LegacyGroup]]:
    """Yields the groups of a country, or of one contract, after an id and in order, up to 200 together."""
    while page := await source.heads(connection, contract_id, None, after, GROUPS_OF_A_PAGE):
        loaded = await source.load(connection, page)
        yield {group_id: loaded[group_id] for group_id in page if group_id in loaded}
        after = page[-1]
