"""Reports how far the migration of each country is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.actors import Actor
from domain.migration.legacy import FindingKind
from domain.migration.stages import Stage
from operations.core import Core
from operations.legacy.answering import translate_all
from operations.legacy.groups import legacy_groups_of
from storage import group_lookup, legacy_groups, migration_comparisons, migration_stages
from storage.legacy.identifiers import MappedContract, mapped_contracts
from storage.legacy.source import LegacySource
from storage.migration_comparisons import Comparison
from storage.postgres.database import Connection

NO_GROUP = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Migration:
    """The migration of one country. Without a source on this server, nothing is counted."""

    country: str
    has_source: bool
    stage: Stage | None
    changed_at: datetime | None
    changed_by: Actor | None
    legacy_groups: int
    core_groups: int
    stale_groups: int
    unmapped_policies: int
    findings: Mapping[FindingKind, int]
    last_comparison: Comparison | None
    contracts: Sequence[MappedContract]


async def list_migrations(core: Core) -> list[Migration]:
    """Returns all countries that have a legacy source on this server, or a stage, in order."""
    for source in core.legacy:
        await core.database.write(source.store_identifiers)
    async with core.database.snapshot() as connection:
        stages = {each.country: each for each in await migration_stages.migrations(connection)}
        comparisons = await migration_comparisons.last_comparisons(connection)
        countries = sorted({*stages, *(source.country for source in core.legacy)})
        return [
            await _migration(core, connection, country, stages.get(country), comparisons.get(country))
            for country in countries
        ]


async def _migration(
    core: Core,
    connection: Connection,
    country: str,
    changed: migration_stages.Migration | None,
    last_comparison: Comparison | None,
) -> Migration:
    source = core.legacy.get(country)
    counted = await _counted(core, connection, source) if source and changed else _Counted()
    return Migration(
        country=country,
        has_source=source is not None,
        stage=changed.stage if changed else None,
        changed_at=changed.changed_at if changed else None,
        changed_by=changed.actor if changed else None,
        legacy_groups=counted.legacy,
        core_groups=counted.core,
        stale_groups=counted.stale,
        unmapped_policies=await source.unmapped_policies(connection) if source else 0,
        findings=counted.findings,
        last_comparison=last_comparison,
        contracts=await mapped_contracts(connection, country),
    )


@dataclass(slots=True)
class _Counted:
    legacy: int = 0
    core: int = 0
    stale: int = 0
    findings: Counter[FindingKind] = field(default_factory=Counter)


async def _counted(core: Core, connection: Connection, source: LegacySource) -> _Counted:
    counted = _Counted()
    async for groups in legacy_groups_of(connection, source, None, NO_GROUP):
        ids = list(groups)
        translated = await translate_all(core, connection, list(groups.values()))
        fingerprints = await legacy_groups.fingerprints(connection, ids)
        counted.legacy += len(ids)
        heads = await group_lookup.group_heads(connection, ids)  # by id and by key
        counted.core += len({head.group_id for head in heads.values()})
        for group_id, each in translated.items():
            counted.stale += group_id in fingerprints and fingerprints[group_id] != each.fingerprint
            counted.findings.update(finding.kind for finding in each.findings)
    return counted
