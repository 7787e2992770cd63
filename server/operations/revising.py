"""Moving a group to its next state: what submits and recomputes have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, to_day
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey
from domain.enrollment.differences import differences, policy_event
from domain.enrollment.group import GroupBasis, days_of, periods, replay
from domain.membership import MembershipType
from server.operations.call import Call
from server.operations.core import Core
from storage import enrollment, recomputes
from storage.database import Connection
from storage.enrollment import LockedGroup, NewRevision
from storage.enrollment_reads import days_had_before, periods_of

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group with everything that its state is a function of, and that state."""

    group: LockedGroup
    basis: GroupBasis
    state: State

    @property
    def contract(self) -> Contract:
        return self.basis.contract


async def open_group(core: Core, tx: Connection, group: LockedGroup, also: Iterable[UUID] = ()) -> OpenGroup:
    """Loads what a locked group is computed from; `also` names members beside those known to it.

    Contract and facts are kept from changing until the transaction ends. Raises ContractUnknown, MemberUnknown.
    """
    contract = await core.contract_source.held(tx, group.key.contract_id)
    decisions = await enrollment.decisions_of(tx, group)
    members = {group.key.primary_id, *also, *_enrolled_by(decisions)}
    facts = await core.fact_source.held_facts(tx, members)
    state = days_of(await periods_of(tx, group.group_key, group.revision))
    return OpenGroup(group, GroupBasis(contract, group.key.primary_id, decisions, facts), state)


def _enrolled_by(decisions: Iterable[Decision]) -> set[UUID]:
    return {change.member_id for decision in decisions for change in decision.changes if isinstance(change, Enroll)}


async def catch_up(call: Call, tx: Connection, opened: OpenGroup) -> OpenGroup:
    """Does the recompute that waits for a group, if one does, as a revision of its own."""
    waiting = await recomputes.waiting_recompute(tx, opened.group)
    if waiting is None:
        return opened
    today = waiting.today_override or call.today(opened.contract.time_zone)
    settled = replay(opened.basis).days
    moved = await move_to(
        tx, opened, settled, opened.basis.membership_types(), today, recompute_key=waiting.recompute_key
    )
    made = moved.group.revision if moved.group.revision != opened.group.revision else None
    await recomputes.finish(tx, waiting, made)
    return moved


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
        opened.contract,
        NewRevision(
            periods(settled, types),
            differences(opened.state, settled, had),
            policy_event(opened.state, settled, to_day(today)),
            recorded_at,
            change_request_key,
            recompute_key,
        ),
    )
    return replace(opened, group=replace(group, revision=revision, recorded_at=recorded_at), state=settled)
