"""Translates a member's loop into target coverage: the modules and days that the member should or shouldn't have.

This module interprets the conventions of 834 files: coverage that dependants share with their subscriber, ends that are
cancellations, and reinstatements without a coverage. The plan then compares the targets with the state on the server.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.families import IdentifiedMember
from affilia_cli.enrollment_file.file import Coverage, FileMember
from affilia_cli.enrollment_file.findings import Finding, error, warning
from affilia_cli.enrollment_file.mapping import CoverageMapping, Mapping
from affilia_cli.enrollment_file.server_state import ServerState

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TargetCoverage:
    """Coverage by a module from `first_on` to `last_on`, both inclusive; or, if `ends`, no coverage after `last_on`.

    `first_on` is None only for ends. `last_on` is None only for coverage without an end.
    """

    contract_id: str
    module_id: str
    ends: bool
    first_on: date | None
    last_on: date | None


@dataclass(frozen=True, slots=True)
class TargetCoverages:
    """The target coverage of a member, ends first, with the findings."""

    targets: tuple[TargetCoverage, ...]
    findings: tuple[Finding, ...]


def target_coverage_of(identified: IdentifiedMember, mapping: Mapping, state: ServerState) -> TargetCoverages:
    """Returns the target coverage of a member. Errors in its findings reject the member."""
    reader = _TargetReader(identified, mapping, state)
    targets = list(dict.fromkeys(reader.targets()))
    targets.sort(key=lambda target: not target.ends)
    return TargetCoverages(tuple(targets), tuple(reader.findings))


def slots_taken_twice(targets: Iterable[TargetCoverage], member: FileMember, state: ServerState) -> Iterator[Finding]:
    """Yields a finding for each day conflict between two modules of one slot, of which a member can have only one."""
    covered = [target for target in targets if not target.ends and target.first_on]
    for one, other in combinations(covered, 2):
        slot = state.slot(one.contract_id, one.module_id)
        same = slot and one.contract_id == other.contract_id and slot == state.slot(other.contract_id, other.module_id)
        apart = _ends_before(one, other) or _ends_before(other, one)
        if same and one.module_id != other.module_id and not apart:
            message = f"The member has two overlapping coverages of which only one is allowed ({slot})."
            yield error("COVERAGES_EXCLUSIVE", message, member.first_segment, "2300", "HD")


def _ends_before(one: TargetCoverage, other: TargetCoverage) -> bool:
    return one.last_on is not None and other.first_on is not None and one.last_on < other.first_on


def last_day(member: FileMember) -> date | None:
    """Returns the last covered day if the member's coverage ends completely, otherwise None."""
    if member.maintenance != codes.END:
        return None
    ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
    return member.day(codes.ELIGIBLE_UNTIL) or max(ends, default=None) or member.day(codes.CHANGED_ON)


class _TargetReader:
    def __init__(self, identified: IdentifiedMember, mapping: Mapping, state: ServerState) -> None:
        self.findings: list[Finding] = []
        self._identified = identified
        self._member = identified.member
        self._mapping = mapping
        self._state = state
        self._periods = state.periods(identified.member_id, identified.primary_id)
        self._mentioned_modules: set[str] = set()

    def targets(self) -> Iterator[TargetCoverage]:
        for coverage in self._member.coverages:
            if coverage.maintenance == codes.NOT_APPLICABLE:
                self._add_warning(
                    "COVERAGE_NOT_APPLICABLE", "The coverage is not applicable (032) and is ignored.", coverage
                )
            elif entry := self._entry(coverage, self._member):
                self._mentioned_modules.add(entry.module_id)
                yield self._target(coverage, entry)
        maintenance = self._member.maintenance
        if maintenance == codes.END:
            yield from self._remaining_ends()
        elif not self._member.coverages:
            targets: list[TargetCoverage] = []
            if maintenance == codes.REINSTATE:
                targets = self._previous_coverage()
            if maintenance in (codes.ADD, codes.AUDIT, codes.REINSTATE):
                targets = targets or list(self._shared_coverage())
                if not targets:
                    self._report_missing_coverage()
            yield from targets

    def _target(self, coverage: Coverage, entry: CoverageMapping) -> TargetCoverage:
        member = self._member
        until = member.day(codes.ELIGIBLE_UNTIL)
        if coverage.maintenance in codes.COVERAGE_ENDS:
            last_on = coverage.ends_on or until or member.day(codes.CHANGED_ON)
            return TargetCoverage(entry.contract_id, entry.module_id, True, None, last_on)
        first_on = coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON)
        if first_on is None:  # Possible only for reinstatements and continued coverage.
            first_on = self._day_after(entry.module_id)
        if first_on is None:
            self._add_error(
                "BEGIN_UNKNOWN",
                "The coverage is reinstated without a first day, and the server has no earlier coverage.",
                coverage,
            )
            first_on = date.max
        last_on = min((day for day in (coverage.ends_on, until) if day), default=None)
        if last_on is not None and last_on < first_on:
            self._add_error("END_BEFORE_BEGIN", f"The last day {last_on} is before the first day {first_on}.", coverage)
        return TargetCoverage(entry.contract_id, entry.module_id, False, first_on, last_on)

    def _entry(self, coverage: Coverage, member: FileMember) -> CoverageMapping | None:
        entry = self._mapping.coverage(coverage, member, self._identified.subscriber)
        if entry is None:
            name = " ".join(part for part in (coverage.line, coverage.plan) if part)
            policy = member.reference(codes.POLICY_NUMBER)
            self._add_error(
                "COVERAGE_UNMAPPED",
                f"Coverage {name} under policy {policy or '(none)'} is not mapped to a module.",
                coverage,
            )
        return entry

    def _remaining_ends(self) -> Iterator[TargetCoverage]:
        """Yields the end of all current modules that the file doesn't end explicitly."""
        last_on = last_day(self._member)
        has_coverages = bool(self._member.coverages)
        if not self._periods:
            self._add_warning("NOTHING_TO_END", "The member ends, but has no coverage on the server.")
        if last_on is None or (has_coverages and not self._member.day(codes.ELIGIBLE_UNTIL)):
            return
        for period in self._periods:
            if not has_coverages or period.module_id not in self._mentioned_modules:
                yield TargetCoverage(period.contract_id, period.module_id, True, None, last_on)

    def _previous_coverage(self) -> list[TargetCoverage]:
        """Returns the member's last coverage, from the day in the file or without a gap."""
        mapped = [period for period in self._periods if period.module_id in self._mapping.module_ids]
        if not mapped or any(period.last_on is None for period in mapped):
            return [
                TargetCoverage(p.contract_id, p.module_id, False, p.first_on, None) for p in mapped if p.last_on is None
            ]
        newest = max(period.last_on for period in mapped if period.last_on)
        again_on = self._member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM) or newest + ONE_DAY
        last = [period for period in mapped if period.last_on == newest]
        return [TargetCoverage(each.contract_id, each.module_id, False, again_on, None) for each in last]

    def _shared_coverage(self) -> Iterator[TargetCoverage]:
        """Yields the subscriber's coverages whose level includes this dependant."""
        subscriber, member = self._identified.subscriber, self._member
        if subscriber is None or member.is_subscriber or subscriber.maintenance == codes.END:
            return
        levels = codes.LEVELS_THAT_INCLUDE.get(self._identified.membership_type, frozenset[str]())
        for coverage in subscriber.coverages:
            if coverage.level not in levels or coverage.maintenance in codes.COVERAGE_ENDS:
                continue
            begins = (coverage.begins_on, member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON))
            first_on = max((day for day in begins if day), default=None)
            entry = self._entry(coverage, member)
            if first_on and entry:
                message = (
                    f"The dependant has no coverage and shares {coverage.line} {coverage.level} of the subscriber."
                )
                self._add_warning("COVERAGE_SHARED", message)
                ends = (coverage.ends_on, member.day(codes.ELIGIBLE_UNTIL))
                last_on = min((day for day in ends if day), default=None)
                if last_on is not None and last_on < first_on:
                    self._add_error("END_BEFORE_BEGIN", f"The last day {last_on} is before the first day {first_on}.")
                yield TargetCoverage(entry.contract_id, entry.module_id, False, first_on, last_on)

    def _report_missing_coverage(self) -> None:
        if self._member.maintenance == codes.REINSTATE:
            self._add_error(
                "COVERAGE_MISSING", "The member is reinstated, but neither the file nor the server has a coverage."
            )
        elif self._member.is_subscriber or self._periods:
            self._add_warning(
                "COVERAGE_MISSING", "The member has no coverage (HD). The coverage on the server stays unchanged."
            )
        else:
            self._add_error(
                "COVERAGE_MISSING",
                "The dependant has no coverage (HD), and the subscriber's coverage doesn't include dependants.",
            )

    def _day_after(self, module_id: str) -> date | None:
        """Returns the day after the last covered day of a module, or the first day of a period without an end."""
        on = [period for period in self._periods if period.module_id == module_id]
        if open_ended := next((period for period in on if period.last_on is None), None):
            return open_ended.first_on
        newest = max((period.last_on for period in on if period.last_on), default=None)
        return newest + ONE_DAY if newest else None

    def _add_error(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self.findings.append(error(code, message, *self._location(coverage)))

    def _add_warning(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self.findings.append(warning(code, message, *self._location(coverage)))

    def _location(self, coverage: Coverage | None) -> tuple[int, str, str]:
        return (coverage.segment_number, "2300", "HD") if coverage else (self._member.first_segment, "2000", "INS")
