"""Recomputes: asked for, tried out, done, retried, given up, and listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.enrollment.differences import Difference, differences
from domain.enrollment.group import days_of, replay
from domain.enrollment.history import Recompute, RecomputeTrigger
from domain.enrollment.unmet import UnmetEnroll, unmet_enrolls
from domain.membership import MembershipType
from server.operations.call import Call
from server.operations.core import Core
from server.operations.opening import look_into, open_groups
from server.operations.revising import catch_up
from storage import enrollment, recomputes
from storage.database import Connection
from storage.enrollment_reads import days_had_before, group_head, periods_of
from storage.recomputes import RecomputeFilter
from storage.requests import WriteKey, answered, lock, remember


async def request_for_group(core: Core, call: Call, key: WriteKey, group: UUID) -> Recompute:
    """Enqueues a recompute of a group, unless one waits already. Raises GroupUnknown, RequestIdReused."""

    async def work(tx: Connection) -> Recompute:
        if answer := await answered(tx, key):
            return await recomputes.recompute_by_id(tx, UUID(answer["recompute_id"]))
        head = await group_head(tx, group)
        locked = await enrollment.lock_group(tx, head.group_id, head.key)
        recompute = await recomputes.enqueue_for_group(tx, locked, call.today_override)
        await remember(tx, key, {"recompute_id": str(recompute.recompute_id)})
        return recompute

    recompute = await core.write(call, work)
    core.recompute_wanted.set()
    return recompute


async def request_for_contract(core: Core, call: Call, key: WriteKey, contract_id: UUID) -> int:
    """Enqueues a recompute of every group of a contract; answers with how many there are.

    Raises ContractUnknown, RequestIdReused.
    """

    async def work(tx: Connection) -> int:
        if answer := await answered(tx, key):
            return int(answer["groups"])
        await lock(tx, "contract", contract_id)
        await core.contracts.recorded(tx, contract_id)
        groups = await recomputes.enqueue_for_contract(tx, contract_id, call.today_override, RecomputeTrigger.ADMIN)
        await remember(tx, key, {"groups": groups})
        return groups

    groups = await core.write(call, work)
    core.recompute_wanted.set()
    return groups


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a recompute of a group would change, and what would not be fully met."""

    group_id: UUID
    differences: Sequence[Difference]
    membership_types: dict[UUID, MembershipType]
    unmet_enrolls: Sequence[UnmetEnroll]


async def dry_run(core: Core, call: Call, group: UUID) -> DryRun:
    """Computes a group anew and stores nothing. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        basis, _ = await look_into(core, connection, head.key)
        state = days_of(await periods_of(connection, head.group_key, head.revision))
        had = await days_had_before(connection, head.group_key, head.revision)
    settlement = replay(basis)
    return DryRun(
        group,
        differences(state, settlement.days, had),
        basis.membership_types(),
        tuple(unmet_enrolls(basis, settlement, state)),
    )


async def recompute_groups(core: Core, call: Call, group_keys: list[int]) -> None:
    """Does the recomputes that wait for some groups, all in one transaction.

    Groups that somebody else is changing are left waiting; those that another server has done meanwhile are done.
    """

    async def work(tx: Connection) -> None:
        locked = await enrollment.lock_free_groups(tx, group_keys)
        for opened in await open_groups(core, tx, locked):
            await catch_up(call, tx, opened)

    await core.database.write(work)
    core.events_written.set()


async def count_failure(core: Core, call: Call, group_key: int, pauses: Sequence[float]) -> float | None:
    """Notes that a group's recompute failed; answers with the pause before the next attempt, None: given up.

    0: there was nothing to note, or somebody else is changing the group. `pauses` are the
    seconds before the second, third … attempt; after them it is given up.
    """

    async def work(tx: Connection) -> float | None:
        waiting = (await recomputes.waiting_recomputes(tx, [group_key])).get(group_key)
        locked = await enrollment.lock_free_groups(tx, [group_key])
        if waiting is None or not locked:
            return 0.0
        pause = pauses[waiting.failed_attempts] if waiting.failed_attempts < len(pauses) else None
        await recomputes.postpone(tx, locked[0], waiting, pause, call.clock())
        return pause

    pause = await core.database.write(work)
    core.events_written.set()
    return pause


@dataclass(frozen=True, slots=True)
class RecomputePage:
    """Recomputes, each with its place in the list, and how many of all of them wait or failed."""

    recomputes: Sequence[tuple[int, Recompute]]
    waiting: int
    failed: int


async def list_recomputes(
    core: Core, call: Call, group: UUID | None, contract_id: UUID | None, state: str | None, after: int, limit: int
) -> RecomputePage:
    """Recomputes of a group or of a contract's groups, in the order in which they were asked for.

    `state` is one of the names in `storage.recomputes.STATES`. Raises GroupUnknown.
    """
    async with core.database.snapshot() as connection:
        group_key = (await group_head(connection, group)).group_key if group else None
        which = RecomputeFilter(group_key, contract_id)
        page = await recomputes.list_recomputes(connection, which, state, after, limit)
        waiting, failed = await recomputes.count_recomputes(connection, which)
    return RecomputePage(page, waiting, failed)
