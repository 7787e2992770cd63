"""Folds the decisions of a group into what they amount to. One more decision then costs one step.

A revert changes which earlier decisions count, so all of them are folded again, as after an amendment or a merge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days
from domain.enrollment.counting import Aliases, Types, counting_among, reverted_requests, types_by, with_aliases
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey, Revert
from domain.enrollment.desired import Overrides, desired_days, lay_over, overridden_days, override


class Decided(NamedTuple):
    """The approved decisions of a group in order, and what determines how they are read."""

    contract: Contract
    primary_id: UUID
    decisions: tuple[Decision, ...]
    aliases: Aliases


@dataclass(frozen=True, slots=True)
class Size:
    """How many changes decisions make, and which members they enroll on which modules."""

    changes: int
    enrolled: frozenset[EnrollmentKey]

    def with_decision(self, decision: Decision) -> "Size":
        """Returns the size with one more decision."""
        one = size_of((decision,))
        return Size(self.changes + one.changes, self.enrolled | one.enrolled)


def size_of(decisions: Sequence[Decision]) -> Size:
    """Returns the size of all decisions. This is much faster than folding them."""
    changes = sum(len(decision.changes) + len(decision.consequence_leaves) for decision in decisions)
    enrolled = frozenset(
        EnrollmentKey(change.member_id, change.module_id)
        for decision in decisions
        for change in decision.changes
        if isinstance(change, Enroll)
    )
    return Size(changes, enrolled)


@dataclass(frozen=True, slots=True)
class Folded:
    """What decisions amount to: the days that they ask for, the days on which overridden rules count as satisfied, and
    the membership types. `reverted` are the requests that don't count, and `size` includes them.
    """

    decided: Decided
    reverted: frozenset[UUID]
    desired: Mapping[EnrollmentKey, Days]
    overrides: Overrides
    types: Types
    size: Size

    def with_decision(self, decision: Decision) -> "Folded":
        """Returns what the same decisions and one more amount to."""
        decided = self.decided._replace(decisions=(*self.decided.decisions, decision))
        if any(isinstance(change, Revert) for change in decision.changes):
            return folded(decided)
        read = with_aliases(decision, decided.aliases)
        desired, overrides = dict(self.desired), dict(self.overrides)
        lay_over(desired, read.days_changes, decided.contract)
        override(overrides, read)
        types, size = self.types.with_decision(read), self.size.with_decision(decision)
        return Folded(decided, self.reverted, desired, overrides, types, size)


def folded(decided: Decided) -> Folded:
    """Returns what all decisions amount to."""
    contract, primary_id, decisions, aliases = decided
    reverted = reverted_requests(decisions)
    counting = counting_among(decisions, reverted, aliases)
    types = types_by(primary_id, decisions, reverted, aliases)
    size = size_of(decisions)
    return Folded(decided, reverted, desired_days(counting, contract), overridden_days(counting), types, size)
