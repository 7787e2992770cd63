"""A slow, obvious model of how the decisions of a group are read: which ones count, about whom, and with which types.

It shares no code with the engine, apart from values.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from domain.enrollment.decisions import Change, CorrectMembershipType, Decision, Enroll, Revert
from domain.membership import MembershipType


@dataclass(frozen=True)
class Recorded:
    """The decisions of a group, and the merges, each as the merged member and the member into whom they were merged."""

    primary_id: UUID
    decisions: tuple[Decision, ...] = ()
    merges: tuple[tuple[UUID, UUID], ...] = ()

    def plus(self, decision: Decision) -> "Recorded":
        """Returns the group after another decision."""
        return replace(self, decisions=(*self.decisions, decision))

    def merged(self, member_id: UUID, into: UUID) -> "Recorded":
        """Returns the group after a merge."""
        return replace(self, merges=(*self.merges, (member_id, into)))

    def counts(self, position: int) -> bool:
        """Returns whether an even number of reverts that count names a decision."""
        request = self.decisions[position].change_request_id
        reverts = 0
        for later in range(position + 1, len(self.decisions)):
            naming = [] if request is None else [c for c in self.decisions[later].changes if c == Revert(request)]
            if naming and self.counts(later):
                reverts += len(naming)
        return reverts % 2 == 0

    def person(self, member_id: UUID) -> UUID:
        """Returns the member whom a recorded id stands for."""
        for merged, into in self.merges:
            if merged == member_id:
                return self.person(into)
        return member_id

    def aliases(self) -> dict[UUID, UUID]:
        """Returns the merged members with the members whom they stand for."""
        return {merged: self.person(merged) for merged, _ in self.merges}

    def as_read(self) -> list[Decision]:
        """Returns the decisions that count, about the persons whom they are about."""
        return [self._renamed(decision) for n, decision in enumerate(self.decisions) if self.counts(n)]

    def _renamed(self, decision: Decision) -> Decision:
        def renamed(change: Change) -> Change:
            return change if isinstance(change, Revert) else replace(change, member_id=self.person(change.member_id))

        leaves = tuple(replace(leave, member_id=self.person(leave.member_id)) for leave in decision.consequence_leaves)
        return replace(decision, changes=tuple(map(renamed, decision.changes)), consequence_leaves=leaves)

    def types(self) -> dict[UUID, MembershipType]:
        """Returns the types: the last one that a member was corrected to, otherwise the one first enrolled with.

        Decisions that don't count only matter for members whom no other decision enrolls or corrects.
        """
        known = {self.primary_id: MembershipType.PRIMARY}
        for decision in self.as_read():
            for change in decision.changes:
                if isinstance(change, CorrectMembershipType):
                    known[change.member_id] = change.membership_type
                elif isinstance(change, Enroll):
                    known.setdefault(change.member_id, change.membership_type)
        for decision in map(self._renamed, self.decisions):
            for change in decision.changes:
                if isinstance(change, Enroll):
                    known.setdefault(change.member_id, change.membership_type)
        return known

    def conflicts(self) -> set[UUID]:
        """Returns the members whom decisions enroll with different types, none of which is a correction of the others,
        and those who are wrongly PRIMARY or not PRIMARY.
        """
        enrolled: dict[UUID, list[MembershipType]] = {self.primary_id: [MembershipType.PRIMARY]}
        for decision in self.as_read():
            for change in decision.changes:
                if isinstance(change, CorrectMembershipType):
                    enrolled[change.member_id] = [change.membership_type]
                elif isinstance(change, Enroll):
                    enrolled.setdefault(change.member_id, []).append(change.membership_type)
        return {member for member, types in enrolled.items() if len(set(types)) > 1 or self._is_wrong(member, types[0])}

    def _is_wrong(self, member_id: UUID, membership_type: MembershipType) -> bool:
        return (member_id == self.primary_id) != (membership_type is MembershipType.PRIMARY)

    def unmerged(self, members: list[UUID]) -> list[UUID]:
        """Returns those of some members who weren't merged into others."""
        return [member for member in members if self.person(member) == member]

    def requests(self) -> Iterator[UUID]:
        """Yields the ids of the requests, in order."""
        for decision in self.decisions:
            if decision.change_request_id:
                yield decision.change_request_id
