"""Loads groups with everything that their states are computed from, locked for a change or without locks.

Loading many groups takes as many queries as loading one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.days import Days
from domain.enrollment.closing import closed_by, read_with_aliases
from domain.enrollment.decisions import EnrollmentKey, GroupKey, enrolled_members
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import GroupBasis, Period, days_of, types_of
from domain.enrollment.recomputing import replayed_days
from domain.errors import GroupUnknown
from domain.membership import MembershipType
from operations.call import Call
from operations.core import Core
from storage import enrollment, enrollment_reads, merges, recomputes
from storage.enrollment import LockedGroup
from storage.postgres.database import Connection
from storage.recomputes import WaitingRecompute

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group, what its state is computed from, its recorded state with the types of its members, and its
    waiting recompute, if any.
    """

    group: LockedGroup
    basis: GroupBasis
    state: State
    types: Mapping[UUID, MembershipType]
    waiting: WaitingRecompute | None


async def open_group(core: Core, tx: Connection, group: LockedGroup, also: Iterable[UUID] = ()) -> OpenGroup:
    """Loads one locked group. `also` names further members whose facts are needed.

    Raises ContractUnknown, MemberUnknown.
    """
    (opened,) = await open_groups(core, tx, [group], also)
    return opened


async def open_groups(
    core: Core, tx: Connection, groups: Sequence[LockedGroup], also: Iterable[UUID] = ()
) -> list[OpenGroup]:
    """Loads what locked groups are computed from. Returns them in the order given.

    Contracts and facts can't change until the transaction ends. Raises ContractUnknown, MemberUnknown.
    """
    keys = {group.group_key: group.key for group in groups}
    revisions = {group.group_key: group.revision for group in groups}
    periods = await enrollment_reads.periods_at(tx, revisions)
    bases = await _bases(core, tx, keys, also, periods, hold=True)
    waiting = await recomputes.waiting_recomputes(tx, list(keys))
    return [
        OpenGroup(
            group,
            bases[group.group_key],
            days_of(periods.get(group.group_key, ())),
            types_of(periods.get(group.group_key, ())),
            waiting.get(group.group_key),
        )
        for group in groups
    ]


NEW_GROUP = 0
"""Used as the key of a group that doesn't exist yet."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a group is computed from, its recorded state with the types of its members, and whether a recompute is
    waiting.
    """

    basis: GroupBasis
    recorded: State
    types: Mapping[UUID, MembershipType]
    recompute_waits: bool


async def look_into(core: Core, connection: Connection, key: GroupKey, also: Iterable[UUID] = ()) -> Seen:
    """Loads a group without locks. A group that doesn't exist yet has no decisions and no days.

    Raises ContractUnknown, MemberUnknown.
    """
    try:
        head = await enrollment_reads.group_head(connection, key)
    except GroupUnknown:
        basis = (await _bases(core, connection, {NEW_GROUP: key}, also, {}, hold=False))[NEW_GROUP]
        return Seen(basis, {}, {}, recompute_waits=False)
    periods = {head.group_key: await enrollment_reads.periods_of(connection, head.group_key, head.revision)}
    basis = (await _bases(core, connection, {head.group_key: key}, also, periods, hold=False))[head.group_key]
    waits = bool(await recomputes.waiting_recomputes(connection, [head.group_key]))
    recorded = periods[head.group_key]
    return Seen(basis, days_of(recorded), types_of(recorded), waits)


async def state_of(core: Core, call: Call, seen: Seen) -> State:
    """Returns the state that a group has after its waiting recompute."""
    if not seen.recompute_waits:
        return seen.recorded
    return await core.compute(call, replay_seconds(seen.basis), replayed_days, seen.basis)


async def _bases(
    core: Core,
    connection: Connection,
    keys: Mapping[int, GroupKey],
    also: Iterable[UUID],
    periods: Mapping[int, Sequence[Period]],
    *,
    hold: bool,
) -> dict[int, GroupBasis]:
    """Returns what groups are computed from, by group key. `periods` are those of their newest revisions."""
    contracts = {
        contract_id: await core.contract_source.current(connection, contract_id, hold=hold)
        for contract_id in sorted({key.contract_id for key in keys.values()})
    }
    decisions = await enrollment.decisions_of(connection, list(keys))
    members = {key.primary_id for key in keys.values()} | set(also)
    for of_group in decisions.values():
        members |= enrolled_members(of_group)
    aliases = await merges.aliases_of(connection, members)
    primaries = {key.primary_id for key in keys.values()}  # a merged one has no approved requests, but has facts
    members = primaries | {aliases.get(member_id, member_id) for member_id in members}
    facts = await core.fact_source.current_facts(connection, members, hold=hold)

    def basis(group_key: int, key: GroupKey) -> GroupBasis:
        of_group = tuple(decisions.get(group_key, ()))
        named = {key.primary_id} | {aliases.get(m, m) for m in enrolled_members(of_group)}
        contract, recorded = contracts[key.contract_id], days_of(periods.get(group_key, ()))
        recorded_days = read_with_aliases(recorded, aliases, contract.slots)
        closed = closed_by(facts, named, key.primary_id, recorded_days)
        return GroupBasis(contract, key.primary_id, of_group, facts, closed, aliases)

    return {group_key: basis(group_key, key) for group_key, key in keys.items()}
