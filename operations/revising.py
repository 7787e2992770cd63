"""Records the next state of a group, after a change request or a recompute, in the core and in legacy tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from domain.days import to_day
from domain.enrollment.decisions import EnrollmentKey, enrolled_members
from domain.enrollment.differences import Difference, corrected_members, differences, policy_event
from domain.enrollment.group import periods, types_of
from domain.enrollment.history import ChangeRequest, GroupState, RevisionCause
from domain.enrollment.verdicts import Verdict
from domain.membership import MembershipType
from domain.premiums.repricing import first_changed_month
from operations.core import Core
from operations.group_memory import State
from operations.legacy.writing_back import write_back
from operations.opening import OpenGroup
from storage.group_writes import GroupWrites, NewRevision
from storage.postgres.database import Connection
from storage.recomputes import WaitingRecompute


@dataclass(frozen=True, slots=True)
class Settled:
    """The next state of a group, and the change request or recompute that made it.

    `writes_back` is false for a state that was taken over from legacy tables.
    """

    days: State
    membership_types: Mapping[UUID, MembershipType]
    today: date
    request: ChangeRequest | None = None
    recompute: WaitingRecompute | None = None
    writes_back: bool = True

    @property
    def cause(self) -> RevisionCause:
        return RevisionCause(
            self.request.change_request_id if self.request else None,
            self.recompute.recompute_id if self.recompute else None,
        )


def differs(opened: OpenGroup, days: State, membership_types: Mapping[UUID, MembershipType]) -> bool:
    """Returns whether the next state of a group has other periods than the recorded one."""
    if days != opened.state:
        return True
    corrected = corrected_members(opened.types, membership_types)
    return any(key.member_id in corrected for key, of_one in days.items() if of_one)


def decided(opened: OpenGroup, request: ChangeRequest, writes: GroupWrites) -> OpenGroup:
    """Records a judged request. Returns the group with its decision, if it is approved, and before its revision."""
    group = opened.group.changed(request.recorded_at, makes_revision=False)
    writes.add_request(group, request)
    if request.verdict != Verdict.APPROVED:
        return replace(opened, group=group)
    before, decision = opened.recorded, request.decision()
    enrolled = enrolled_members([decision])
    writes.add_members(group, enrolled - before.enrolled, request.recorded_at)
    after = replace(before, basis=before.basis.with_decision(decision), enrolled=before.enrolled | enrolled)
    return replace(opened, group=group, recorded=after)


async def move_to(core: Core, tx: Connection, opened: OpenGroup, settled: Settled, writes: GroupWrites) -> OpenGroup:
    """Records the next revision, with its differences and event, if any period differs."""
    if not differs(opened, settled.days, settled.membership_types):
        return opened
    before = opened.recorded
    recorded_at = settled.request.recorded_at if settled.request else opened.next_instant()
    group = opened.group.changed(recorded_at, makes_revision=True)
    new = periods(settled.days, settled.membership_types)
    corrected = corrected_members(before.types, settled.membership_types)
    changed = differences(before.state, settled.days, before.had, corrected)
    current = GroupState(group.group_id, group.key, group.revision, settled.cause, recorded_at, new)
    view = core.group_view(current) if core.group_view else None
    writes.add_revision(
        group,
        opened.basis.contract,
        NewRevision(
            new,
            changed,
            {**before.types, **settled.membership_types},  # with those of merged members, who lose their days
            policy_event(before.state, settled.days, to_day(settled.today)),
            recorded_at,
            request=settled.request,
            recompute=settled.recompute,
            stale_from=first_changed_month(changed, corrected, (before.state, settled.days)),
            view=view,
        ),
    )
    legacy = opened.legacy
    if legacy is not None and settled.writes_back and legacy.side.stage.writes_back:
        legacy = await write_back(
            core, tx, group, opened.basis.contract, legacy, before.state, settled.days, settled.membership_types
        )
    state = {key: days for key, days in settled.days.items() if days}
    had = _had_with(before.had, changed)
    after = replace(before, current=current, state=state, types=types_of(new), had=had)
    return replace(opened, group=group, recorded=after, legacy=legacy, view=view)


def _had_with(had: State, changed: Iterable[Difference]) -> State:
    """Returns the days that a group ever had after a revision with some differences."""
    after = dict(had)
    for difference in changed:
        if difference.gained:
            key = EnrollmentKey(difference.member_id, difference.module_id)
            after[key] = after[key] | difference.gained if key in after else difference.gained
    return after
