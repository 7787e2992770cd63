"""Compares the legacy tables of a country with the core, group by group."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from uuid import UUID

from domain.days import to_day
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import days_of, types_of
from domain.errors import NoLegacySource
from domain.migration.comparing import GroupSourceDifference, SourceDifferenceKind, core_alone, difference_of
from domain.migration.legacy import FindingKind, LegacyGroup
from domain.migration.translating import translated
from operations.call import Call
from operations.core import Core
from operations.legacy.groups import GROUPS_OF_A_PAGE, legacy_groups_of
from operations.legacy.sides import source_of
from operations.looking import bases_of
from operations.sources import known_contract
from storage import enrollment_reads, group_lookup, legacy_groups, migration_comparisons, migration_stages
from storage.group_lookup import GroupHead
from storage.migration_comparisons import Comparison
from storage.postgres.database import Connection

BEFORE_ALL = UUID(int=0)


async def compare(
    core: Core, call: Call, country: str, contract_id: UUID | None
) -> AsyncGenerator[GroupSourceDifference | Comparison]:
    """Yields each group that differs, in order of id, then those that only the core has, and at last the result.

    Each page of groups is compared in a snapshot of its own. The result is stored if it covers all contracts. Raises
    NoLegacySource, ContractUnknown.
    """
    source = source_of(core, country)
    await core.database.write(source.store_identifiers)
    async with core.database.snapshot() as connection:
        started_at = await migration_comparisons.begin_instant(connection)
        stage = await migration_stages.stage_of(connection, country)
        if stage is None:
            raise NoLegacySource(country)
        if contract_id is not None:
            await known_contract(core.contract_source, connection, contract_id, hold=False)
    differences, findings = Counter[SourceDifferenceKind](), Counter[FindingKind]()
    groups, after = 0, BEFORE_ALL
    while True:
        async with core.database.snapshot() as connection:
            page = await anext(legacy_groups_of(connection, source, contract_id, after), None)
            if page is None:
                break
            found = await _compare_page(core, call, connection, page, findings)
        groups, after = groups + len(page), max(page)
        for difference in found:
            differences[difference.kind] += 1
            yield difference
    async for difference in _only_in_core(core, country, contract_id):
        differences[difference.kind] += 1
        groups += 1
        yield difference
    result = Comparison(country, stage, started_at, groups, _by_name(differences), _by_name(findings))
    if contract_id is None:
        ended_at = await core.database.write(lambda tx: migration_comparisons.store_comparison(tx, result))
    else:
        async with core.database.reading() as connection:
            ended_at = await migration_comparisons.begin_instant(connection)
    yield replace(result, ended_at=ended_at)


def _by_name(counts: Mapping[SourceDifferenceKind, int] | Mapping[FindingKind, int]) -> dict[str, int]:
    return {kind.value: count for kind, count in counts.items()}


async def _only_in_core(core: Core, country: str, contract_id: UUID | None) -> AsyncGenerator[GroupSourceDifference]:
    """Yields the groups with enrollments that only the core has, in order of id."""
    after = BEFORE_ALL
    while True:
        async with core.database.snapshot() as connection:
            heads = await legacy_groups.core_groups(connection, country, contract_id, after, GROUPS_OF_A_PAGE)
            periods = await enrollment_reads.periods_at(connection, {head.group_key: head.revision for head in heads})
        for head in heads:
            of_group = periods.get(head.group_key, ())
            if difference := core_alone(head.group_id, head.key, days_of(of_group), types_of(of_group)):
                yield difference
        if len(heads) < GROUPS_OF_A_PAGE:
            return
        after = heads[-1].group_id


async def _compare_page(
    core: Core,
    call: Call,
    connection: Connection,
    page: Mapping[UUID, LegacyGroup],
    findings: Counter[FindingKind],
) -> list[GroupSourceDifference]:
    """Returns the differences of some groups, in order, and counts their findings."""
    heads = await group_lookup.group_heads(connection, list(page))
    in_core: dict[UUID, GroupHead] = {head.group_id: head for head in heads.values()}
    periods = await enrollment_reads.periods_at(
        connection, {head.group_key: head.revision for head in in_core.values()}
    )
    fingerprints = await legacy_groups.fingerprints(connection, list(page))
    bases = await bases_of(core, connection, page.values(), in_core, periods)
    found: list[GroupSourceDifference] = []
    for group_id, group in page.items():
        head = in_core.get(group_id)
        basis = bases[group_id]
        today = to_day(call.today(basis.contract.time_zone))
        now = translated(group, basis.contract, basis.membership_types())
        findings.update(finding.kind for finding in now.findings)
        core_days = days_of(periods.get(head.group_key, ())) if head else {}
        aligned = fingerprints.get(group_id)
        difference = await core.compute(
            call, replay_seconds(basis), difference_of, now, aligned, core_days, basis, today
        )
        if difference is not None:
            found.append(difference)
    return found
