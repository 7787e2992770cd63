"""Brings locked groups up to date before they change: aligns them with legacy rows, and runs waiting recomputes."""

from dataclasses import replace

from domain.enrollment.effort import replay_seconds
from domain.enrollment.recomputing import recomputed
from operations.aligning import align
from operations.call import Call
from operations.core import Core
from operations.opening import OpenGroup
from operations.revising import Settled, move_to
from storage.group_writes import GroupWrites
from storage.postgres.database import Connection
from storage.recomputes import FinishedRecompute, WaitingRecompute


async def catch_up(core: Core, call: Call, tx: Connection, opened: OpenGroup, writes: GroupWrites) -> OpenGroup:
    """Aligns a group with its legacy rows if they have changed, and then runs its waiting recompute, if there is one,
    each as a separate revision.

    Raises LegacyCannotHold.
    """
    opened = await align(core, call, tx, opened, writes)
    waiting = opened.waiting
    if waiting is None:
        return opened
    return replace(await run_recompute(core, call, tx, opened, waiting, writes), waiting=None)


async def caught_up(core: Core, call: Call, tx: Connection, opened: OpenGroup) -> OpenGroup:
    """Does the same and writes it, so that the transaction can go on with what is recorded. Raises LegacyCannotHold."""
    writes = GroupWrites()
    opened = await catch_up(core, call, tx, opened, writes)
    await core.record(tx, writes)
    return opened


async def run_recompute(
    core: Core, call: Call, tx: Connection, opened: OpenGroup, recompute: WaitingRecompute, writes: GroupWrites
) -> OpenGroup:
    """Computes a group from its decisions, records a revision if a period differs, and finishes the recompute."""
    today = recompute.today_override or call.today(opened.basis.contract.time_zone)
    basis = opened.basis
    done = await core.compute(call, replay_seconds(basis), recomputed, basis, opened.state)
    settled = Settled(done.days, basis.membership_types(), today, recompute=recompute)
    moved = await move_to(core, tx, opened, settled, writes)
    made = moved.group.revision if moved.group.revision != opened.group.revision else None
    writes.finish_recompute(FinishedRecompute(recompute, made, done.unmet))
    return moved
