"""Which source answers a read, and the legacy groups with which it answers, in the core's terms."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from uuid import UUID

from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from domain.migration.translating import translated
from operations.core import Core
from operations.legacy.known_types import NO_TYPES, known_types
from operations.legacy.sides import source_of
from operations.sources import known_contracts
from storage import migration_stages
from storage.legacy.source import LegacySource
from storage.placed_groups import PlacedGroup, placed_groups
from storage.postgres.database import Connection


class SourceOfTruth(StrEnum):
    """Which source answers a read."""

    FOLLOW_MIGRATION = "FOLLOW_MIGRATION"
    FORCE_LEGACY = "FORCE_LEGACY"
    FORCE_CORE = "FORCE_CORE"


def answers(stage: Stage | None, wanted: SourceOfTruth = SourceOfTruth.FOLLOW_MIGRATION) -> bool:
    """Returns whether the legacy tables answer a read, given the stage of the group's country, if it has one."""
    if stage is None or stage is Stage.RETIRED or wanted is SourceOfTruth.FORCE_CORE:
        return False
    return wanted is SourceOfTruth.FORCE_LEGACY or stage.legacy_answers


async def translate_all(
    core: Core, connection: Connection, groups: Collection[LegacyGroup], *, are_in_core: bool = True
) -> dict[UUID, Translated]:
    """Translates groups, and returns them by id. If the core has none of them, their recorded types aren't read."""
    types = await known_types(connection, groups) if are_in_core else {}
    contract_ids = {group.key.contract_id for group in groups}
    contracts = await known_contracts(core.contract_source, connection, contract_ids, hold=False)
    return {
        group.group_id: translated(group, contracts[group.key.contract_id], types.get(group.group_id, NO_TYPES))
        for group in groups
    }


async def load_answering(
    core: Core, connection: Connection, placed: Mapping[UUID | GroupKey, PlacedGroup]
) -> dict[UUID | GroupKey, LegacyGroup]:
    """Returns those of some groups that the legacy tables of their countries have, by how each was asked for.

    All countries of `placed` must have legacy tables that answer. Groups that were asked for by their keys are found
    even if their ids aren't stored yet.
    """
    found: dict[UUID | GroupKey, LegacyGroup] = {}
    for country in sorted({each.country for each in placed.values() if each.country}):
        source = source_of(core, country)
        asked = {group: _id(group) for group, each in placed.items() if each.country == country}
        loaded = await source.load(connection, set(asked.values()))
        primaries = {g.primary_id for g, id_ in asked.items() if isinstance(g, GroupKey) and id_ not in loaded}
        if primaries:
            loaded |= await source.load_of_members(connection, primaries)
        found |= {group: loaded[id_] for group, id_ in asked.items() if id_ in loaded}
    return found


async def answered_groups(
    core: Core, connection: Connection, groups: Collection[UUID | GroupKey]
) -> dict[UUID | GroupKey, LegacyGroup]:
    """Returns those of some groups that legacy tables answer for and have, by how each was asked for."""
    if not core.legacy or not groups:
        return {}
    placed = await placed_groups(connection, groups)
    return await load_answering(core, connection, {group: at for group, at in placed.items() if answers(at.stage)})


async def groups_owned_by(core: Core, connection: Connection, member_id: UUID) -> dict[UUID, LegacyGroup]:
    """Returns the groups of a primary that legacy tables answer for, by id, whether their ids are stored or not."""
    if not core.legacy:
        return {}
    found: dict[UUID, LegacyGroup] = {}
    for each in await migration_stages.countries_of(connection, ()):
        if answers(each.stage):
            loaded = await source_of(core, each.country).load_of_members(connection, [member_id])
            found |= {group_id: group for group_id, group in loaded.items() if group.key.primary_id == member_id}
    return found


async def found_by_searching(core: Core, wanted: SourceOfTruth = SourceOfTruth.FOLLOW_MIGRATION) -> bool:
    """Stores the missing identifiers of the countries whose legacy tables answer, because an id is unknown.

    Returns whether any were stored, so that reading again can find the id.
    """
    if not core.legacy:
        return False
    async with core.database.reading() as connection:
        stages = await migration_stages.stages(connection)
    found = [
        await core.legacy.search(core.database, source.country)
        for source in core.legacy
        if answers(stages.get(source.country), wanted)
    ]
    return any(found)


async def store_identifiers(core: Core, source: LegacySource, member_ids: Collection[UUID] | None = None) -> None:
    """Stores missing identifiers before a list: all, or those of some members and their groups."""
    await core.database.write(lambda tx: source.store_identifiers(tx, member_ids))


def _id(group: UUID | GroupKey) -> UUID:
    return group if isinstance(group, UUID) else group_id(*group)
