"""Aligns all groups of a country that are missing in the core or stale, and writes the core's days to its tables."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from domain.errors import DomainError, LegacyCannotHold, MigrationStageForbids, NoLegacySource, Reason
from domain.migration.aligning import reject_blocked
from domain.migration.stages import Stage
from operations.call import MAX_RESOLVED_IDS, Call
from operations.catching_up import caught_up
from operations.core import Core
from operations.failures import described
from operations.legacy.sides import source_of
from operations.legacy.writing_back import write_back
from operations.opening import OpenGroup, open_groups
from operations.sources import known_contract
from storage import enrollment, migration_backfills, migration_stages
from storage.enrollment import LockedGroup
from storage.group_lookup import group_heads
from storage.legacy.source import LegacySource
from storage.migration_backfills import BackfillFailure, BackfillProgress, NewBackfill
from storage.postgres.database import Connection
from storage.postgres.database_errors import is_temporary
from storage.requests import WriteKey

MAX_FAILURES_REPORTED = 100
POLL_SECONDS = 0.25

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """How far a backfill is, and the failures since the last report."""

    progress: BackfillProgress
    failures: Sequence[BackfillFailure]


async def backfill(
    core: Core, call: Call, key: WriteKey, country: str, contract_id: UUID | None
) -> AsyncGenerator[BackfillReport]:
    """Begins a backfill, or resumes it, and yields its progress after each part until it is complete.

    Raises NoLegacySource, ContractUnknown, MigrationStageForbids, RequestIdReused.
    """
    source = source_of(core, country)
    await core.database.write(source.store_identifiers)

    async def begin(tx: Connection) -> int:
        await _hold_open(tx, country)
        if contract_id is not None:
            await known_contract(core.contract_source, tx, contract_id, hold=False)
            call.trail.resolved(contract_id=contract_id)
        new = NewBackfill(country, contract_id, call.actor)
        begun = await migration_backfills.begin_backfill(tx, key, new)
        groups = await migration_backfills.groups_of_backfill(tx, begun, MAX_RESOLVED_IDS)
        call.trail.resolved_groups(groups.first_ids, groups.count)
        return begun

    backfill_key = await core.write(call, begin)
    reported: set[UUID] = set()
    while True:
        async with core.database.snapshot() as connection:
            progress = await migration_backfills.backfill_progress(connection, backfill_key)
            left = MAX_FAILURES_REPORTED - len(reported)
            failures = await migration_backfills.new_failures(connection, backfill_key, reported, left)
        yield BackfillReport(progress, failures)
        reported |= {failure.group_id for failure in failures}
        if progress.is_complete:
            return
        if not await _do_part(core, call, source, backfill_key):
            await asyncio.sleep(POLL_SECONDS)  # another call works on the last parts


async def _hold_open(tx: Connection, country: str) -> Stage:
    """Returns the stage, and keeps it until the transaction ends. Raises NoLegacySource, MigrationStageForbids."""
    stage = await migration_stages.hold_stage(tx, country)
    if stage is None:
        raise NoLegacySource(country)
    if not stage.aligns:
        raise MigrationStageForbids(country, stage, "groups can't be backfilled")
    return stage


async def _do_part(core: Core, call: Call, source: LegacySource, backfill_key: int) -> bool:
    """Works on one part. Returns False if none is left.

    If the part fails as a whole, works on its groups one by one, so that one can't block the others. Raises
    MigrationStageForbids.
    """
    try:
        found = await core.database.write(lambda tx: _together(core, call, tx, source, backfill_key))
    except MigrationStageForbids:
        raise
    except Exception as error:
        if is_temporary(error):
            raise
        log.warning("backfill_part_failed", **described(error))
        found = await core.database.write(lambda tx: _one_by_one(core, call, tx, source, backfill_key))
    core.sequencing.wanted.set()
    return found


@dataclass(slots=True)
class _Done:
    aligned: int = 0
    written_back: int = 0
    failures: list[BackfillFailure] = field(default_factory=list)


async def _together(core: Core, call: Call, tx: Connection, source: LegacySource, backfill_key: int) -> bool:
    await _hold_open(tx, source.country)
    part = await migration_backfills.take_part(tx, backfill_key)
    if part is None:
        return False
    done = _Done()
    for opened in await open_groups(core, call, tx, await _lock(tx, source, part.group_ids)):
        await asyncio.sleep(0)  # lets other tasks run, including the one that keeps the transaction alive
        await _do_group(core, call, tx, opened, done)
    await migration_backfills.finish_part(tx, part, done.aligned, done.written_back, done.failures)
    return True


async def _one_by_one(core: Core, call: Call, tx: Connection, source: LegacySource, backfill_key: int) -> bool:
    """Works on each group of a part in a savepoint."""
    await _hold_open(tx, source.country)
    part = await migration_backfills.take_part(tx, backfill_key)
    if part is None:
        return False
    done = _Done()
    for group_id in part.group_ids:
        try:
            async with tx.transaction():
                of_group = _Done()
                for opened in await open_groups(core, call, tx, await _lock(tx, source, [group_id])):
                    await _do_group(core, call, tx, opened, of_group)
        except Exception as error:
            if is_temporary(error):
                raise
            of_group = _Done(failures=[_failure(group_id, error)])
        done.aligned += of_group.aligned
        done.written_back += of_group.written_back
        done.failures += of_group.failures
    await migration_backfills.finish_part(tx, part, done.aligned, done.written_back, done.failures)
    return True


def _failure(group_id: UUID, error: Exception) -> BackfillFailure:
    if isinstance(error, DomainError):
        return BackfillFailure(group_id, error.reason.value, error.message)
    log.error("backfill_failed", group_id=str(group_id), **described(error))
    message = f"Group {group_id} could not be aligned because of a defect. See the server log."
    return BackfillFailure(group_id, Reason.DEFECT.value, message)


async def _lock(tx: Connection, source: LegacySource, group_ids: Sequence[UUID]) -> list[LockedGroup]:
    """Locks groups. Those that the core doesn't have are created when something is written about them."""
    rows = await source.load(tx, group_ids)
    keys = {group_id: each.key for group_id, each in rows.items()}
    only_in_core = [group_id for group_id in group_ids if group_id not in keys]
    keys |= {head.group_id: head.key for head in (await group_heads(tx, only_in_core)).values()}
    return list((await enrollment.lock_groups_by_id(tx, keys)).values())


async def _do_group(core: Core, call: Call, tx: Connection, opened: OpenGroup, done: _Done) -> None:
    """Aligns a group and, in READ_CORE, writes the core's days to its rows.

    A group that is blocked is a failure, and so is one whose days the rows can't hold, which stays aligned. Raises
    LegacyCannotHold if a recompute that was waiting can't be written: nothing that was done for the group can stay.
    """
    legacy = opened.legacy
    if legacy is None:
        return
    was_stale = legacy.is_stale
    try:
        if legacy.translated is not None:
            reject_blocked(legacy.translated)
    except LegacyCannotHold as error:
        done.failures.append(_failure(opened.group.group_id, error))
        return
    opened = await caught_up(core, call, tx, opened)
    done.aligned += was_stale
    try:
        done.written_back += await _written_back(core, tx, opened)
    except LegacyCannotHold as error:
        done.failures.append(_failure(opened.group.group_id, error))


async def _written_back(core: Core, tx: Connection, opened: OpenGroup) -> bool:
    """In READ_CORE, writes the core's days to the rows of a group. Returns whether they differed.

    Raises LegacyCannotHold before anything is written.
    """
    legacy, state = opened.legacy, opened.state
    if legacy is None or legacy.side.stage is not Stage.READ_CORE or legacy.days == state:
        return False
    await write_back(core, tx, opened.group, opened.basis.contract, legacy, state, state, opened.types)
    return True
