"""Premium runs: begun, followed, stopped, and done part by part, by any number of workers on any number of machines."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from domain.errors import DomainError, NotNow, PolicyNotComputed
from domain.premiums.months import Month
from server.log import where
from server.operations.call import Call
from server.operations.core import Core
from server.operations.premium_computing import Computed, Outcome, PremiumMonths, compute_groups
from storage import premium_runs
from storage.database import Connection
from storage.enrollment import lock_groups
from storage.enrollment_reads import group_head
from storage.premium_runs import NewRun, PremiumFailure, PremiumRun, RunPart, RunState
from storage.premiums import computed_months
from storage.requests import WriteKey

TELL_SECONDS = 0.25
MOST_FAILURES_TOLD = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is, and policies that were passed over since this was last told."""

    run: PremiumRun
    failures: Sequence[PremiumFailure]


async def run(core: Core, call: Call, key: WriteKey, new: NewRun) -> AsyncGenerator[RunProgress]:
    """Begins a run, or resumes it, and tells how far it is whenever it has moved, until it ends.

    Raises ContractUnknown, RequestIdReused.
    """

    async def work(tx: Connection) -> None:
        if new.contract_id:
            await core.contracts.recorded(tx, new.contract_id)
        await premium_runs.begin_run(tx, key, new)

    await core.write(call, work)
    core.runs_wanted.set()
    told: set[int] = set()
    latest: PremiumRun | None = None
    while latest is None or latest.state == RunState.RUNNING:
        async with core.database.snapshot() as connection:
            now = await premium_runs.premium_run(connection, key.request_id)
            failures: list[PremiumFailure] = []
            if now.failed > len(told) and len(told) < MOST_FAILURES_TOLD:
                failures = await premium_runs.new_run_failures(
                    connection, now.run_key, told, MOST_FAILURES_TOLD - len(told)
                )
        if now != latest:
            told |= {failure.group_key for failure in failures}
            latest = now
            yield RunProgress(now, failures)
        if now.state == RunState.RUNNING:
            await asyncio.sleep(TELL_SECONDS)


async def premium_run(core: Core, call: Call, run_id: UUID) -> PremiumRun:
    """Raises PremiumRunUnknown."""
    async with core.database.reading() as connection:
        return await premium_runs.premium_run(connection, run_id)


async def stop(core: Core, call: Call, run_id: UUID) -> PremiumRun:
    """Keeps further policies from being begun. Raises PremiumRunUnknown."""

    async def work(tx: Connection) -> PremiumRun:
        await premium_runs.stop_run(tx, run_id)
        return await premium_runs.premium_run(tx, run_id)

    return await core.write(call, work)


async def list_run_failures(core: Core, call: Call, run_id: UUID, after: UUID, limit: int) -> list[PremiumFailure]:
    """Raises PremiumRunUnknown."""
    async with core.database.snapshot() as connection:
        found = await premium_runs.premium_run(connection, run_id)
        return await premium_runs.run_failures(connection, found.run_key, after, limit)


async def list_following_failures(
    core: Core, call: Call, contract_id: UUID, after: UUID, limit: int
) -> list[PremiumFailure]:
    """Raises ContractUnknown."""
    async with core.database.snapshot() as connection:
        await core.contracts.recorded(connection, contract_id)
        return await premium_runs.following_failures(connection, contract_id, after, limit)


async def set_following(core: Core, call: Call, contract_id: UUID, following: bool) -> bool:
    """Says whether a contract's premiums follow enrollment; answers with what was so before. Raises ContractUnknown."""

    async def work(tx: Connection) -> bool:
        await core.contracts.recorded(tx, contract_id)
        return await premium_runs.set_following(tx, contract_id, following)

    return await core.write(call, work)


async def follow(core: Core, call: Call, group_id: UUID, since: Month) -> DomainError | None:
    """Computes again what was ever computed of a policy's months from one on; answers with why it could not be.

    Raises DatabaseUnavailable.
    """

    async def work(tx: Connection) -> DomainError | None:
        head = await group_head(tx, group_id)
        (locked,) = await lock_groups(tx, [head.group_key])
        for first, last in await computed_months(tx, locked.group_key, since):
            try:
                async with tx.transaction():
                    outcomes = await compute_groups(core, call, tx, [locked], PremiumMonths(first, last))
                outcome = outcomes[locked.group_key]
            except NotNow:
                raise
            except Exception as error:
                log.error("premium_failed", group_id=str(group_id), error=type(error).__name__, where=where(error))
                outcome = PolicyNotComputed(group_id)
            if isinstance(outcome, DomainError):
                await premium_runs.note_failures(tx, {locked.group_key: outcome})
                return outcome
        return None

    return await core.database.write(work)


# -------------------------------------------------------------------------------------------------- parts


async def do_parts(core: Core, call: Call) -> int:
    """Does parts of runs until none is left that nobody else is doing; says how many it did."""
    done = 0
    while await _do_part(core, call):
        done += 1
    return done


async def _do_part(core: Core, call: Call) -> bool:
    """One part; where it fails as a whole, its policies one by one, so that one stops no other."""
    try:
        return await core.database.write(lambda tx: _part_together(core, call, tx))
    except NotNow:
        raise
    except Exception as error:
        log.warning("premium_part_failed", error=type(error).__name__, where=where(error))
        return await core.database.write(lambda tx: _part_one_by_one(core, call, tx))


async def _part_together(core: Core, call: Call, tx: Connection) -> bool:
    part = await premium_runs.take_part(tx)
    if part is not None:
        groups = await lock_groups(tx, part.group_keys)
        outcomes = await compute_groups(core, call, tx, groups, _months(part))
        await _finish(tx, part, outcomes)
    return part is not None


async def _part_one_by_one(core: Core, call: Call, tx: Connection) -> bool:
    part = await premium_runs.take_part(tx)
    if part is None:
        return False
    outcomes: dict[int, Outcome] = {}
    for group in await lock_groups(tx, part.group_keys):
        try:
            async with tx.transaction():
                outcomes |= await compute_groups(core, call, tx, [group], _months(part))
        except NotNow:
            raise
        except DomainError as error:
            outcomes[group.group_key] = error
        except Exception as error:
            log.error("premium_failed", group_key=group.group_key, error=type(error).__name__, where=where(error))
            outcomes[group.group_key] = PolicyNotComputed(group.group_id)
    await _finish(tx, part, outcomes)
    return True


def _months(part: RunPart) -> PremiumMonths:
    return PremiumMonths(part.first, part.last, part.parameters)


async def _finish(tx: Connection, part: RunPart, outcomes: dict[int, Outcome]) -> None:
    computed = [outcome for outcome in outcomes.values() if isinstance(outcome, Computed)]
    failures = {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, DomainError)}
    offsets, entries = sum(c.offsets for c in computed), sum(c.entries for c in computed)
    await premium_runs.finish_part(tx, part, offsets, entries, failures)
