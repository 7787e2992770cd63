"""Opens locked groups: loads everything that their states are computed from.

Opening many groups takes as many queries as opening one. The inputs of a group from the last time that this
process changed it are cached (`group_memory.py`), so that only contracts and facts are checked again.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.catalog.contract import Contract
from domain.enrollment.closing import closed_by, read_with_aliases
from domain.enrollment.decisions import enrolled_members
from domain.enrollment.group import GroupBasis, days_of, types_of
from domain.enrollment.history import GroupState
from domain.errors import ContractUnknown, DomainError, MemberUnknown, WriteConflict
from domain.members import Facts
from domain.membership import MembershipType
from operations.call import Call
from operations.core import Core
from operations.group_memory import Recorded, State
from operations.legacy.members import store_missing
from operations.legacy.sides import LegacySide, TranslatedSide, in_core_terms, lock_sides
from storage import enrollment, enrollment_reads, merges, recomputes
from storage.enrollment import LockedGroup
from storage.postgres.database import Connection
from storage.postgres.locks import DecisionLocks, Lock
from storage.recomputes import WaitingRecompute

NOBODY: Mapping[UUID, Collection[UUID]] = {}


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group, what its state is computed from and its recorded state, and its waiting recompute, if any.

    `opened_at` is an instant of recording after all locks were taken. `legacy` is what its locked rows in legacy tables
    say, if its country is being migrated. `view` is the view of the recorded state, if this transaction has made it.
    """

    group: LockedGroup
    recorded: Recorded
    waiting: WaitingRecompute | None
    opened_at: datetime
    legacy: TranslatedSide | None = None
    view: bytes | None = None

    @property
    def basis(self) -> GroupBasis:
        return self.recorded.basis

    @property
    def state(self) -> State:
        return self.recorded.state

    @property
    def types(self) -> Mapping[UUID, MembershipType]:
        return self.recorded.types

    def next_instant(self) -> datetime:
        """Returns the instant for what is recorded next: later than everything recorded of the group before."""
        return max(self.opened_at, self.group.recorded_at + timedelta(microseconds=1))


async def open_groups(core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup]) -> list[OpenGroup]:
    """Opens locked groups. Returns them in the order given.

    Contracts and facts can't change until the transaction ends, and neither can legacy rows. Raises ContractUnknown,
    MemberUnknown, MigrationStageForbids.
    """
    opened = await try_to_open(core, call, tx, groups)
    return [_opened(opened[group.group_id]) for group in groups]


def _opened(result: OpenGroup | DomainError) -> OpenGroup:
    if isinstance(result, DomainError):
        raise result
    return result


async def try_to_open(
    core: Core,
    call: Call,
    tx: Connection,
    groups: Sequence[LockedGroup],
    also: Mapping[UUID, Collection[UUID]] = NOBODY,
    locks: DecisionLocks | None = None,
) -> dict[UUID, OpenGroup | DomainError]:
    """Opens locked groups, or returns why one can't be opened: ContractUnknown, MemberUnknown, WriteConflict.

    `also` are additional members whose facts are needed, by group id. `locks` are those that the transaction has
    already taken; groups whose contracts or members are busy are in conflict. Raises MigrationStageForbids.
    """
    locks = locks or DecisionLocks(tx)
    sides = await lock_sides(core, tx, groups)
    found = await _contracts(core, tx, {group.key.contract_id for group in groups}, locks)
    failed = {
        group.group_id: contract
        for group in groups
        if isinstance(contract := found[group.key.contract_id], DomainError)
    }
    groups = [group for group in groups if group.group_id not in failed]
    contracts = {each: contract for each, contract in found.items() if isinstance(contract, Contract)}
    stored = [group.group_key for group in groups if not group.is_new]
    now = await recomputes.groups_now(tx, stored)
    recorded = await _recorded(core, tx, groups, contracts, now.erasures)
    named = {
        group.group_id: _named(group, recorded[group.group_id], also, sides.get(group.group_id)) for group in groups
    }
    everybody = set().union(*named.values())
    aliases = await merges.aliases_of(tx, everybody)
    if legacy := [side.group for side in sides.values() if side.group is not None]:
        await store_missing(core, call, tx, legacy, everybody | set(aliases.values()))
    while await locks.take({Lock.MEMBER: everybody | set(aliases.values())}):  # may have changed before the lock
        aliases = await merges.aliases_of(tx, everybody)
        now = await recomputes.groups_now(tx, stored)
    needed = {  # a merged primary has no approved requests, but has facts
        group.group_id: {group.key.primary_id, *(aliases.get(each, each) for each in named[group.group_id])}
        for group in groups
    }
    facts = await _facts(core, tx, needed, locks)

    def opened(group: LockedGroup) -> OpenGroup | DomainError:
        of_group, side = facts[group.group_id], sides.get(group.group_id)
        if isinstance(of_group, DomainError):
            return of_group
        own_aliases = {each: aliases[each] for each in named[group.group_id] if each in aliases}
        current = _with_current(recorded[group.group_id], contracts[group.key.contract_id], of_group, own_aliases)
        legacy = in_core_terms(side, current.basis.contract, current.basis.membership_types()) if side else None
        return OpenGroup(group, current, now.waiting.get(group.group_key), now.instant, legacy)

    return {group.group_id: opened(group) for group in groups} | failed


def _named(
    group: LockedGroup, recorded: Recorded, also: Mapping[UUID, Collection[UUID]], side: LegacySide | None
) -> set[UUID]:
    """Returns the members whose facts a group needs, as they are named."""
    of_legacy = side.group.member_ids.values() if side and side.group else ()
    return {group.key.primary_id, *recorded.enrolled, *also.get(group.group_id, ()), *of_legacy}


def _with_current(
    recorded: Recorded, contract: Contract, facts: Mapping[UUID, Facts], aliases: Mapping[UUID, UUID]
) -> Recorded:
    """Returns what is recorded of a group with the current contract, facts and merges."""
    basis = recorded.basis
    if basis.contract is contract and basis.aliases == aliases:
        basis = replace(basis, facts=facts)
    else:
        basis = GroupBasis(contract, basis.primary_id, basis.decisions, facts, None, aliases)
    return replace(recorded, basis=closed_basis(basis, recorded.enrolled, recorded.state))


def closed_basis(basis: GroupBasis, enrolled: Set[UUID], recorded: State) -> GroupBasis:
    """Returns a basis with its past closed, if facts of the group were erased. `enrolled` are the members whom its
    decisions enroll, and `recorded` the days of its newest revision."""
    named = {basis.primary_id} | {basis.aliases.get(each, each) for each in enrolled}
    days = read_with_aliases(recorded, basis.aliases, basis.contract.slots)
    closed = closed_by(basis.facts, named, basis.primary_id, days)
    return basis if closed == basis.closed else replace(basis, closed=closed)


async def _contracts(
    core: Core, tx: Connection, contract_ids: Set[UUID], locks: DecisionLocks
) -> dict[UUID, Contract | DomainError]:
    """Returns contracts, which can't be amended until the transaction ends, or the errors."""
    await locks.take({Lock.CONTRACT: contract_ids})
    busy = locks.busy(Lock.CONTRACT, contract_ids)
    known = await core.contract_source.current(tx, contract_ids - busy, hold=True)
    unknown = contract_ids - busy - known.keys()
    return known | {each: WriteConflict() for each in busy} | {each: ContractUnknown(each) for each in unknown}


async def _recorded(
    core: Core, tx: Connection, groups: Sequence[LockedGroup], contracts: Mapping[UUID, Contract], erasures: int
) -> dict[UUID, Recorded]:
    """Returns what is recorded of locked groups, from memory if nothing has been recorded or erased since."""
    found = {group.group_id: core.groups.recall(group, erasures) for group in groups}
    known = {group_id: recorded for group_id, recorded in found.items() if recorded is not None}
    missing = [group for group in groups if group.group_id not in known]
    stored = [group.group_key for group in missing if not group.is_new]
    decisions = await enrollment.decisions_of(tx, stored) if stored else {}
    states = await enrollment_reads.newest_states(tx, [group for group in missing if group.revision])
    for group in missing:
        of_group = tuple(decisions.get(group.group_key, ()))
        current, had = states.get(group.group_key) or (GroupState(group.group_id, group.key, 0, None, None, ()), {})
        known[group.group_id] = Recorded(
            GroupBasis(contracts[group.key.contract_id], group.key.primary_id, of_group, {}),
            current,
            days_of(current.periods),
            types_of(current.periods),
            had,
            frozenset(enrolled_members(of_group)),
            erasures,
        )
    return known


async def _facts(
    core: Core, tx: Connection, needed: Mapping[UUID, Set[UUID]], locks: DecisionLocks
) -> dict[UUID, Mapping[UUID, Facts] | DomainError]:
    """Returns the facts that groups need, by group id, which can't change until the transaction ends, or the
    errors."""
    found: dict[UUID, Mapping[UUID, Facts] | DomainError] = {
        group_id: WriteConflict() for group_id, members in needed.items() if locks.busy(Lock.MEMBER, members)
    }
    while True:
        left = {group_id: members for group_id, members in needed.items() if group_id not in found}
        try:
            facts = await core.fact_source.current_facts(tx, set().union(*left.values()), hold=True)
        except MemberUnknown as unknown:
            without = {group_id for group_id, members in left.items() if unknown.member_id in members}
            if not without:
                raise
            found |= dict.fromkeys(without, unknown)
        else:
            return found | {group_id: {each: facts[each] for each in members} for group_id, members in left.items()}
