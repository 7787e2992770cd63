"""Which decisions of a group count, and how they are read: without reverted ones, and with merged members replaced.

Decisions are kept permanently as they were made. Everything that is computed from them starts here.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from domain.enrollment.decisions import Change, CorrectMembershipType, Decision, Enroll, Revert
from domain.membership import MembershipType

Aliases = Mapping[UUID, UUID]
"""The member into whom each merged member was merged, directly or through other merges."""


def counting_decisions(decisions: Sequence[Decision], aliases: Aliases) -> tuple[Decision, ...]:
    """Returns the decisions that count, in order, with merged members replaced."""
    reverted = reverted_requests(decisions)
    return tuple(
        _with_aliases(decision, aliases) if aliases else decision
        for decision in decisions
        if decision.change_request_id is None or decision.change_request_id not in reverted
    )


def reverted_requests(decisions: Sequence[Decision]) -> frozenset[UUID]:
    """Returns the requests that don't count because an odd number of reverts that count names them.

    A revert only names earlier requests, so whether it counts is known before the requests that it names are reached
    from the newest decision backwards.
    """
    reverts: Counter[UUID] = Counter()
    reverted: set[UUID] = set()
    for decision in reversed(decisions):
        request = decision.change_request_id
        if request is not None and reverts[request] % 2:
            reverted.add(request)
            continue
        reverts.update(change.change_request_id for change in decision.changes if isinstance(change, Revert))
    return frozenset(reverted)


def _with_aliases(decision: Decision, aliases: Aliases) -> Decision:
    return replace(
        decision,
        changes=tuple(with_alias(change, aliases) for change in decision.changes),
        consequence_leaves=tuple(
            replace(leave, member_id=aliases.get(leave.member_id, leave.member_id))
            for leave in decision.consequence_leaves
        ),
    )


def with_alias(change: Change, aliases: Aliases) -> Change:
    """Returns a change that names a merged member as one that names the member into whom they were merged."""
    if isinstance(change, Revert) or change.member_id not in aliases:
        return change
    return replace(change, member_id=aliases[change.member_id])


def membership_types(primary_id: UUID, decisions: Sequence[Decision], aliases: Aliases) -> dict[UUID, MembershipType]:
    """Returns the types of the primary and of everyone whom approved decisions enroll.

    A member's type is that of their last correction, otherwise of their first enroll. Decisions that don't count only
    matter for members whom no other decision names.
    """
    counting = counting_decisions(decisions, aliases)
    corrected: dict[UUID, MembershipType] = {}
    enrolled: dict[UUID, MembershipType] = {}
    every = decisions if len(counting) == len(decisions) else (*counting, *decisions)
    for decision in counting:
        for change in decision.changes:
            if isinstance(change, CorrectMembershipType):
                corrected[change.member_id] = change.membership_type
    for decision in every:
        for change in decision.changes:
            if isinstance(change, Enroll):
                enrolled.setdefault(aliases.get(change.member_id, change.member_id), change.membership_type)
    return {**enrolled, **corrected, primary_id: MembershipType.PRIMARY}


def type_conflicts(primary_id: UUID, counting: Sequence[Decision]) -> dict[UUID, MembershipType]:
    """Returns members who are enrolled with a type other than the one that they have at that point, with the first
    such type. The primary is PRIMARY, and nobody else is. A correction also applies to everything before it. After a
    merge, a correction can name the primary, who can't be corrected.
    """
    known = {primary_id: MembershipType.PRIMARY}
    conflicts: dict[UUID, MembershipType] = {}
    for decision in counting:
        for change in decision.changes:
            match change:
                case CorrectMembershipType(member_id, membership_type) if member_id == primary_id:
                    conflicts.setdefault(member_id, membership_type)
                case CorrectMembershipType(member_id, membership_type):
                    known[member_id] = membership_type
                    conflicts.pop(member_id, None)
                case Enroll(member_id, membership_type):
                    earlier = known.setdefault(member_id, membership_type)
                    is_primary = membership_type is MembershipType.PRIMARY
                    if membership_type is not earlier or is_primary != (member_id == primary_id):
                        conflicts.setdefault(member_id, membership_type)
    return conflicts
