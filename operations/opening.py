"""Loads groups with everything that their states are computed from, locked for a change or without locks.

Loading many groups takes as many queries as loading one.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, to_day
from domain.enrollment.closing import closed_by, read_with_aliases
from domain.enrollment.decisions import Decision, EnrollmentKey, GroupKey, enrolled_members
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import GroupBasis, Period, days_of, types_of
from domain.enrollment.recomputing import replayed_days
from domain.errors import GroupUnknown
from domain.members import Facts
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis, reject_blocked
from operations.call import Call
from operations.core import Core
from operations.legacy.members import store_missing, unknown_among
from operations.legacy.sides import LegacySide, TranslatedSide, answering_side, in_core_terms, lock_sides
from storage import enrollment, enrollment_reads, merges, recomputes
from storage.enrollment import LockedGroup
from storage.enrollment_reads import GroupHead
from storage.postgres.database import Connection
from storage.recomputes import WaitingRecompute

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group, what its state is computed from, its recorded state with the types of its members, and its
    waiting recompute, if any.

    `legacy` is what its locked rows in legacy tables say, if its country is being migrated.
    """

    group: LockedGroup
    basis: GroupBasis
    state: State
    types: Mapping[UUID, MembershipType]
    waiting: WaitingRecompute | None
    legacy: TranslatedSide | None = None


async def open_group(
    core: Core, call: Call, tx: Connection, group: LockedGroup, also: Iterable[UUID] = ()
) -> OpenGroup:
    """Loads one locked group. `also` names further members whose facts are needed.

    Raises ContractUnknown, MemberUnknown.
    """
    (opened,) = await open_groups(core, call, tx, [group], also)
    return opened


async def open_groups(
    core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup], also: Iterable[UUID] = ()
) -> list[OpenGroup]:
    """Loads what locked groups are computed from. Returns them in the order given.

    Contracts and facts can't change until the transaction ends, and neither can legacy rows. Raises ContractUnknown,
    MemberUnknown, MigrationStageForbids.
    """
    keys = {group.group_key: group.key for group in groups}
    revisions = {group.group_key: group.revision for group in groups}
    sides = await lock_sides(core, tx, groups)
    legacy = [side.group for side in sides.values() if side.group is not None]
    of_legacy = {member_id for group in legacy for member_id in group.member_ids.values()}
    loaded = await _load(core, tx, keys, [*also, *of_legacy], hold=True)
    await store_missing(core, call, tx, legacy, loaded.members)
    periods = await enrollment_reads.periods_at(tx, revisions)
    bases = await _bases(core, tx, keys, loaded, periods, {}, hold=True)
    waiting = await recomputes.waiting_recomputes(tx, list(keys))
    return [
        OpenGroup(
            group,
            bases[group.group_key],
            days_of(periods.get(group.group_key, ())),
            types_of(periods.get(group.group_key, ())),
            waiting.get(group.group_key),
            _in_core_terms(sides.get(group.group_key), bases[group.group_key]),
        )
        for group in groups
    ]


def _in_core_terms(side: LegacySide | None, basis: GroupBasis) -> TranslatedSide | None:
    return None if side is None else in_core_terms(side, basis.contract, basis.membership_types())


NEW_GROUP = 0
"""Used as the key of a group that doesn't exist yet."""


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
        head = await enrollment_reads.group_head(connection, key)
    except GroupUnknown:
        group_key, recorded, waits = NEW_GROUP, [], False
    else:
        group_key = head.group_key
        recorded = await enrollment_reads.periods_of(connection, group_key, head.revision)
        waits = bool(await recomputes.waiting_recomputes(connection, [group_key]))
    periods = {group_key: recorded}
    loaded = await _load(core, connection, {group_key: key}, [*also, *of_legacy], hold=False)
    basis = (await _bases(core, connection, {group_key: key}, loaded, periods, assumed, hold=False))[group_key]
    if side and rows:
        legacy = in_core_terms(side, basis.contract, basis.membership_types())
        if legacy.translated:
            reject_blocked(legacy.translated)
        if legacy.is_stale and legacy.translated:
            basis = aligned_basis(basis, legacy.translated, to_day(call.today(basis.contract.time_zone)))
            waits = True
    return Seen(basis, days_of(recorded), types_of(recorded), waits)


async def basis_of(
    core: Core, connection: Connection, key: GroupKey, head: GroupHead | None, also: Iterable[UUID]
) -> GroupBasis:
    """Returns what a group is computed from, without locks. `head` is None if the core doesn't have the group.

    Members in `also` whom the core doesn't know have no facts. Raises ContractUnknown.
    """
    group_key = head.group_key if head else NEW_GROUP
    of_group = await enrollment_reads.periods_of(connection, head.group_key, head.revision) if head else []
    assumed = {member_id: Facts() for member_id in await unknown_among(core, connection, {*also, key.primary_id})}
    loaded = await _load(core, connection, {group_key: key}, also, hold=False)
    bases = await _bases(core, connection, {group_key: key}, loaded, {group_key: of_group}, assumed, hold=False)
    return bases[group_key]


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


async def _load(
    core: Core, connection: Connection, keys: Mapping[int, GroupKey], also: Iterable[UUID], *, hold: bool
) -> _Loaded:
    """Loads what groups are computed from, except for facts. With `hold`, contracts can't change until the end."""
    contracts = {
        contract_id: await core.contract_source.current(connection, contract_id, hold=hold)
        for contract_id in sorted({key.contract_id for key in keys.values()})
    }
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
    *,
    hold: bool,
) -> dict[int, GroupBasis]:
    """Returns what groups are computed from, by group key. `periods` are those of their newest revisions. The facts of
    members in `assumed` are not loaded.
    """
    current = await core.fact_source.current_facts(connection, loaded.members - assumed.keys(), hold=hold)
    facts, aliases = {**current, **assumed}, loaded.aliases

    def basis(group_key: int, key: GroupKey) -> GroupBasis:
        of_group = tuple(loaded.decisions.get(group_key, ()))
        named = {key.primary_id} | {aliases.get(m, m) for m in enrolled_members(of_group)}
        contract, recorded = loaded.contracts[key.contract_id], days_of(periods.get(group_key, ()))
        recorded_days = read_with_aliases(recorded, aliases, contract.slots)
        closed = closed_by(facts, named, key.primary_id, recorded_days)
        return GroupBasis(contract, key.primary_id, of_group, facts, closed, aliases)

    return {group_key: basis(group_key, key) for group_key, key in keys.items()}
