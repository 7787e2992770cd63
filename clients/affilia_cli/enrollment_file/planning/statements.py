"""Translates the loops of a person into ends and statements for modules.

This module interprets the conventions of 834 files: dates that stand for others, cover that dependants share with
their subscriber, ends of a member as a whole, and reinstatements without a coverage. `planned_days.py` then computes
the days.
"""

from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from datetime import date

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.book import Book
from affilia_cli.enrollment_file.book.day_runs import DayRuns, Run, day_after
from affilia_cli.enrollment_file.coverage_mapping import ADVICE, CoverageMapping, Unmapped
from affilia_cli.enrollment_file.findings import Finding, error, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.planning.loop_conventions import (
    benefit_status,
    earliest,
    member_last_day,
    reason_code,
    shared_coverages,
)
from affilia_cli.enrollment_file.planning.stated_days import End, ModuleKey, StatedModule, Statement
from affilia_cli.enrollment_file.planning.wording import coverage_name
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember


@dataclass(frozen=True, slots=True)
class PersonStatements:
    """What a file states about the cover of a person. `mentions_cover` is false if it only states facts.

    If a finding is an error, the person is rejected.
    """

    modules: Lookup[ModuleKey, StatedModule]
    mentions_cover: bool
    findings: tuple[Finding, ...]


def statements_of(person: Person, mapping: Mapping, book: Book, days: Lookup[ModuleKey, DayRuns]) -> PersonStatements:
    """Returns what the loops of a person state. `days` are their days in the book, in this family."""
    reader = _StatementReader(person, mapping, book, days)
    for loop in person.loops:
        reader.read(loop)
    return reader.result()


class _StatementReader:
    def __init__(self, person: Person, mapping: Mapping, book: Book, days: Lookup[ModuleKey, DayRuns]) -> None:
        self._person = person
        self._mapping = mapping
        self._book = book
        mapped = {ModuleKey(each.contract_id, each.module_id) for each in mapping.coverages}
        self._days = {key: each for key, each in days.items() if key in mapped and each}
        self._findings: list[Finding] = []
        self._names: dict[ModuleKey, str] = {}
        self._reasons: dict[ModuleKey, str] = {}
        self._ends: dict[ModuleKey, list[End]] = {}
        self._statements: dict[ModuleKey, list[Statement]] = {}
        self._mentions_cover = False
        stored = book.members.get(person.member_id)
        born = [loop.member.born_on for loop in person.loops if loop.member.born_on]
        died = [loop.member.died_on for loop in person.loops if loop.member.died_on]
        self._born_on = born[-1] if born else stored.born_on if stored else None
        self._died_on = died[-1] if died else stored.died_on if stored else None

    def result(self) -> PersonStatements:
        modules = {
            key: StatedModule(
                name,
                tuple(dict.fromkeys(self._ends.get(key, ()))),
                tuple(dict.fromkeys(self._statements.get(key, ()))),
                self._reasons[key],
            )
            for key, name in self._names.items()
        }
        return PersonStatements(modules, self._mentions_cover, tuple(dict.fromkeys(self._findings)))

    def read(self, loop: PersonLoop) -> None:
        member = loop.member
        mentioned = set[ModuleKey]()
        for coverage in member.coverages:
            if coverage.maintenance == codes.NOT_APPLICABLE:
                self._warn("COVERAGE_NOT_APPLICABLE", "The coverage is not applicable (032) and is ignored.", coverage)
            elif entry := self._entry(coverage, loop):
                self._mentions_cover = True
                key = self._key(entry, coverage_name(coverage), member)
                mentioned.add(key)
                if coverage.maintenance in codes.COVERAGE_ENDS:
                    self._read_end(key, coverage, member)
                else:
                    self._read_statement(key, coverage, member)
        if not member.coverages:
            self._check_status(loop)
        if member.maintenance == codes.END:
            self._mentions_cover = True
            if not member.coverages or member.day(codes.ELIGIBLE_UNTIL):
                self._end_other_modules(loop, mentioned)
        elif not member.coverages:
            self._read_without_coverage(loop)

    def _read_end(self, key: ModuleKey, coverage: Coverage, member: FileMember) -> None:
        last_on = coverage.ends_on or member.day(codes.ELIGIBLE_UNTIL, codes.CHANGED_ON)
        if last_on is None:
            self._reject("END_UNKNOWN", "The coverage ends, but the last day is missing.", coverage)
            return
        first_on = coverage.begins_on
        if first_on and first_on > day_after(last_on):
            message = f"The last day {last_on} is before the first day {first_on} of the coverage that ends."
            self._reject("END_BEFORE_BEGIN", message, coverage)
            return
        self._add_end(
            key,
            # A cancellation's last day is the day before the first day.
            Run(first_on, last_on) if first_on and first_on <= last_on else Run(last_on, day_after(last_on)),
            last_on,
            member,
            coverage.segment_number,
            deletes=coverage.maintenance == codes.DELETE,
        )

    def _add_end(
        self, key: ModuleKey, within: Run, last_on: date, member: FileMember, at: int, *, deletes: bool = False
    ) -> None:
        ends_family = member.is_subscriber and member.maintenance == codes.END
        self._ends.setdefault(key, []).append(End(within, last_on, deletes, ends_family, at))

    def _end_other_modules(self, loop: PersonLoop, mentioned: set[ModuleKey]) -> None:
        """Ends all other modules in the run of cover, on any module, that contains the last day or begins on the next.

        Cover that begins later stays: the file says nothing about it, and the member can have joined again.
        """
        member, modules = loop.member, self._modules_without_coverage(loop)
        last_on = member_last_day(member)
        if last_on is None:
            self._reject("END_UNKNOWN", "The member ends, but the last day is missing.")
            return
        cover = DayRuns.of(run for days in modules.values() for run in days)
        end = Run(last_on, day_after(last_on))
        within = next((run for run in cover if run.shares_a_day_with(end)), None)
        if within is None:
            if not mentioned:
                message = (
                    f"The member ends after {last_on}, but has no cover then. To end cover that begins later,"
                    " send the coverage (HD) with its first day (DTP 348)."
                )
                self._warn("NOTHING_TO_END", message)
            return
        for key, days in modules.items():
            if key not in mentioned and any(run.shares_a_day_with(within) for run in days):
                contract = self._book.contracts[key.contract_id]
                self._name(key, contract.module_names.get(key.module_id, key.module_id), member)
                self._add_end(key, within, last_on, member, member.first_segment)

    def _read_statement(self, key: ModuleKey, coverage: Coverage, member: FileMember) -> None:
        if coverage.maintenance == codes.REINSTATE:
            first_on = coverage.begins_on or member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM)
        else:
            first_on = coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON)
            if first_on is None:
                self._reject("BEGIN_UNKNOWN", "The first day (DTP 348, 356 or 303) is missing.", coverage)
                return
        self._state(
            key,
            Statement(
                first_on,
                earliest(coverage.ends_on, member.day(codes.ELIGIBLE_UNTIL)),
                is_correction=coverage.maintenance == codes.CORRECT,
                is_audit=codes.AUDIT in (coverage.maintenance, member.maintenance),
                segment_number=coverage.segment_number,
            ),
        )

    def _state(self, key: ModuleKey, statement: Statement) -> None:
        """Adds a statement, without its days before the contract."""
        first_on, last_on, at = statement.first_on, statement.last_on, statement.segment_number
        if first_on and last_on < first_on:
            message = f"The last day {last_on} is before the first day {first_on}."
            self._findings.append(error("END_BEFORE_BEGIN", message, at, "2300", "DTP03"))
            return
        if first_on and self._born_on and first_on < self._born_on:
            message = f"Coverage starts on {first_on}, before the birth on {self._born_on}."
            self._findings.append(error("COVERED_BEFORE_BIRTH", message, at, "2300", "DTP03"))
        if self._died_on and last_on > self._died_on:
            until = f"lasts until {last_on}" if last_on != date.max else "has no end"
            message = f"Coverage {until}, but the member died on {self._died_on}."
            self._findings.append(error("COVERED_AFTER_DEATH", message, at, "2300", "DTP03"))
        starts_on = self._book.contracts[key.contract_id].starts_on
        if first_on and first_on < starts_on <= last_on:
            message = f"Coverage starts on {starts_on} with the contract, not on {first_on}."
            self._findings.append(warning("BEGINS_BEFORE_CONTRACT", message, at, "2300", "DTP"))
            statement = Statement(starts_on, last_on, statement.is_correction, statement.is_audit, at)
        self._statements.setdefault(key, []).append(statement)

    def _read_without_coverage(self, loop: PersonLoop) -> None:
        """Reads a member who doesn't end and has no coverage."""
        member = loop.member
        states_cover = member.maintenance in (codes.ADD, codes.AUDIT, codes.REINSTATE)
        if not states_cover and loop.transaction.action in codes.FULL_FILES and self._days:
            self._report_missing_coverage(member)
        reinstated = member.maintenance == codes.REINSTATE and self._reinstate(loop)
        if states_cover and not reinstated and not self._share(loop):
            self._report_missing_coverage(member)

    def _reinstate(self, loop: PersonLoop) -> bool:
        """Reinstates the mapped cover that ended last. Returns false if there is none."""
        member, modules = loop.member, self._modules_without_coverage(loop)
        if not modules:
            return False
        latest = max(days.runs[-1].last_on for days in modules.values())
        first_on = member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM) if latest != date.max else None
        for key, days in modules.items():
            if days.runs[-1].last_on == latest:
                contract = self._book.contracts[key.contract_id]
                self._name(key, contract.module_names.get(key.module_id, key.module_id), member)
                last_on = earliest(member.day(codes.ELIGIBLE_UNTIL))
                self._state(key, Statement(first_on, last_on, segment_number=member.first_segment))
        self._mentions_cover = True
        return True

    def _share(self, loop: PersonLoop) -> bool:
        """States the subscriber's coverages whose level includes this dependant. Returns false if there is none."""
        shared = list(shared_coverages(loop, self._person.membership_type))
        for coverage, first_on in shared:
            if entry := self._entry(coverage, loop):
                message = (
                    f"The dependant has no coverage and shares {coverage.line} {coverage.level} of the subscriber."
                )
                self._warn("COVERAGE_SHARED", message)
                member = loop.member
                last_on = earliest(coverage.ends_on, member.day(codes.ELIGIBLE_UNTIL))
                audit = member.maintenance == codes.AUDIT
                key = self._key(entry, coverage_name(coverage), member)
                self._state(key, Statement(first_on, last_on, is_audit=audit, segment_number=member.first_segment))
        self._mentions_cover = self._mentions_cover or bool(shared)
        return bool(shared)

    def _report_missing_coverage(self, member: FileMember) -> None:
        if member.maintenance == codes.REINSTATE:
            self._reject(
                "COVERAGE_MISSING", "The member is reinstated, but neither the file nor the server has a coverage."
            )
        elif member.is_subscriber or self._days:
            self._warn("COVERAGE_MISSING", "The member has no coverage (HD). The stored cover stays unchanged.")
        else:
            message = "The dependant has no coverage (HD), and the subscriber's coverage doesn't include dependants."
            self._reject("COVERAGE_MISSING", message)

    def _entry(self, coverage: Coverage, loop: PersonLoop) -> CoverageMapping | None:
        entry = self._mapping.coverage(coverage, loop.member, loop.subscriber)
        if isinstance(entry, Unmapped):
            self._reject(entry.code, entry.message, coverage)
            return None
        return entry

    def _modules_without_coverage(self, loop: PersonLoop) -> dict[ModuleKey, DayRuns]:
        """Returns the modules in the book of which a loop without coverages can speak: those for its benefit status.

        Continued cover of a former employee doesn't end with the employment, for example.
        """
        status = benefit_status(loop)
        found = {
            key: each
            for entry in self._mapping.coverages
            if (entry.benefit_status or codes.ACTIVE) == status
            and (each := self._days.get(key := ModuleKey(entry.contract_id, entry.module_id)))
        }
        return dict(sorted(found.items()))

    def _check_status(self, loop: PersonLoop) -> None:
        status = benefit_status(loop)
        if status not in (codes.ACTIVE, *(each.benefit_status for each in self._mapping.coverages)):
            message = f"No coverage is mapped for benefit status {status} (INS05). {ADVICE}"
            at = loop.member.first_segment
            self._findings.append(error("STATUS_NOT_MAPPED", message, at, "2000", "INS05"))

    def _key(self, entry: CoverageMapping, name: str, member: FileMember) -> ModuleKey:
        key = ModuleKey(entry.contract_id, entry.module_id)
        self._name(key, name, member)
        return key

    def _name(self, key: ModuleKey, name: str, member: FileMember) -> None:
        self._names.setdefault(key, name)
        self._reasons[key] = reason_code(member)

    def _reject(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self._findings.append(error(code, message, *self._location(coverage)))

    def _warn(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self._findings.append(warning(code, message, *self._location(coverage)))

    def _location(self, coverage: Coverage | None) -> tuple[int, str, str]:
        if coverage:
            return coverage.segment_number, "2300", "HD"
        return self._person.loops[0].member.first_segment, "2000", "INS"
