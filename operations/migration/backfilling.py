"""Aligns all groups of a country that are missing in the core or stale, and writes the core's days to its tables."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.errors import DomainError, MigrationStageForbids
from domain.migration.stages import Stage
from operations.call import Call
from operations.catching_up import catch_up
from operations.core import Core
from operations.migration.groups import legacy_groups_of
from operations.migration.sides import source_of
from operations.migration.writing_back import write_back
from operations.opening import open_group
from storage import enrollment, migration_backfills, migration_stages
from storage.legacy.source import LegacySource
from storage.migration_backfills import BackfillCounts, BackfillFailure
from storage.postgres.database import Connection
from storage.postgres.database_errors import is_temporary
from storage.requests import WriteKey

BEFORE_ALL = UUID(int=0)
MAX_FAILURES_REPORTED = 100


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a backfill is, in groups, and the failures since the last report."""

    groups: int
    done: int
    aligned: int
    written_back: int
    failed: int
    failures: Sequence[BackfillFailure]
    is_complete: bool


async def backfill(
    core: Core, call: Call, key: WriteKey, country: str, contract_id: UUID | None
) -> AsyncGenerator[BackfillProgress]:
    """Begins a backfill, or resumes it, and yields its progress after each part until it is complete.

    Raises NoLegacySource, ContractUnknown, MigrationStageForbids, RequestIdReused.
    """
    source = source_of(core, country)
    await core.database.write(source.store_identifiers)

    async def begin(tx: Connection) -> int:
        await _hold_open(tx, country)
        if (found := await migration_backfills.find(tx, key)) is not None:
            return found
        if contract_id is not None:
            await core.contract_source.current(tx, contract_id, hold=False)
            call.trail.resolved(contract_id=contract_id)
        parts = [list(page) async for page in legacy_groups_of(tx, source, contract_id, BEFORE_ALL)]
        return await migration_backfills.begin(tx, key, country, contract_id, call.actor, parts)

    backfill_key = await core.write(call, begin)
    reported: set[UUID] = set()
    while True:
        async with core.database.snapshot() as connection:
            counts = await migration_backfills.counts(connection, backfill_key)
            failures = await migration_backfills.failures(connection, backfill_key, MAX_FAILURES_REPORTED)
        yield _progress(counts, [each for each in failures if each.group_id not in reported])
        reported |= {failure.group_id for failure in failures}
        if counts.is_complete:
            return
        if not await core.database.write(lambda tx: _do_part(core, call, tx, source, backfill_key)):
            await asyncio.sleep(POLL_SECONDS)  # another call works on the last parts


POLL_SECONDS = 0.25


def _progress(counts: BackfillCounts, failures: Sequence[BackfillFailure]) -> BackfillProgress:
    return BackfillProgress(
        counts.groups, counts.done, counts.aligned, counts.written_back, counts.failed, failures, counts.is_complete
    )


async def _hold_open(tx: Connection, country: str) -> Stage:
    """Returns the stage, which can't change until the transaction ends. Raises MigrationStageForbids."""
    stage = await migration_stages.hold(tx, country)
    if stage is None or not stage.aligns:
        raise MigrationStageForbids(country, stage or "UNSPECIFIED", "groups can't be backfilled")
    return stage


async def _do_part(core: Core, call: Call, tx: Connection, source: LegacySource, backfill_key: int) -> bool:
    """Works on one part. Returns False if none is left. Raises MigrationStageForbids."""
    await _hold_open(tx, source.country)
    part = await migration_backfills.take_part(tx, backfill_key)
    if part is None:
        return False
    aligned, written_back, failures = 0, 0, []
    for of_id in part.group_ids:
        await asyncio.sleep(0)  # lets other tasks run, including the one that keeps the transaction alive
        try:
            async with tx.transaction():
                was_aligned, was_written = await _do_group(core, call, tx, source, of_id)
        except DomainError as error:
            if is_temporary(error):
                raise
            failures.append(BackfillFailure(of_id, error.reason.value, error.message))
        else:
            aligned, written_back = aligned + was_aligned, written_back + was_written
    await migration_backfills.finish_part(tx, part, aligned, written_back, failures)
    core.sequencing.wanted.set()
    return True


async def _do_group(core: Core, call: Call, tx: Connection, source: LegacySource, of_id: UUID) -> tuple[bool, bool]:
    """Aligns a group and, in READ_CORE, writes the core's days to its rows. Returns whether it did either."""
    rows = (await source.load(tx, [of_id])).get(of_id)
    if rows is None:
        return False, False
    locked = await enrollment.lock_group(tx, of_id, rows.key)
    opened = await open_group(core, call, tx, locked)
    before = opened.legacy
    if before is None:
        return False, False
    opened = await catch_up(core, call, tx, opened)
    aligned = before.is_stale
    if opened.legacy is None or opened.legacy.side.stage is not Stage.READ_CORE or opened.legacy.days == opened.state:
        return aligned, False
    await write_back(tx, opened.group, opened.basis.contract, opened.legacy, opened.state, opened.state, opened.types)
    core.migrations.writes_back[source.country] += 1
    return aligned, True
