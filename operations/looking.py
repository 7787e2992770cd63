"""Loads everything that the states of groups are computed from, without locking them.

Loading many groups takes as many queries as loading one.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import to_day
from domain.enrollment.decisions import Decision, GroupKey, enrolled_members
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import GroupBasis, Period, days_of, types_of
from domain.enrollment.recomputing import replayed_days
from domain.errors import GroupUnknown
from domain.members import Facts
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis, reject_blocked
from domain.migration.legacy import LegacyGroup
from operations.call import Call
from operations.core import Core
from operations.group_memory import State
from operations.legacy.members import unknown_among
from operations.legacy.sides import answering_side, in_core_terms
from operations.opening import closed_basis
from operations.sources import known_contracts
from storage import enrollment, enrollment_reads, group_lookup, merges, recomputes
from storage.enrollment import NEW_GROUP
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection


@dataclass(frozen=True, slots=True)
class Seen:
    """What a group is computed from, its recorded state with the types of its members, and whether a recompute is
    waiting, or an alignment with legacy tables.
    """

    basis: GroupBasis
    recorded: State
    types: Mapping[UUID, MembershipType]
    recompute_waits: bool


async def look_into(core: Core, call: Call, connection: Connection, key: GroupKey, also: Iterable[UUID] = ()) -> Seen:
    """Loads a group without locks. A group that doesn't exist yet has no decisions and no days.

    If legacy tables answer for the group, it is seen as if it were aligned with them now. Raises ContractUnknown,
    MemberUnknown, LegacyCannotHold.
    """
    side = await answering_side(core, connection, key)
    rows = side.group if side else None
    of_legacy = set(rows.member_ids.values()) if rows else set()
    assumed = {member_id: Facts() for member_id in await unknown_among(core, connection, of_legacy)} if rows else {}
    try:
        head = await group_lookup.group_head(connection, key)
    except GroupUnknown:
        group_key, recorded, waits = NEW_GROUP, [], False
    else:
        group_key = head.group_key
        recorded = await enrollment_reads.periods_of(connection, group_key, head.revision)
        waits = bool(await recomputes.waiting_recomputes(connection, [group_key]))
    periods = {group_key: recorded}
    loaded = await _load(core, connection, {group_key: key}, [*also, *of_legacy])
    basis = (await _bases(core, connection, {group_key: key}, loaded, periods, assumed))[group_key]
    if side and rows:
        legacy = in_core_terms(side, basis.contract, basis.membership_types())
        if legacy.translated:
            reject_blocked(legacy.translated)
        if legacy.is_stale and legacy.translated:
            basis = aligned_basis(basis, legacy.translated, to_day(call.today(basis.contract.time_zone)))
            waits = True
    return Seen(basis, days_of(recorded), types_of(recorded), waits)


async def bases_of(
    core: Core,
    connection: Connection,
    groups: Iterable[LegacyGroup],
    heads: Mapping[UUID, GroupHead],
    periods: Mapping[int, Sequence[Period]],
) -> dict[UUID, GroupBasis]:
    """Returns what the core computes legacy groups from, by group id, without locks. `heads` are those of the groups
    that the core has, and `periods` those of their newest revisions by group key.

    Members whom the core doesn't know have no facts. Raises ContractUnknown.
    """
    groups = list(groups)
    group_keys = {
        group.group_id: heads[group.group_id].group_key if group.group_id in heads else NEW_GROUP - n
        for n, group in enumerate(groups)
    }
    keys = {group_keys[group.group_id]: group.key for group in groups}
    members = {member_id for group in groups for member_id in (group.key.primary_id, *group.member_ids.values())}
    assumed = {member_id: Facts() for member_id in await unknown_among(core, connection, members)}
    loaded = await _load(core, connection, keys, members)
    bases = await _bases(core, connection, keys, loaded, periods, assumed)
    return {group_id: bases[group_key] for group_id, group_key in group_keys.items()}


async def state_of(core: Core, call: Call, seen: Seen) -> State:
    """Returns the state that a group has after its waiting recompute."""
    if not seen.recompute_waits:
        return seen.recorded
    return await core.compute(call, replay_seconds(seen.basis), replayed_days, seen.basis)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Contracts by id, decisions by group key, the members whose facts are needed, and their other ids."""

    contracts: Mapping[UUID, Contract]
    decisions: Mapping[int, Sequence[Decision]]
    members: Set[UUID]
    aliases: Mapping[UUID, UUID]


async def _load(core: Core, connection: Connection, keys: Mapping[int, GroupKey], also: Iterable[UUID]) -> _Loaded:
    """Loads what groups are computed from, except for facts."""
    contract_ids = {key.contract_id for key in keys.values()}
    contracts = await known_contracts(core.contract_source, connection, contract_ids, hold=False)
    decisions = await enrollment.decisions_of(connection, list(keys))
    primaries = {key.primary_id for key in keys.values()}  # a merged one has no approved requests, but has facts
    members = primaries | set(also)
    for of_group in decisions.values():
        members |= enrolled_members(of_group)
    aliases = await merges.aliases_of(connection, members)
    members = primaries | {aliases.get(member_id, member_id) for member_id in members}
    return _Loaded(contracts, decisions, members, aliases)


async def _bases(
    core: Core,
    connection: Connection,
    keys: Mapping[int, GroupKey],
    loaded: _Loaded,
    periods: Mapping[int, Sequence[Period]],
    assumed: Mapping[UUID, Facts],
) -> dict[int, GroupBasis]:
    """Returns what groups are computed from, by group key. `periods` are those of their newest revisions. The facts of
    members in `assumed` are not loaded.
    """
    current = await core.fact_source.current_facts(connection, loaded.members - assumed.keys(), hold=False)
    facts = {**current, **assumed}

    def basis(group_key: int, key: GroupKey) -> GroupBasis:
        decisions = tuple(loaded.decisions.get(group_key, ()))
        of_group = GroupBasis(loaded.contracts[key.contract_id], key.primary_id, decisions, facts, None, loaded.aliases)
        return closed_basis(of_group, enrolled_members(decisions), days_of(periods.get(group_key, ())))

    return {group_key: basis(group_key, key) for group_key, key in keys.items()}
