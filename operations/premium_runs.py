"""Starts, reports and stops premium runs, and computes their parts on any number of workers and machines."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from domain.errors import DomainError, PolicyNotComputed, WriteConflict
from operations.call import MAX_RESOLVED_IDS, Call
from operations.core import Core
from operations.failures import described
from operations.legacy.sides import hold_stages_of_groups
from operations.paging import Page
from operations.premium_computing import Computed, Outcome, PremiumMonths, compute_groups, premiums_not_open
from operations.sources import known_contract
from storage import migration_stages, premium_runs
from storage.enrollment import lock_groups
from storage.listing import ListFilter, RowPosition
from storage.postgres.database import Connection
from storage.postgres.database_errors import is_temporary
from storage.premium_runs import NewRun, PremiumFailure, PremiumRun, RunPart, RunState
from storage.requests import WriteKey

REPORT_SECONDS = 0.25
MAX_FAILURES_REPORTED = 100
LOCKED_SECONDS = 1.0
"""Pause before another attempt if another server has locked a policy of a part."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The state of a run, and the failures since the last report."""

    run: PremiumRun
    failures: Sequence[PremiumFailure]


async def run(core: Core, call: Call, key: WriteKey, new: NewRun) -> AsyncGenerator[RunProgress]:
    """Starts or resumes a run, and yields its state whenever it changes, until the run ends.

    Raises ContractUnknown, RequestIdReused.
    """

    async def work(tx: Connection) -> None:
        if new.contract_id:
            await known_contract(core.contract_source, tx, new.contract_id, hold=False)
        groups = await premium_runs.begin_run(tx, key, new, MAX_RESOLVED_IDS)
        call.trail.resolved(run_id=key.request_id)
        call.trail.resolved_groups(groups.first_ids, groups.count)

    await core.write(call, work)
    core.runs_wanted.set()
    reported: set[int] = set()
    latest: PremiumRun | None = None
    while latest is None or latest.state == RunState.RUNNING:
        async with core.database.snapshot() as connection:
            now = await premium_runs.premium_run(connection, key.request_id)
            failures: list[PremiumFailure] = []
            if now.failed > len(reported) and len(reported) < MAX_FAILURES_REPORTED:
                failures = await premium_runs.new_run_failures(
                    connection, now.run_key, reported, MAX_FAILURES_REPORTED - len(reported)
                )
        if now != latest:
            reported |= {failure.group_key for failure in failures}
            latest = now
            yield RunProgress(now, failures)
        if now.state == RunState.RUNNING:
            await asyncio.sleep(REPORT_SECONDS)


async def premium_run(core: Core, run_id: UUID) -> PremiumRun:
    """Returns the state of a run. Raises PremiumRunUnknown."""
    async with core.database.reading() as connection:
        return await premium_runs.premium_run(connection, run_id)


async def list_runs(core: Core, which: ListFilter, page: Page[RowPosition | None]) -> list[PremiumRun]:
    """Returns premium runs, newest first."""
    async with core.database.reading() as connection:
        return await premium_runs.list_runs(connection, which, page.after, page.size)


async def stop(core: Core, call: Call, run_id: UUID) -> PremiumRun:
    """Stops a run: it starts no further parts. Raises PremiumRunUnknown."""

    async def work(tx: Connection) -> PremiumRun:
        await premium_runs.stop_run(tx, run_id)
        stopped = await premium_runs.premium_run(tx, run_id)
        call.trail.resolved(contract_id=[stopped.contract_id] if stopped.contract_id else [])
        return stopped

    return await core.write(call, work)


async def list_run_failures(core: Core, run_id: UUID, page: Page[UUID]) -> list[PremiumFailure]:
    """Returns the failures of a run, in order of group id. Raises PremiumRunUnknown."""
    async with core.database.snapshot() as connection:
        found = await premium_runs.premium_run(connection, run_id)
        return await premium_runs.run_failures(connection, found.run_key, page.after, page.size)


async def list_following_failures(core: Core, contract_id: UUID, page: Page[UUID]) -> list[PremiumFailure]:
    """Returns the failures of following a contract, in order of group id. Raises ContractUnknown."""
    async with core.database.snapshot() as connection:
        await known_contract(core.contract_source, connection, contract_id, hold=False)
        return await premium_runs.following_failures(connection, contract_id, page.after, page.size)


async def set_following(core: Core, call: Call, contract_id: UUID, following: bool) -> bool:
    """Sets whether a contract's premiums follow changes. Returns the previous setting.

    Raises ContractUnknown, MigrationStageForbids.
    """

    async def work(tx: Connection) -> bool:
        of = (await migration_stages.hold_of_contracts(tx, [contract_id])).get(contract_id)
        if following and of and not of[1].opens_premiums:
            raise premiums_not_open(*of)
        await known_contract(core.contract_source, tx, contract_id, hold=False)
        return await premium_runs.set_following(tx, contract_id, following)

    was = await core.write(call, work)
    core.premiums_stale.set()
    return was


# -------------------------------------------------------------------------------------------------- parts


async def do_parts(core: Core, call: Call) -> int:
    """Computes parts of runs until none is free. Returns the number of computed parts."""
    done = 0
    while True:
        try:
            if not await _do_part(core, call):
                return done
        except WriteConflict:
            await asyncio.sleep(LOCKED_SECONDS)
        else:
            done += 1


async def _do_part(core: Core, call: Call) -> bool:
    """Computes one part. If it fails as a whole, computes its policies one by one, so that one can't block the
    others."""
    try:
        return await core.database.write(lambda tx: _part_together(core, call, tx))
    except Exception as error:
        if is_temporary(error):
            raise
        log.warning("premium_part_failed", **described(error))
        return await core.database.write(lambda tx: _part_one_by_one(core, call, tx))


async def _part_together(core: Core, call: Call, tx: Connection) -> bool:
    part = await premium_runs.take_part(tx)
    if part is not None:
        await hold_stages_of_groups(core, tx, part.group_keys)
        groups = await lock_groups(tx, part.group_keys)
        outcomes = await compute_groups(core, call.on_behalf_of(part.started_by), tx, groups, _months(part))
        await _finish(tx, part, outcomes)
    return part is not None


async def _part_one_by_one(core: Core, call: Call, tx: Connection) -> bool:
    part = await premium_runs.take_part(tx)
    if part is None:
        return False
    await hold_stages_of_groups(core, tx, part.group_keys)
    outcomes: dict[int, Outcome] = {}
    for group in await lock_groups(tx, part.group_keys):
        try:
            async with tx.transaction():
                outcomes |= await compute_groups(core, call.on_behalf_of(part.started_by), tx, [group], _months(part))
        except DomainError as error:
            if is_temporary(error):
                raise
            outcomes[group.group_key] = error
        except Exception as error:
            if is_temporary(error):
                raise
            log.error("premium_failed", group_key=group.group_key, **described(error))
            outcomes[group.group_key] = PolicyNotComputed(group.group_id)
    await _finish(tx, part, outcomes)
    return True


def _months(part: RunPart) -> PremiumMonths:
    return PremiumMonths(part.first, part.last, part.parameters())


async def _finish(tx: Connection, part: RunPart, outcomes: dict[int, Outcome]) -> None:
    computed = [outcome for outcome in outcomes.values() if isinstance(outcome, Computed)]
    failures = {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, DomainError)}
    offsets, entries = sum(c.offsets for c in computed), sum(c.entries for c in computed)
    await premium_runs.finish_part(tx, part, offsets, entries, failures)
