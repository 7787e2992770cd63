"""Coverage from legacy tables: their runs take the place of projected ones, for checks, capabilities and coverage."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from domain.days import Days
from domain.eligibility.coverage import CoveredRun, runs_of
from domain.enrollment.group import periods
from domain.errors import FieldViolation, RequestMalformed
from domain.migration.legacy import Translated
from operations.core import Core
from operations.legacy.reading import SourceOfTruth, answers, translate_all
from operations.legacy.sides import source_of
from operations.paging import Page
from storage import migration_stages
from storage.coverage import CoverageFilter
from storage.postgres.database import Connection

Runs = Mapping[UUID, Sequence[CoveredRun]]
"""The runs of members, by member."""


async def with_legacy_runs(core: Core, connection: Connection, member_ids: Collection[UUID], runs: Runs) -> Runs:
    """Returns the projected runs of members, with those of groups that legacy tables answer replaced.

    Legacy runs have revision 0. Without legacy sources on this server, nothing is read.
    """
    if not core.legacy:
        return runs
    answered = await answered_contracts(connection)
    if not answered:
        return runs
    replaced: dict[UUID, list[CoveredRun]] = {
        member_id: [run for run in of_member if run.key.contract_id not in answered]
        for member_id, of_member in runs.items()
    }
    wanted = set(member_ids)
    for country in sorted(set(answered.values())):
        groups = await source_of(core, country).load_of_members(connection, member_ids)
        for each in (await translate_all(core, connection, groups.values())).values():
            core.migrations.reads[country] += 1
            for run in runs_of_translated(each):
                if run.member_id in wanted:
                    replaced.setdefault(run.member_id, []).append(run)
    return replaced


async def legacy_policies(
    core: Core, connection: Connection, wanted: CoverageFilter, page: Page[UUID]
) -> tuple[list[UUID], list[CoveredRun]] | None:
    """Returns the ids of a page of legacy groups in order, and those of their runs that match, if legacy tables answer.

    Raises RequestMalformed if they answer for some contracts and the filter names no contract.
    """
    answered = await answered_contracts(connection) if core.legacy else {}
    if not answered or (wanted.contract_id and wanted.contract_id not in answered):
        return None
    if wanted.contract_id is None:
        reason = "is required while legacy tables answer for some contracts"
        raise RequestMalformed([FieldViolation("contract_id", reason)])
    source = source_of(core, answered[wanted.contract_id])
    group_ids = await source.heads(connection, wanted.contract_id, None, page.after, page.size)
    groups = await source.load(connection, [each for each in group_ids if wanted.group_id in (None, each)])
    found = [
        run
        for each in (await translate_all(core, connection, groups.values())).values()
        for run in runs_of_translated(each)
        if wanted.module_id in (None, run.module_id) and Days.of(run.days) & Days.of(wanted.days)
    ]
    return list(group_ids), sorted(found, key=lambda run: (run.group_id, run.member_id, run.days, run.module_id))


async def answered_contracts(connection: Connection) -> dict[UUID, str]:
    """Returns the contracts whose groups legacy tables answer, with their countries."""
    contracts = await migration_stages.of_all_contracts(connection)
    return {
        contract_id: country
        for contract_id, (country, stage) in contracts.items()
        if answers(stage, SourceOfTruth.FOLLOW_MIGRATION)
    }


def runs_of_translated(translated: Translated) -> Iterable[CoveredRun]:
    """Returns the runs of a legacy group, with revision 0."""
    group = translated.group
    return runs_of(group.group_id, group.key, 0, periods(translated.days, translated.membership_types))
