"""What the legacy tables say about groups, in a transaction or a snapshot, with the stages of their countries.

Without legacy sources on this server, nothing is read.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.errors import MigrationStageForbids, NoLegacySource
from domain.identity import group_id
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from domain.migration.translating import translated
from operations.core import Core
from storage import legacy_groups, migration_stages
from storage.enrollment import LockedGroup
from storage.legacy.source import LegacySource
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class LegacySide:
    """One group's legacy side. `group` is None if the tables don't have the group.

    `aligned_with` is the fingerprint with which the core's decisions agreed last; None if they never did.
    """

    source: LegacySource
    stage: Stage
    group: LegacyGroup | None
    aligned_with: bytes | None

    @property
    def country(self) -> str:
        return self.source.country


@dataclass(frozen=True, slots=True)
class TranslatedSide:
    """A legacy side in the core's terms. `translated` is None if the tables don't have the group."""

    side: LegacySide
    translated: Translated | None

    @property
    def is_stale(self) -> bool:
        """Whether the rows say something else than the core's decisions."""
        return self.translated is not None and self.translated.fingerprint != self.side.aligned_with

    @property
    def days(self) -> Mapping[EnrollmentKey, Days]:
        return self.translated.days if self.translated else {}


def in_core_terms(side: LegacySide, contract: Contract, known: Mapping[UUID, MembershipType]) -> TranslatedSide:
    """Translates a legacy side. `known` are the membership types that the core has recorded."""
    return TranslatedSide(side, translated(side.group, contract, known) if side.group else None)


async def answering_side(core: Core, connection: Connection, key: GroupKey) -> LegacySide | None:
    """Returns the legacy side of a group, without locks, if legacy tables answer for the group and have it.

    The group is found even if its id isn't stored yet.
    """
    if not core.legacy:
        return None
    stages = await migration_stages.of_contracts(connection, [key.contract_id])
    if key.contract_id not in stages or not stages[key.contract_id][1].legacy_answers:
        return None
    (country, stage), group = stages[key.contract_id], group_id(*key)
    source = source_of(core, country)
    loaded = await source.load(connection, [group])
    if group not in loaded:
        loaded = await source.load_of_members(connection, [key.primary_id])
    if group not in loaded:
        return None
    return (await _sides(connection, source, stage, [group], loaded))[group]


async def hold_stages(core: Core, tx: Connection, contract_ids: Collection[UUID]) -> None:
    """Keeps the stages of the countries of some contracts until the transaction ends.

    It is the first lock of every transaction that changes groups: one that waits for a change of the stage must not
    have locked a group for which another transaction waits that holds the stage.
    """
    if core.legacy:
        await migration_stages.hold_of_contracts(tx, contract_ids)


async def hold_stages_of_groups(core: Core, tx: Connection, group_keys: Collection[int]) -> dict[int, Stage]:
    """Does the same for the contracts of some groups. Returns the stages of those whose contracts are mapped."""
    return await migration_stages.hold_of_groups(tx, group_keys) if core.legacy else {}


async def lock_sides(core: Core, tx: Connection, groups: Sequence[LockedGroup]) -> dict[UUID, LegacySide]:
    """Locks the groups' legacy rows. Returns the sides by group id. The stages of their countries should be held.

    Raises MigrationStageForbids if the stage accepts no changes.
    """
    if not core.legacy:
        return {}
    contracts = {group.group_id: group.key.contract_id for group in groups}
    stages = await migration_stages.hold_of_contracts(tx, contracts.values())
    found: dict[UUID, LegacySide] = {}
    for source, stage, group_ids in _by_country(core, stages, contracts):
        if not stage.accepts_changes:
            raise MigrationStageForbids(source.country, stage, "enrollments can't be changed here")
        loaded = await source.lock(tx, group_ids)
        if missing := set(group_ids) - loaded.keys():
            # Reads again in any case, because another transaction can have stored the ids in the meantime.
            await source.store_identifiers(tx, {group.key.primary_id for group in groups if group.group_id in missing})
            loaded |= await source.lock(tx, missing)
        found |= await _sides(tx, source, stage, group_ids, loaded)
    return found


def _by_country(
    core: Core, stages: Mapping[UUID, tuple[str, Stage]], contracts: Mapping[UUID, UUID]
) -> Iterable[tuple[LegacySource, Stage, list[UUID]]]:
    """Yields each country that is not RETIRED, in order, with its source and groups."""
    for country in sorted({country for country, stage in stages.values() if stage is not Stage.RETIRED}):
        group_ids = [g for g, contract in contracts.items() if contract in stages and stages[contract][0] == country]
        stage = next(stage for of_country, stage in stages.values() if of_country == country)
        yield source_of(core, country), stage, sorted(group_ids)


def source_of(core: Core, country: str) -> LegacySource:
    """Returns the source of a country. Raises NoLegacySource."""
    source = core.legacy.get(country)
    if source is None:
        raise NoLegacySource(country)
    return source


async def _sides(
    connection: Connection,
    source: LegacySource,
    stage: Stage,
    group_ids: Sequence[UUID],
    loaded: Mapping[UUID, LegacyGroup],
) -> dict[UUID, LegacySide]:
    fingerprints = await legacy_groups.fingerprints(connection, group_ids)
    return {
        group_id: LegacySide(source, stage, loaded.get(group_id), fingerprints.get(group_id)) for group_id in group_ids
    }
