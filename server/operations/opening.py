"""Loading a group with everything that its state is a function of: to change it, or only to look."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.days import Days
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey, GroupKey
from domain.enrollment.group import GroupBasis, days_of, replay
from domain.errors import GroupUnknown
from server.operations.core import Core
from storage import enrollment, enrollment_reads, recomputes
from storage.database import Connection
from storage.enrollment import LockedGroup
from storage.enrollment_reads import GroupHead

State = Mapping[EnrollmentKey, Days]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """A locked group, what its state is computed from, and that state."""

    group: LockedGroup
    basis: GroupBasis
    state: State


async def open_group(core: Core, tx: Connection, group: LockedGroup, also: Iterable[UUID] = ()) -> OpenGroup:
    """Loads what a locked group is computed from; `also` names members beside those known to it.

    Contract and facts are kept from changing until the transaction ends. Raises ContractUnknown, MemberUnknown.
    """
    basis = await _basis(core, tx, group.key, group.group_key, also, hold=True)
    return OpenGroup(group, basis, days_of(await enrollment_reads.periods_of(tx, group.group_key, group.revision)))


async def look_into(
    core: Core, connection: Connection, key: GroupKey, also: Iterable[UUID] = ()
) -> tuple[GroupBasis, State]:
    """What a group is computed from, and its state with a waiting recompute done; takes no locks.

    A group that does not exist yet has no decisions and no days. Raises ContractUnknown, MemberUnknown.
    """
    head = await _head(connection, key)
    basis = await _basis(core, connection, key, head.group_key if head else None, also, hold=False)
    if head is None:
        return basis, {}
    if await recomputes.waiting_recompute(connection, head.group_key):
        return basis, replay(basis).days
    return basis, days_of(await enrollment_reads.periods_of(connection, head.group_key, head.revision))


async def _head(connection: Connection, key: GroupKey) -> GroupHead | None:
    try:
        return await enrollment_reads.group_head(connection, key)
    except GroupUnknown:
        return None


async def _basis(
    core: Core, connection: Connection, key: GroupKey, group_key: int | None, also: Iterable[UUID], *, hold: bool
) -> GroupBasis:
    contract = await core.contract_source.current(connection, key.contract_id, hold=hold)
    decisions = await enrollment.decisions_of(connection, group_key) if group_key is not None else ()
    members = {key.primary_id, *also, *_enrolled_by(decisions)}
    facts = await core.fact_source.current_facts(connection, members, hold=hold)
    return GroupBasis(contract, key.primary_id, decisions, facts)


def _enrolled_by(decisions: Iterable[Decision]) -> set[UUID]:
    return {change.member_id for decision in decisions for change in decision.changes if isinstance(change, Enroll)}
