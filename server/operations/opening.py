"""Loading groups with everything that their states are a function of: to change them, or only to look.

Many groups cost as many queries as one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.days import Days
from domain.enrollment.closing import closed_by
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey, GroupKey
from domain.enrollment.group import GroupBasis, Period, days_of, replay
from domain.errors import GroupUnknown
from server.operations.core import Core
from storage import enrollment, enrollment_reads, recomputes
from storage.database import Connection
from storage.enrollment import LockedGroup
from storage.recomputes import WaitingRecompute

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group, what its state is computed from, that state, and the recompute that waits for it, if one does."""

    group: LockedGroup
    basis: GroupBasis
    state: State
    waiting: WaitingRecompute | None


async def open_group(core: Core, tx: Connection, group: LockedGroup, also: Iterable[UUID] = ()) -> OpenGroup:
    """Opens one group; `also` names members beside those known to it. Raises ContractUnknown, MemberUnknown."""
    (opened,) = await open_groups(core, tx, [group], also)
    return opened


async def open_groups(
    core: Core, tx: Connection, groups: Sequence[LockedGroup], also: Iterable[UUID] = ()
) -> list[OpenGroup]:
    """Loads what locked groups are computed from, in the order given.

    Contracts and facts are kept from changing until the transaction ends. Raises ContractUnknown, MemberUnknown.
    """
    keys = {group.group_key: group.key for group in groups}
    revisions = {group.group_key: group.revision for group in groups}
    periods = await enrollment_reads.periods_at(tx, revisions)
    bases = await _bases(core, tx, keys, also, periods, hold=True)
    waiting = await recomputes.waiting_recomputes(tx, list(keys))
    return [
        OpenGroup(g, bases[g.group_key], days_of(periods.get(g.group_key, ())), waiting.get(g.group_key))
        for g in groups
    ]


NOT_THERE = 0
"""Stands for the key of a group that does not exist yet."""


async def look_into(
    core: Core, connection: Connection, key: GroupKey, also: Iterable[UUID] = ()
) -> tuple[GroupBasis, State]:
    """What a group is computed from, and its state with a waiting recompute done; takes no locks.

    A group that does not exist yet has no decisions and no days. Raises ContractUnknown, MemberUnknown.
    """
    try:
        head = await enrollment_reads.group_head(connection, key)
    except GroupUnknown:
        return (await _bases(core, connection, {NOT_THERE: key}, also, {}, hold=False))[NOT_THERE], {}
    periods = {head.group_key: await enrollment_reads.periods_of(connection, head.group_key, head.revision)}
    basis = (await _bases(core, connection, {head.group_key: key}, also, periods, hold=False))[head.group_key]
    if await recomputes.waiting_recomputes(connection, [head.group_key]):
        return basis, replay(basis).days
    return basis, days_of(periods[head.group_key])


async def _bases(
    core: Core,
    connection: Connection,
    keys: Mapping[int, GroupKey],
    also: Iterable[UUID],
    periods: Mapping[int, Sequence[Period]],
    *,
    hold: bool,
) -> dict[int, GroupBasis]:
    """What groups are computed from, by group key; `periods` are those of their newest revisions."""
    contracts = {
        contract_id: await core.contract_source.current(connection, contract_id, hold=hold)
        for contract_id in sorted({key.contract_id for key in keys.values()})
    }
    decisions = await enrollment.decisions_of(connection, list(keys))
    members = {key.primary_id for key in keys.values()} | set(also)
    for of_group in decisions.values():
        members |= _enrolled_by(of_group)
    facts = await core.fact_source.current_facts(connection, members, hold=hold)

    def basis(group_key: int, key: GroupKey) -> GroupBasis:
        of_group = tuple(decisions.get(group_key, ()))
        named = {key.primary_id} | _enrolled_by(of_group)
        closed = closed_by(facts, named, key.primary_id, days_of(periods.get(group_key, ())))
        return GroupBasis(contracts[key.contract_id], key.primary_id, of_group, facts, closed)

    return {group_key: basis(group_key, key) for group_key, key in keys.items()}


def _enrolled_by(decisions: Iterable[Decision]) -> set[UUID]:
    return {change.member_id for decision in decisions for change in decision.changes if isinstance(change, Enroll)}
