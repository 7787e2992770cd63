"""Brings a locked group up to date before it changes: aligns it with legacy rows, and runs its waiting recompute."""

from dataclasses import replace

from domain.enrollment.effort import replay_seconds
from domain.enrollment.history import RevisionCause
from domain.enrollment.recomputing import recomputed
from operations.aligning import align
from operations.call import Call
from operations.core import Core
from operations.opening import OpenGroup
from operations.revising import Settled, move_to
from storage import recomputes
from storage.postgres.database import Connection
from storage.recomputes import WaitingRecompute


async def catch_up(core: Core, call: Call, tx: Connection, opened: OpenGroup) -> OpenGroup:
    """Aligns a group with its legacy rows if they have changed, and then runs its waiting recompute, if there is one,
    each as a separate revision.

    Raises LegacyCannotHold.
    """
    opened = await align(core, call, tx, opened)
    waiting = opened.waiting
    if waiting is None:
        return opened
    return replace(await run_recompute(core, call, tx, opened, waiting), waiting=None)


async def run_recompute(
    core: Core, call: Call, tx: Connection, opened: OpenGroup, recompute: WaitingRecompute
) -> OpenGroup:
    """Computes a group from its decisions, records the next revision if a period differs, and finishes the recompute.

    This must be the last thing that changes the group in the transaction.
    """
    today = recompute.today_override or call.today(opened.basis.contract.time_zone)
    basis = opened.basis
    done = await core.compute(call, replay_seconds(basis), recomputed, basis, opened.state)
    cause = RevisionCause(recompute_id=recompute.recompute_id)
    settled = Settled(done.days, basis.membership_types(), today, cause, recompute_key=recompute.recompute_key)
    moved = await move_to(core, tx, opened, settled)
    made = moved.group.revision if moved.group.revision != opened.group.revision else None
    await recomputes.finish(tx, recompute, made, done.unmet)
    return moved
