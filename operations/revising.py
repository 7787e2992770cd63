"""Records the next state of a group, after a change request or a recompute, in the core and in legacy tables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from domain.days import to_day
from domain.enrollment.differences import corrected_members, differences, policy_event
from domain.enrollment.group import periods
from domain.enrollment.history import GroupState, RevisionCause
from domain.membership import MembershipType
from domain.premiums.repricing import first_changed_month
from operations.core import Core
from operations.legacy.writing_back import write_back
from operations.opening import OpenGroup, State
from storage import enrollment, premium_stale
from storage.enrollment import NewRevision
from storage.enrollment_reads import days_had_before
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class Settled:
    """The next state of a group, and the change request or recompute that made it.

    `cause` has the id of the row that a key names. `recorded_at` is the instant of the change request; None for the
    current instant. `writes_back` is false for a state that was taken over from legacy tables.
    """

    days: State
    membership_types: Mapping[UUID, MembershipType]
    today: date
    cause: RevisionCause
    recorded_at: datetime | None = None
    change_request_key: int | None = None
    recompute_key: int | None = None
    writes_back: bool = True


def differs(opened: OpenGroup, days: State, membership_types: Mapping[UUID, MembershipType]) -> bool:
    """Returns whether the next state of a group has other periods than the recorded one."""
    if days != opened.state:
        return True
    corrected = corrected_members(opened.types, membership_types)
    return any(key.member_id in corrected for key, of_one in days.items() if of_one)


async def move_to(core: Core, tx: Connection, opened: OpenGroup, settled: Settled) -> OpenGroup:
    """Records the next revision, with its differences and event, if any period differs."""
    if not differs(opened, settled.days, settled.membership_types):
        return opened
    group = opened.group
    recorded_at = settled.recorded_at or await enrollment.recording_instant(tx, group)
    had = await days_had_before(tx, group.group_key, group.revision)
    corrected = corrected_members(opened.types, settled.membership_types)
    changed = differences(opened.state, settled.days, had, corrected)
    found = periods(settled.days, settled.membership_types)
    next_state = GroupState(group.group_id, group.key, group.revision + 1, settled.cause, recorded_at, found)
    revision = await enrollment.add_revision(
        tx,
        group,
        opened.basis.contract,
        NewRevision(
            found,
            changed,
            {**opened.types, **settled.membership_types},  # with those of merged members, who lose their days
            policy_event(opened.state, settled.days, to_day(settled.today)),
            recorded_at,
            settled.change_request_key,
            settled.recompute_key,
            core.group_view(next_state) if core.group_view else None,
        ),
    )
    first = first_changed_month(changed, corrected, (opened.state, settled.days))
    if first is not None:
        await premium_stale.mark_revised(tx, group.group_key, first)
    legacy = opened.legacy
    if legacy is not None and settled.writes_back and legacy.side.stage.writes_back:
        legacy = await write_back(
            core, tx, group, opened.basis.contract, legacy, opened.state, settled.days, settled.membership_types
        )
    return replace(
        opened,
        legacy=legacy,
        group=replace(group, revision=revision, recorded_at=recorded_at),
        state=settled.days,
        types=settled.membership_types,
    )
