"""Requests, runs, retries and lists recomputes, and runs them dry."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.enrollment.differences import Difference, corrected_members, differences
from domain.enrollment.effort import replay_seconds
from domain.enrollment.history import Recompute, RecomputeTrigger
from domain.enrollment.recomputing import recomputed
from domain.enrollment.unmet import UnmetEnrolls
from domain.membership import MembershipType
from operations.call import MAX_RESOLVED_IDS, Call
from operations.catching_up import catch_up
from operations.computing import INLINE_SECONDS
from operations.core import Core
from operations.legacy.sides import hold_stages_of_groups
from operations.looking import look_into
from operations.opening import OpenGroup, open_groups
from operations.paging import Page
from operations.sources import known_contract
from storage import enrollment, recomputes
from storage.enrollment_reads import days_had_before
from storage.group_lookup import group_head, members_of
from storage.group_writes import GroupWrites
from storage.listing import ListFilter, RowPosition
from storage.postgres.database import Connection
from storage.postgres.locks import Lock, lock
from storage.recomputes import RecomputeCause
from storage.requests import WriteKey, find_answer, store_answer


def cause_of(call: Call, trigger: RecomputeTrigger) -> RecomputeCause:
    """Returns the cause of recomputes that a call requests."""
    return RecomputeCause(trigger, call.actor, call.today_override)


async def request_for_group(core: Core, call: Call, key: WriteKey, group: UUID) -> Recompute:
    """Enqueues a recompute of a group, unless one is waiting. Raises GroupUnknown, RequestIdReused."""

    async def work(tx: Connection) -> Recompute:
        answer = await find_answer(tx, key)
        head = await group_head(tx, group)
        call.trail.resolved_group(head.group_id, head.key)
        call.trail.resolved(member_id=await members_of(tx, group))
        if answer:
            recompute = await recomputes.recompute_by_id(tx, UUID(answer["recompute_id"]))
            call.trail.resolved(recompute_id=recompute.recompute_id)
            return recompute
        locked = await enrollment.lock_group(tx, head.group_id, head.key)
        recompute = await recomputes.enqueue_for_group(tx, locked, cause_of(call, RecomputeTrigger.ADMIN))
        call.trail.resolved(recompute_id=recompute.recompute_id)
        await store_answer(tx, key, {"recompute_id": str(recompute.recompute_id)})
        return recompute

    recompute = await core.write(call, work)
    core.recompute_wanted.set()
    return recompute


async def request_for_contract(core: Core, call: Call, key: WriteKey, contract_id: UUID) -> int:
    """Enqueues a recompute of every group of a contract. Returns the number of groups.

    Raises ContractUnknown, RequestIdReused.
    """

    async def work(tx: Connection) -> int:
        if answer := await find_answer(tx, key):
            return int(answer["groups"])
        await lock(tx, Lock.CONTRACT, contract_id)
        await known_contract(core.contract_source, tx, contract_id, hold=False)
        cause = cause_of(call, RecomputeTrigger.ADMIN)
        groups = await recomputes.enqueue_for_contract(tx, contract_id, cause, MAX_RESOLVED_IDS)
        call.trail.resolved_groups(groups.first_ids, groups.count)
        await store_answer(tx, key, {"groups": groups.count})
        return groups.count

    groups = await core.write(call, work)
    core.recompute_wanted.set()
    return groups


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a recompute of a group would change, and which enrollments would not be fully met."""

    group_id: UUID
    differences: Sequence[Difference]
    membership_types: dict[UUID, MembershipType]
    unmet: UnmetEnrolls


async def dry_run(core: Core, call: Call, group: UUID) -> DryRun:
    """Recomputes a group without storing anything. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        head = await group_head(connection, group)
        seen = await look_into(core, call, connection, head.key)
        had = await days_had_before(connection, head.group_key, head.revision)
    basis, state = seen.basis, seen.recorded
    done = await core.compute(call, replay_seconds(basis), recomputed, basis, state)
    return DryRun(
        group,
        differences(state, done.days, had, corrected_members(seen.types, basis.membership_types())),
        basis.membership_types(),
        done.unmet,
    )


async def recompute_groups(core: Core, call: Call, group_keys: list[int]) -> list[int]:
    """Runs the waiting recomputes of groups in one transaction.

    It skips groups that another transaction has locked, groups without a waiting recompute, and groups that can't
    change now because their country is being migrated, so that their recomputes keep waiting. If there are several
    groups, it skips the slow ones and returns them. The caller recomputes each of those on its own, so that they don't
    keep the other groups locked.
    """

    async def work(tx: Connection) -> tuple[list[int], list[OpenGroup]]:
        long: list[int] = []
        changed: list[OpenGroup] = []
        writes = GroupWrites()
        stages = await hold_stages_of_groups(core, tx, group_keys)
        waiting = [key for key in group_keys if key not in stages or stages[key].accepts_changes]
        locked = await enrollment.lock_free_groups(tx, waiting)
        for opened in await open_groups(core, call, tx, locked):
            await asyncio.sleep(0)  # lets other tasks run, including the one that keeps the transaction alive
            if len(group_keys) > 1 and replay_seconds(opened.basis) >= INLINE_SECONDS:
                long.append(opened.group.group_key)
            else:
                changed.append(await catch_up(core, call, tx, opened, writes))
        await core.record(tx, writes)
        return long, changed

    left, changed = await core.database.write(work, generic_plans=True)
    for opened in changed:
        core.groups.remember(opened.group, opened.recorded)
    core.sequencing.wanted.set()
    return left


async def count_failure(core: Core, group_key: int, pauses: Sequence[float]) -> float | None:
    """Records that a group's recompute failed. Returns the seconds until the next attempt; None if it is given up.

    It returns 0 if there is nothing to record, or if another transaction has locked the group. `pauses` are the seconds
    before the second and each later attempt; after the last one, the recompute is given up.
    """

    async def work(tx: Connection) -> float | None:
        waiting = (await recomputes.waiting_recomputes(tx, [group_key])).get(group_key)
        locked = await enrollment.lock_free_groups(tx, [group_key])
        if waiting is None or not locked:
            return 0.0
        pause = pauses[waiting.failed_attempts] if waiting.failed_attempts < len(pauses) else None
        await recomputes.postpone(tx, locked[0], waiting, pause)
        return pause

    pause = await core.database.write(work)
    core.sequencing.wanted.set()
    return pause


async def get_recompute(core: Core, recompute_id: UUID) -> Recompute:
    """Returns a recompute. Raises RecomputeUnknown."""
    async with core.database.reading() as connection:
        return await recomputes.recompute_by_id(connection, recompute_id)


@dataclass(frozen=True, slots=True)
class RecomputePage:
    """A page of recomputes with their positions, and the numbers of waiting and failed recomputes of the target."""

    recomputes: Sequence[tuple[RowPosition, Recompute]]
    waiting: int
    failed: int


async def list_of_group(core: Core, group: UUID, which: ListFilter, page: Page[int]) -> RecomputePage:
    """Returns the recomputes of a group, in the order in which they were requested. Raises GroupUnknown."""
    async with core.database.snapshot() as connection:
        of_group = replace(which, group_key=(await group_head(connection, group)).group_key)
        found = await recomputes.list_of_group(connection, of_group, page.after, page.size)
        return RecomputePage(found, *await recomputes.count_recomputes(connection, of_group))


async def list_of_all(core: Core, which: ListFilter, page: Page[RowPosition | None]) -> RecomputePage:
    """Returns the recomputes of all groups or of a contract's groups, in the order in which they were requested."""
    async with core.database.snapshot() as connection:
        found = await recomputes.list_of_all(connection, which, page.after, page.size)
        return RecomputePage(found, *await recomputes.count_recomputes(connection, which))
