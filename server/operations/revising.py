"""Moving a group to its next state: what submits and recomputes have in common."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from domain.days import to_day
from domain.enrollment.differences import differences, policy_event
from domain.enrollment.group import periods, replay
from domain.enrollment.unmet import unmet_enrolls
from domain.membership import MembershipType
from server.operations.call import Call
from server.operations.opening import OpenGroup, State
from storage import enrollment, recomputes
from storage.database import Connection
from storage.enrollment import NewRevision
from storage.enrollment_reads import days_had_before


async def catch_up(call: Call, tx: Connection, opened: OpenGroup) -> OpenGroup:
    """Does the recompute that waits for a group, if one does, as a revision of its own."""
    waiting = opened.waiting
    if waiting is None:
        return opened
    today = waiting.today_override or call.today(opened.basis.contract.time_zone)
    settlement = replay(opened.basis)
    types = opened.basis.membership_types()
    moved = await move_to(tx, opened, settlement.days, types, today, recompute_key=waiting.recompute_key)
    made = moved.group.revision if moved.group.revision != opened.group.revision else None
    unmet = tuple(unmet_enrolls(opened.basis, settlement, opened.state))
    await recomputes.finish(tx, waiting, made, unmet)
    return replace(moved, waiting=None)


async def move_to(
    tx: Connection,
    opened: OpenGroup,
    settled: State,
    types: Mapping[UUID, MembershipType],
    today: date,
    *,
    recorded_at: datetime | None = None,
    change_request_key: int | None = None,
    recompute_key: int | None = None,
) -> OpenGroup:
    """Records the next revision, with its difference and event, if any period differs.

    `recorded_at` is the instant of what made it, where that was recorded before; else now.
    """
    if settled == opened.state:
        return opened
    group = opened.group
    recorded_at = recorded_at or await enrollment.recording_instant(tx, group)
    had = await days_had_before(tx, group.group_key, group.revision)
    revision = await enrollment.add_revision(
        tx,
        group,
        opened.basis.contract,
        NewRevision(
            periods(settled, types),
            differences(opened.state, settled, had),
            types,
            policy_event(opened.state, settled, to_day(today)),
            recorded_at,
            change_request_key,
            recompute_key,
        ),
    )
    return replace(opened, group=replace(group, revision=revision, recorded_at=recorded_at), state=settled)
