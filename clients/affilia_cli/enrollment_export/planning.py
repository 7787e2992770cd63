"""Plans the loops of families for both kinds of files, and remarks on what is left out."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from affilia_cli.enrollment_export.families import ChangedFamily, Family
from affilia_cli.enrollment_export.left_out import Remarks
from affilia_cli.enrollment_export.member_loops import MemberLoop, changed_loops, full_loops, unmapped_keys
from affilia_cli.enrollment_export.outbound_mapping import OutboundMapping
from affilia_cli.enrollment_export.statuses import with_statuses
from affilia_cli.enrollment_file.book.book import EnrollmentKey

AnyFamily_contra = TypeVar("AnyFamily_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class PlannedFamily:
    """The loops of a family in a file, the subscriber's first. Empty if the file doesn't name the family."""

    primary_id: str
    loops: list[MemberLoop]


class Planner(Protocol[AnyFamily_contra]):
    """Plans families in two steps, so that the members of many families are read together in between."""

    def member_ids(self, family: AnyFamily_contra) -> Collection[str]:
        """Returns the members whom the file can name."""

    def planned(self, family: AnyFamily_contra, remaining_ids: Lookup[str, str]) -> PlannedFamily:
        """Returns the loops. `remaining_ids` has the remaining id of each merged member."""


@dataclass(frozen=True, slots=True)
class CoverageFilter:
    """Leaves out coverages that the mapping can't describe, and adds a remark for each."""

    mapping: OutboundMapping
    module_names: Lookup[str, str]
    remarks: Remarks

    def remark_unmapped(self, keys: Sequence[EnrollmentKey]) -> None:
        self._add("MODULE_UNMAPPED", (key.module_id for key in unmapped_keys(keys, self.mapping.coverages)))

    def with_statuses(self, primary_id: str, loops: list[MemberLoop]) -> PlannedFamily:
        """Returns the loops with the statuses that the mapping asks for."""
        stated, wrong = with_statuses(loops, self.mapping)
        self._add("COVERAGE_AMBIGUOUS", wrong)
        return PlannedFamily(primary_id, stated)

    def _add(self, code: str, module_ids: Iterable[str]) -> None:
        self.remarks.add(code, (self.module_names.get(module_id, module_id) for module_id in module_ids))


@dataclass(frozen=True, slots=True)
class FullPlanner:
    """Plans full files: everyone who is enrolled today or later."""

    coverage_filter: CoverageFilter
    today: date

    def member_ids(self, family: Family) -> Collection[str]:
        current = {key.member_id for key in self._current(family)}
        return {family.primary_id, *current} if current else ()

    def planned(self, family: Family, remaining_ids: Lookup[str, str]) -> PlannedFamily:
        if remaining_ids:
            family = family.renamed(remaining_ids)
        self.coverage_filter.remark_unmapped(self._current(family))
        loops = full_loops(family, self.coverage_filter.mapping.coverages, self.today)
        return self.coverage_filter.with_statuses(family.primary_id, loops)

    def _current(self, family: Family) -> list[EnrollmentKey]:
        return [key for key, days in family.state.days.items() if days.runs[-1].last_on >= self.today]


@dataclass(frozen=True, slots=True)
class ChangePlanner:
    """Plans files of changes. The options are those of `changed_loops`."""

    coverage_filter: CoverageFilter
    own_numbers: bool
    reinstate_to_shorten: bool

    def member_ids(self, family: ChangedFamily) -> Collection[str]:
        return {family.primary_id, *family.corrected, *(key.member_id for key in family.changed_keys())}

    def planned(self, family: ChangedFamily, remaining_ids: Lookup[str, str]) -> PlannedFamily:
        if remaining_ids:
            family = family.renamed(remaining_ids)
        self.coverage_filter.remark_unmapped(family.changed_keys())
        loops = changed_loops(
            family,
            self.coverage_filter.mapping.coverages,
            own_numbers=self.own_numbers,
            reinstate_to_shorten=self.reinstate_to_shorten,
        )
        return self.coverage_filter.with_statuses(family.primary_id, loops)
