"""Which decisions of a group count, and how they are read: without reverted ones, and with merged members replaced.

Decisions are kept permanently as they were made. Everything that is computed from them starts here.
"""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.enrollment.decisions import Change, CorrectMembershipType, Decision, Enroll, Revert
from domain.membership import MembershipType

Aliases = Mapping[UUID, UUID]
"""The member into whom each merged member was merged, directly or through other merges."""


def counting_among(
    decisions: Sequence[Decision], reverted: Container[UUID | None], aliases: Aliases
) -> tuple[Decision, ...]:
    """Returns the decisions of requests that aren't reverted, in order, with merged members replaced."""
    return tuple(
        with_aliases(decision, aliases) for decision in decisions if decision.change_request_id not in reverted
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


def with_aliases(decision: Decision, aliases: Aliases) -> Decision:
    """Returns a decision with merged members replaced."""
    if not aliases:
        return decision
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


@dataclass(frozen=True, slots=True)
class Types:
    """The membership types of a group: of the primary, and of everyone whom approved decisions enroll or correct.

    `known` are the types by the decisions that count: a member's last correction, otherwise their first enroll.
    `by_reverted` are the types with which reverted decisions enroll members. They only matter for members whom no other
    decision names.

    `conflicts` are the members who are enrolled with a type other than the one that they have at that point, with the
    first such type. The primary is PRIMARY, and nobody else is. A correction also applies to everything before it.
    After a merge, a correction can name the primary, who can't be corrected.
    """

    primary_id: UUID
    known: Mapping[UUID, MembershipType]
    by_reverted: Mapping[UUID, MembershipType]
    conflicts: Mapping[UUID, MembershipType]

    def with_decision(self, decision: Decision) -> "Types":
        """Returns the types after another decision that counts."""
        known, conflicts = dict(self.known), dict(self.conflicts)
        _read_types(decision, self.primary_id, known, conflicts)
        return Types(self.primary_id, known, self.by_reverted, conflicts)

    def of_members(self) -> dict[UUID, MembershipType]:
        """Returns the type of each member."""
        return {**self.by_reverted, **self.known}


def types_by(
    primary_id: UUID, decisions: Sequence[Decision], reverted: Container[UUID | None], aliases: Aliases
) -> Types:
    """Returns the types by all decisions, those of reverted requests included."""
    known, conflicts = {primary_id: MembershipType.PRIMARY}, dict[UUID, MembershipType]()
    by_reverted: dict[UUID, MembershipType] = {}
    for decision in decisions:
        read = with_aliases(decision, aliases)
        if decision.change_request_id not in reverted:
            _read_types(read, primary_id, known, conflicts)
            continue
        for change in read.changes:
            if isinstance(change, Enroll):
                by_reverted.setdefault(change.member_id, change.membership_type)
    return Types(primary_id, known, by_reverted, conflicts)


def _read_types(
    decision: Decision,
    primary_id: UUID,
    known: dict[UUID, MembershipType],
    conflicts: dict[UUID, MembershipType],
) -> None:
    """Adds the types of a decision that counts to `known` and `conflicts`, in place."""
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


def membership_types(primary_id: UUID, decisions: Sequence[Decision], aliases: Aliases) -> dict[UUID, MembershipType]:
    """Returns the types of the primary and of everyone whom approved decisions enroll."""
    return types_by(primary_id, decisions, reverted_requests(decisions), aliases).of_members()
