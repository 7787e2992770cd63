"""Reads legacy groups as the core would report them, for reads that the legacy tables answer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.days import Days, Span
from domain.enrollment.decisions import GroupKey
from domain.enrollment.group import days_of, periods
from domain.enrollment.history import GroupSource, GroupState
from domain.errors import GroupUnknown, LegacyHasNoHistory, NoLegacySource
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from operations.core import Core
from operations.legacy.answering import (
    SourceOfTruth,
    answers,
    found_by_searching,
    load_answering,
    store_identifiers,
    translate_all,
)
from operations.legacy.sides import source_of
from operations.paging import Page
from storage import enrollment_reads, group_lookup, migration_stages
from storage.group_lookup import AsOf, GroupFilter, GroupHead
from storage.legacy.source import LegacySource
from storage.migration_stages import CountryOf
from storage.placed_groups import placed_groups
from storage.postgres.database import Connection

NO_GROUP = UUID(int=0)


def state_of_translated(translated: Translated, touching: Span | None) -> GroupState:
    """Returns a translated group as a state, optionally with only those periods that overlap a span."""
    group = translated.group
    found = periods(translated.days, translated.membership_types)
    if touching is not None:
        found = tuple(each for each in found if Days.of(each.days) & Days.of(touching))
    return GroupState(group.group_id, group.key, 0, None, None, found, GroupSource.LEGACY)


def named_group(group: UUID | GroupKey) -> dict[str, UUID]:
    return group._asdict() if isinstance(group, GroupKey) else {"group_id": group}


async def legacy_group_state(
    core: Core, group: UUID | GroupKey, wanted: SourceOfTruth, as_of: AsOf, touching: Span | None
) -> GroupState | None:
    """Returns a group as its legacy rows say, or None if the core answers.

    Raises NoLegacySource, LegacyHasNoHistory, GroupUnknown.
    """
    read = _GroupRead(core, group, wanted, as_of, touching)
    state = await read.now()
    if read.is_unknown and await found_by_searching(core, wanted):
        state = await read.now()
    if read.is_unknown:
        raise GroupUnknown(**named_group(group))
    return state


@dataclass(slots=True)
class _GroupRead:
    """One read, which can be repeated after identifiers were stored.

    `is_unknown`: the group was asked for by an id that neither the core nor the stored identifiers have.
    """

    core: Core
    group: UUID | GroupKey
    wanted: SourceOfTruth
    as_of: AsOf
    touching: Span | None
    is_unknown: bool = False

    async def now(self) -> GroupState | None:
        """Returns the state if the legacy tables answer. Raises NoLegacySource, LegacyHasNoHistory, GroupUnknown."""
        async with self.core.database.snapshot() as connection:
            placed = await placed_groups(connection, [self.group])
            at = placed[self.group]
            self.is_unknown = at.is_unknown and not isinstance(self.group, GroupKey)
            if at.country is None or at.stage is None or not answers(at.stage, self.wanted):
                if self.wanted is SourceOfTruth.FORCE_LEGACY and not self.is_unknown:
                    raise NoLegacySource(at.country or "")
                return None
            if self.as_of != AsOf():
                raise LegacyHasNoHistory(at.country)
            loaded = await load_answering(self.core, connection, placed)
            if self.group not in loaded:
                raise GroupUnknown(**named_group(self.group))
            group = loaded[self.group]
            in_core = at.head is not None
            translated = await translate_all(self.core, connection, [group], are_in_core=in_core)
            of_country = CountryOf(at.country, at.stage, frozenset())
            heads = [at.head] if at.head else []
            await _count(self.core, connection, of_country, translated, self.wanted, heads)
            return state_of_translated(translated[group.group_id], self.touching)


async def _count(
    core: Core,
    connection: Connection,
    of: CountryOf,
    translated: Mapping[UUID, Translated],
    wanted: SourceOfTruth,
    heads: Collection[GroupHead] | None = None,
) -> None:
    """Counts groups that were read, and those for which the core would have answered with other periods.

    `heads` are those of the groups in the core, if they were loaded before.
    """
    core.migrations.reads[of.country] += len(translated)
    if of.stage is not Stage.READ_CORE or wanted is not SourceOfTruth.FOLLOW_MIGRATION or not translated:
        return
    if heads is None:
        heads = (await group_lookup.group_heads(connection, list(translated))).values()
    keys = {head.group_id: head.group_key for head in heads}
    recorded = await enrollment_reads.periods_at(connection, {head.group_key: head.revision for head in heads})
    for group_id, each in translated.items():
        core_days = days_of(recorded.get(keys[group_id], ())) if group_id in keys else {}
        core.migrations.read_differences[of.country] += core_days != dict(each.days)


class LegacyPage(NamedTuple):
    """The groups of a page that legacy tables answer for, in order of id, and the countries whose tables answer.

    The core must not list groups of contracts that are mapped in these countries.
    """

    states: list[GroupState]
    countries: frozenset[str]


async def legacy_page(
    core: Core, which: GroupFilter, wanted: SourceOfTruth, as_of: AsOf, touching: Span | None, page: Page[UUID | None]
) -> LegacyPage:
    """Returns the part of a page of groups with which legacy tables answer.

    The first page stores missing identifiers, so that each group that is listed can be read by its id. Raises
    NoLegacySource, LegacyHasNoHistory.
    """
    if not core.legacy or wanted is SourceOfTruth.FORCE_CORE:
        if wanted is SourceOfTruth.FORCE_LEGACY:
            raise NoLegacySource
        return LegacyPage([], frozenset())
    async with core.database.reading() as connection:
        answering = await _answering(connection, which, wanted)
    if page.after is None:
        members = None if which.contract_id else [each for each in (which.primary_id, which.member_id) if each]
        for of in answering:
            await store_identifiers(core, source_of(core, of.country), members)
    if not answering:
        return LegacyPage([], frozenset())
    states: list[GroupState] = []
    async with core.database.snapshot() as connection:
        answering = await _answering(connection, which, wanted)
        for of in answering:
            loaded = await _page_of(source_of(core, of.country), connection, which, page)
            if loaded and as_of != AsOf():
                raise LegacyHasNoHistory(of.country)
            translated = await translate_all(core, connection, loaded)
            await _count(core, connection, of, translated, wanted)
            states += [state_of_translated(each, touching) for each in translated.values()]
    in_order = sorted(states, key=lambda state: state.group_id)
    return LegacyPage(in_order[: page.size], frozenset(of.country for of in answering))


async def _answering(connection: Connection, which: GroupFilter, wanted: SourceOfTruth) -> list[CountryOf]:
    """Returns the countries whose legacy tables answer for some of the groups of a list. Raises NoLegacySource."""
    of_contract = [which.contract_id] if which.contract_id else []
    countries = await migration_stages.countries_of(connection, of_contract)
    relevant = [of for of in countries if not of_contract or of.contract_ids]
    answering = [of for of in relevant if answers(of.stage, wanted)]
    if of_contract and not answering and wanted is SourceOfTruth.FORCE_LEGACY:
        raise NoLegacySource(relevant[0].country if relevant else "")
    return answering


async def _page_of(
    source: LegacySource, connection: Connection, which: GroupFilter, page: Page[UUID | None]
) -> Sequence[LegacyGroup]:
    """Returns the groups of one country for a page: the first ones in order of id."""
    after = page.after or NO_GROUP
    if which.contract_id is None:
        return await _of_member(source, connection, which, after)
    found: list[LegacyGroup] = []
    while ids := await source.heads(connection, which.contract_id, None, after, page.size):
        loaded = await source.load(connection, ids)
        found += _in_order(loaded.values())
        if len(ids) < page.size or len(found) >= page.size:
            break
        after = ids[-1]
    return found[: page.size]


async def _of_member(
    source: LegacySource, connection: Connection, which: GroupFilter, after: UUID
) -> Sequence[LegacyGroup]:
    member_id = which.primary_id or which.member_id
    loaded = await source.load_of_members(connection, [member_id] if member_id else [])
    return _in_order(
        group
        for group in loaded.values()
        if group.group_id > after and which.primary_id in (None, group.key.primary_id)
    )


def _in_order(groups: Iterable[LegacyGroup]) -> list[LegacyGroup]:
    return sorted(groups, key=lambda group: group.group_id)
