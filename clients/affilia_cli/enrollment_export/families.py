"""Families as an export sees them: the days of each member on each module, and how they differ."""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentPeriod
from affilia_cli.enrollment_file.book.book import EnrollmentKey
from affilia_cli.enrollment_file.book.day_runs import NO_DAYS, DayRuns
from affilia_cli.enrollment_file.book.periods import days_by_enrollment, type_name


@dataclass(frozen=True, slots=True)
class FamilyState:
    """The days of each enrollment of a family, under all contracts, and the membership type of each member."""

    days: Lookup[EnrollmentKey, DayRuns] = field(default_factory=dict)
    types: Lookup[str, str] = field(default_factory=dict)

    def on(self, key: EnrollmentKey) -> DayRuns:
        return self.days.get(key, NO_DAYS)

    def of_member(self, member_id: str) -> DayRuns:
        """Returns the days on which a member is on any module."""
        return DayRuns.of(run for key, runs in self.days.items() if key.member_id == member_id for run in runs)

    def restricted_to(self, module_ids: Collection[str]) -> "FamilyState":
        kept = {key: runs for key, runs in self.days.items() if key.module_id in module_ids}
        return FamilyState(kept, self.types)

    def renamed(self, ids: Lookup[str, str]) -> "FamilyState":
        """Returns the state with the ids of merged members replaced by the remaining ones."""
        renamed = [
            FamilyState({EnrollmentKey(ids.get(key.member_id, key.member_id), key.module_id): runs})
            for key, runs in self.days.items()
        ]
        types = FamilyState({}, {ids.get(member_id, member_id): name for member_id, name in self.types.items()})
        return reduce(or_, renamed, types)

    def __or__(self, other: "FamilyState") -> "FamilyState":
        """Returns the state of both together."""
        common = {key: runs | other.days[key] for key, runs in self.days.items() if key in other.days}
        return FamilyState({**self.days, **other.days, **common}, {**self.types, **other.types})


@dataclass(frozen=True, slots=True)
class Family:
    """A primary and the current state of everyone who is enrolled with them."""

    primary_id: str
    state: FamilyState

    def renamed(self, ids: Lookup[str, str]) -> "Family":
        """Returns the family with the ids of merged members replaced. Primaries are never merged into others."""
        return Family(self.primary_id, self.state.renamed(ids))


@dataclass(frozen=True, slots=True)
class ChangedFamily:
    """A family before and after. Both states have the membership types of everyone who is in either.

    `reinstated` are the enrollments that regained days that they had even earlier. `corrected` are the members whose
    membership type was corrected.
    """

    primary_id: str
    before: FamilyState
    after: FamilyState
    reinstated: frozenset[EnrollmentKey] = frozenset()
    corrected: frozenset[str] = frozenset()

    def changed_keys(self) -> list[EnrollmentKey]:
        """Returns the enrollments whose days differ, in order of member and module."""
        keys = {*self.before.days, *self.after.days}
        return sorted(key for key in keys if self.before.on(key) != self.after.on(key))

    def restricted_to(self, module_ids: Collection[str]) -> "ChangedFamily":
        before, after = self.before.restricted_to(module_ids), self.after.restricted_to(module_ids)
        return ChangedFamily(self.primary_id, before, after, self.reinstated, self.corrected)

    def renamed(self, ids: Lookup[str, str]) -> "ChangedFamily":
        """Returns the family with the ids of merged members replaced by the remaining ones.

        A merge alone is then no difference.
        """
        return ChangedFamily(
            self.primary_id,
            self.before.renamed(ids),
            self.after.renamed(ids),
            frozenset(
                EnrollmentKey(ids.get(each.member_id, each.member_id), each.module_id) for each in self.reinstated
            ),
            frozenset(ids.get(member_id, member_id) for member_id in self.corrected),
        )

    def __or__(self, other: "ChangedFamily") -> "ChangedFamily":
        """Returns the differences of both together, which are about the same primary."""
        return ChangedFamily(
            self.primary_id,
            self.before | other.before,
            self.after | other.after,
            self.reinstated | other.reinstated,
            self.corrected | other.corrected,
        )


def state_of(periods: Sequence[EnrollmentPeriod]) -> FamilyState:
    """Returns a family's state from its periods."""
    types = {each.member_id: type_name(each.membership_type) for each in periods}
    return FamilyState(days_by_enrollment(periods), types)
