"""Reads legacy groups as the core would report them, for reads that the legacy tables answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.days import Days, Span
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import days_of, periods
from domain.enrollment.history import GroupSource, GroupState
from domain.errors import GroupUnknown, LegacyHasNoHistory, NoLegacySource
from domain.identity import group_id
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from domain.migration.translating import translated
from operations.core import Core
from operations.legacy.known_types import NO_TYPES, known_types
from operations.legacy.sides import source_of
from operations.paging import Page
from storage import enrollment_reads, migration_stages
from storage.enrollment_reads import AsOf, GroupFilter
from storage.postgres.database import Connection


class SourceOfTruth(StrEnum):
    """Which source answers a read."""

    FOLLOW_MIGRATION = "FOLLOW_MIGRATION"
    FORCE_LEGACY = "FORCE_LEGACY"
    FORCE_CORE = "FORCE_CORE"


def answers(stage: Stage | None, wanted: SourceOfTruth) -> bool:
    """Returns whether the legacy tables answer a read, given the stage of the group's country, if it has one."""
    if stage is None or stage is Stage.RETIRED or wanted is SourceOfTruth.FORCE_CORE:
        return False
    return wanted is SourceOfTruth.FORCE_LEGACY or stage.legacy_answers


async def translate_all(core: Core, connection: Connection, groups: Iterable[LegacyGroup]) -> dict[UUID, Translated]:
    """Translates groups, and returns them by id."""
    groups = list(groups)
    types = await known_types(connection, [group.key for group in groups]) if groups else {}
    contracts = {
        contract_id: await core.contract_source.current(connection, contract_id, hold=False)
        for contract_id in sorted({group.key.contract_id for group in groups})
    }
    return {
        group.group_id: translated(group, contracts[group.key.contract_id], types.get(group.key, NO_TYPES))
        for group in groups
    }


async def answered_keys(
    core: Core, connection: Connection, groups: Sequence[UUID | GroupKey]
) -> dict[UUID | GroupKey, GroupKey]:
    """Returns the keys of those of some groups that legacy tables answer and have, by how each was asked for."""
    if not core.legacy or not groups:
        return {}
    ids = {group: group_id(*group) if isinstance(group, GroupKey) else group for group in groups}
    keys: dict[UUID, GroupKey] = {}
    for source in core.legacy:
        loaded = await source.load(connection, set(ids.values()))
        stages = await migration_stages.of_contracts(connection, {group.key.contract_id for group in loaded.values()})
        for of_id, group in loaded.items():
            if (of := stages.get(group.key.contract_id)) and of[1].legacy_answers:
                keys[of_id] = group.key
    return {group: keys[of_id] for group, of_id in ids.items() if of_id in keys}


async def legacy_members(core: Core, connection: Connection, group: UUID | GroupKey) -> set[UUID]:
    """Returns the members of a group that legacy tables answer and have. Empty for any other group."""
    if not (keys := await answered_keys(core, connection, [group])):
        return set()
    of_id = group_id(*keys[group])
    loaded = [(await source.load(connection, [of_id])).get(of_id) for source in core.legacy]
    return {member_id for found in loaded if found for member_id in found.member_ids.values()}


def state_of_translated(translated: Translated, touching: Span | None) -> GroupState:
    """Returns a translated group as a state, optionally with only those periods that overlap a span."""
    group = translated.group
    found = periods(translated.days, translated.membership_types)
    if touching is not None:
        found = tuple(each for each in found if Days.of(each.days) & Days.of(touching))
    return GroupState(group.group_id, group.key, 0, None, None, found, GroupSource.LEGACY)


async def legacy_group_state(
    core: Core, group: UUID | GroupKey, wanted: SourceOfTruth, as_of: AsOf, touching: Span | None
) -> GroupState | None:
    """Returns a group as its legacy rows say, or None if the core answers.

    Raises NoLegacySource, LegacyHasNoHistory, GroupUnknown.
    """
    read = _GroupRead(core, group, wanted, as_of, touching)
    state = await read.now()
    if read.is_unknown:
        for source in core.legacy:
            if await core.legacy.search(core.database, source.country):
                state = await read.now()
    if read.is_unknown and (read.legacy_answers or wanted is SourceOfTruth.FORCE_LEGACY):
        raise GroupUnknown(**named_group(group))
    return state


def named_group(group: UUID | GroupKey) -> dict[str, UUID]:
    return group._asdict() if isinstance(group, GroupKey) else {"group_id": group}


@dataclass(slots=True)
class _GroupRead:
    """One read, which can be repeated after identifiers were stored.

    `is_unknown`: neither the core nor the stored identifiers have the group, or the tables that answer don't have it.
    """

    core: Core
    group: UUID | GroupKey
    wanted: SourceOfTruth
    as_of: AsOf
    touching: Span | None
    is_unknown: bool = False
    legacy_answers: bool = False

    async def now(self) -> GroupState | None:
        """Returns the state if the legacy tables answer. Raises NoLegacySource, LegacyHasNoHistory."""
        async with self.core.database.snapshot() as connection:
            self.is_unknown = False
            of = await migration_stages.of_group(connection, self.group)
            if of is None:
                in_core = bool(await enrollment_reads.group_heads(connection, [self.group]))
                self.is_unknown = not in_core and not isinstance(self.group, GroupKey)
                if in_core and self.wanted is SourceOfTruth.FORCE_LEGACY:
                    raise NoLegacySource
                return None
            country, stage = of
            self.legacy_answers = answers(stage, self.wanted)
            if not self.legacy_answers:
                if self.wanted is SourceOfTruth.FORCE_LEGACY:
                    raise NoLegacySource(country)
                return None
            source = source_of(self.core, country)
            if self.as_of != AsOf():
                raise LegacyHasNoHistory(country)
            group = group_id(*self.group) if isinstance(self.group, GroupKey) else self.group
            loaded = await source.load(connection, [group])
            self.is_unknown = group not in loaded
            if self.is_unknown:
                return None
            translated = (await translate_all(self.core, connection, loaded.values()))[group]
            self.core.migrations.reads[country] += 1
            if stage is Stage.READ_CORE and self.wanted is SourceOfTruth.FOLLOW_MIGRATION:
                await self._count_differences(connection, translated)
            return state_of_translated(translated, self.touching)

    async def _count_differences(self, connection: Connection, translated: Translated) -> None:
        """Counts the read if the core would have answered with other periods."""
        heads = await enrollment_reads.group_heads(connection, [translated.group.group_id])
        core_days = {}
        for head in heads.values():
            core_days = days_of(await enrollment_reads.periods_of(connection, head.group_key, head.revision))
        if core_days != dict(translated.days):
            self.core.migrations.read_differences[translated.group.mapping.country] += 1


async def legacy_group_states(
    core: Core, which: GroupFilter, wanted: SourceOfTruth, as_of: AsOf, touching: Span | None, page: Page[UUID | None]
) -> tuple[list[GroupState], frozenset[UUID]]:
    """Returns the groups of a list that the legacy tables answer, in order of id, and the contracts whose groups the
    core must not list.

    Raises NoLegacySource, LegacyHasNoHistory.
    """
    if not core.legacy:
        if wanted is SourceOfTruth.FORCE_LEGACY:
            raise NoLegacySource
        return [], frozenset()
    if page.after is None:
        for source in core.legacy:
            await core.database.write(source.store_identifiers)
    async with core.database.snapshot() as connection:
        contracts = await migration_stages.of_all_contracts(connection)
        answered = {each: of for each, of in contracts.items() if answers(of[1], wanted)}
        if which.contract_id is not None:
            answered = {each: of for each, of in answered.items() if each == which.contract_id}
            if not answered and wanted is SourceOfTruth.FORCE_LEGACY:
                raise NoLegacySource(contracts[which.contract_id][0] if which.contract_id in contracts else "")
        countries = sorted({country for country, _ in answered.values()})
        groups: dict[UUID, LegacyGroup] = {}
        for country in countries:
            source = source_of(core, country)
            if which.member_id is not None:
                ids: Sequence[UUID] = (await source.groups_of_members(connection, [which.member_id])).get(
                    which.member_id, []
                )
                ids = [each for each in ids if page.after is None or each > page.after][: page.size]
            else:
                ids = await source.heads(
                    connection, which.contract_id, which.primary_id, page.after or UUID(int=0), page.size
                )
            groups |= {
                group_id: group
                for group_id, group in (await source.load(connection, ids)).items()
                if group.key.contract_id in answered
            }
        if groups and as_of != AsOf():
            raise LegacyHasNoHistory(countries[0])
        translated = await translate_all(core, connection, groups.values())
    states = [state_of_translated(each, touching) for each in translated.values()]
    return sorted(states, key=lambda state: state.group_id)[: page.size], frozenset(answered)
