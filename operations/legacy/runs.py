"""Coverage from legacy tables: their runs take the place of projected ones, for checks, capabilities and coverage."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.days import Days
from domain.eligibility.coverage import CoveredRun, runs_of
from domain.enrollment.group import periods
from domain.errors import FieldViolation, RequestMalformed
from domain.migration.legacy import LegacyGroup, Translated
from domain.migration.stages import Stage
from operations.core import Core
from operations.legacy.answering import answers, store_identifiers, translate_all
from operations.legacy.sides import source_of
from operations.paging import Page
from storage import coverage, migration_stages
from storage.coverage import CoverageFilter
from storage.migration_stages import CountryOf
from storage.postgres.database import Connection

Runs = Mapping[UUID, Sequence[CoveredRun]]
"""The runs of members, by member."""


@dataclass(frozen=True, slots=True)
class LegacyRuns:
    """The runs of the groups that some members have in the legacy tables that answer.

    `by_member` has the runs of everyone in these groups, `groups` the groups themselves, and `contracts` those of the
    members' projected runs whose groups legacy tables answer for.
    """

    by_member: Runs
    groups: Mapping[UUID, LegacyGroup]
    contracts: frozenset[UUID]

    def __bool__(self) -> bool:
        """Whether legacy tables answer for anything about the members."""
        return bool(self.groups or self.contracts)

    def instead_of(self, projected: Sequence[CoveredRun], member_id: UUID) -> Sequence[CoveredRun]:
        """Returns a member's projected runs, with those that legacy tables answer for replaced."""
        if not self:
            return projected
        kept = [
            run for run in projected if run.key.contract_id not in self.contracts and run.group_id not in self.groups
        ]
        return [*kept, *self.by_member.get(member_id, ())]

    def contracts_of(self, member_id: UUID) -> set[UUID]:
        """Returns the contracts of the groups to which a member belongs, even without a run."""
        return {group.key.contract_id for group in self.groups.values() if member_id in group.member_ids.values()}


NO_LEGACY_RUNS = LegacyRuns({}, {}, frozenset())


async def legacy_runs(core: Core, connection: Connection, member_ids: Collection[UUID], projected: Runs) -> LegacyRuns:
    """Returns what legacy tables say about members, given the members' projected runs. Legacy runs have revision 0.

    Without legacy sources on this server, nothing is read.
    """
    if not core.legacy or not member_ids:
        return NO_LEGACY_RUNS
    of_runs = {run.key.contract_id for of_member in projected.values() for run in of_member}
    answering = [of for of in await migration_stages.countries_of(connection, of_runs) if answers(of.stage)]
    groups: dict[UUID, LegacyGroup] = {}
    by_member: dict[UUID, list[CoveredRun]] = {}
    for of in answering:
        loaded = await source_of(core, of.country).load_of_members(connection, member_ids)
        translated = await translate_all(core, connection, list(loaded.values()))
        runs = [run for each in translated.values() for run in runs_of_translated(each)]
        for run in runs:
            by_member.setdefault(run.member_id, []).append(run)
        groups |= loaded
        _count(core, of, loaded, [run for run in runs if run.member_id in member_ids], projected)
    return LegacyRuns(by_member, groups, frozenset().union(*(of.contract_ids for of in answering)))


def _count(core: Core, of: CountryOf, groups: Collection[UUID], legacy: Iterable[CoveredRun], projected: Runs) -> None:
    """Counts groups that were read, and those for which the core has other runs of the members."""
    recorded = {
        run._replace(revision=0)
        for of_member in projected.values()
        for run in of_member
        if run.key.contract_id in of.contract_ids
    }
    core.migrations.reads[of.country] += len({*groups, *(run.group_id for run in recorded)})
    if of.stage is Stage.READ_CORE:
        core.migrations.read_differences[of.country] += len({run.group_id for run in recorded ^ set(legacy)})


async def legacy_policies(
    core: Core, connection: Connection, wanted: CoverageFilter, page: Page[UUID]
) -> tuple[list[UUID], list[CoveredRun]] | None:
    """Returns the ids of a page of legacy groups in order, and those of their runs that match, if legacy tables answer.

    Raises RequestMalformed if they answer for some contracts and the filter names no contract.
    """
    of = await answering_for(core, connection, wanted.contract_id)
    if of is None:
        return None
    if wanted.contract_id is None:
        reason = "is required while legacy tables answer for some contracts"
        raise RequestMalformed([FieldViolation("contract_id", reason)])
    source = source_of(core, of.country)
    if wanted.group_id is None:
        group_ids = await source.heads(connection, wanted.contract_id, None, page.after, page.size)
    else:
        group_ids = [wanted.group_id] if wanted.group_id > page.after else []
    loaded = await source.load(connection, group_ids)
    groups = [group for group in loaded.values() if group.key.contract_id == wanted.contract_id]
    found = [
        run
        for each in (await translate_all(core, connection, groups)).values()
        for run in runs_of_translated(each)
        if wanted.module_id in (None, run.module_id) and Days.of(run.days) & Days.of(wanted.days)
    ]
    core.migrations.reads[of.country] += len(groups)
    if of.stage is Stage.READ_CORE:
        core.migrations.read_differences[of.country] += await _differing(connection, wanted, page, group_ids, found)
    return list(group_ids), sorted(found, key=lambda run: (run.group_id, run.member_id, run.days, run.module_id))


async def _differing(
    connection: Connection,
    wanted: CoverageFilter,
    page: Page[UUID],
    group_ids: Sequence[UUID],
    found: Iterable[CoveredRun],
) -> int:
    """Returns the number of groups of a page for which the core would have listed other runs.

    Only groups up to the end of the shorter page are compared: one source can have groups that the other one lacks.
    """
    policies, projected = await coverage.list_policies(connection, wanted, page.after, page.size)
    ends = [ids[-1] for ids in (group_ids, policies) if len(ids) == page.size]
    runs = {run._replace(revision=0) for run in projected} ^ set(found)
    return len({run.group_id for run in runs if all(run.group_id <= end for end in ends)})


async def answering_for(core: Core, connection: Connection, contract_id: UUID | None) -> CountryOf | None:
    """Returns a country whose legacy tables answer: for a contract, or for any contract if it is None."""
    if not core.legacy:
        return None
    countries = await migration_stages.countries_of(connection, [contract_id] if contract_id else [])
    answering = [of for of in countries if answers(of.stage) and (contract_id is None or of.contract_ids)]
    return answering[0] if answering else None


async def store_before_list(core: Core, contract_id: UUID | None) -> None:
    """Stores missing identifiers if legacy tables answer for a contract."""
    if not core.legacy or contract_id is None:
        return
    async with core.database.reading() as connection:
        of = await answering_for(core, connection, contract_id)
    if of is not None:
        await store_identifiers(core, source_of(core, of.country))


def runs_of_translated(translated: Translated) -> Iterable[CoveredRun]:
    """Returns the runs of a legacy group, with revision 0."""
    group = translated.group
    return runs_of(group.group_id, group.key, 0, periods(translated.days, translated.membership_types))
