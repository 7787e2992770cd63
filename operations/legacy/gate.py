"""Rejects calls about members of legacy tables that are still read or written."""

from collections.abc import Iterable
from uuid import UUID

from domain.errors import MigrationStageForbids
from domain.migration.stages import Stage
from operations.core import Core
from storage import migration_stages
from storage.postgres.database import Connection


async def reject_legacy_members(core: Core, tx: Connection, member_ids: Iterable[UUID], what: str) -> None:
    """Raises MigrationStageForbids if a member has a user in the legacy tables of a country that isn't RETIRED.

    `what` completes the sentence "In this stage, ...".
    """
    member_ids = list(member_ids)
    for source in core.legacy:
        stage = await migration_stages.hold_stage(tx, source.country)
        if stage is None or stage is Stage.RETIRED:
            continue
        if await source.known_members(tx, member_ids):
            raise MigrationStageForbids(source.country, stage, what)
