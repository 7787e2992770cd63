"""What a member's loop asks for, in the terms of our contracts: be on a module over some days, or be off it.

Here the habits of 834 files are read: coverage that dependants share with their subscriber, an end that is no end but
a cancellation, a reinstatement that names no coverage. Whether anything has to be done for it is the plan's to say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from server.enrollment_file import codes
from server.enrollment_file.book import Book
from server.enrollment_file.families import Placed
from server.enrollment_file.file import Coverage, FileMember
from server.enrollment_file.findings import Finding, error, warning
from server.enrollment_file.mapping import CoverageMapping, Mapping

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wish:
    """Be on a module from one day to another, both inclusive; or, where `ends`, be off it after `last_on`.

    `first_on` is None for ends only; `last_on` None: open, for beginnings only.
    """

    contract_id: str
    module_id: str
    ends: bool
    first_on: date | None
    last_on: date | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that is asked for a member, ends before beginnings, and what was found doing so."""

    wishes: tuple[Wish, ...]
    findings: tuple[Finding, ...]


def wishes_of(placed: Placed, mapping: Mapping, book: Book) -> Wishes:
    """What is asked for a member who is not rejected. Errors among the findings reject the member."""
    reader = _Wishing(placed, mapping, book)
    wishes = list(dict.fromkeys(reader.wishes()))
    wishes.sort(key=lambda wish: not wish.ends)
    return Wishes(tuple(wishes), tuple(reader.findings))


def slots_taken_twice(wishes: Iterable[Wish], member: FileMember, book: Book) -> Iterator[Finding]:
    """Where a member is to be on two modules of one slot on the same day: only the later one would come true."""
    begun = [wish for wish in wishes if not wish.ends and wish.first_on]
    for one, other in combinations(begun, 2):
        slot = book.slot(one.contract_id, one.module_id)
        same = slot and one.contract_id == other.contract_id and slot == book.slot(other.contract_id, other.module_id)
        apart = _ends_before(one, other) or _ends_before(other, one)
        if same and one.module_id != other.module_id and not apart:
            message = f"is to be on two coverages at once of which only one can be had ({slot})"
            yield error("COVERAGES_EXCLUSIVE", message, member.first_segment, "2300", "HD")


def _ends_before(one: Wish, other: Wish) -> bool:
    return one.last_on is not None and other.first_on is not None and one.last_on < other.first_on


def last_day(member: FileMember) -> date | None:
    """The last covered day of somebody whose cover ends as a whole; None: it does not."""
    if member.maintenance != codes.END:
        return None
    ends = [coverage.ends_on for coverage in member.coverages if coverage.ends_on]
    return member.day(codes.ELIGIBLE_UNTIL) or max(ends, default=None) or member.day(codes.CHANGED_ON)


class _Wishing:
    def __init__(self, placed: Placed, mapping: Mapping, book: Book) -> None:
        self.findings: list[Finding] = []
        self._placed = placed
        self._member = placed.member
        self._mapping = mapping
        self._book = book
        self._periods = book.periods(placed.member_id, placed.primary_id)
        self._told_modules: set[str] = set()

    def wishes(self) -> Iterator[Wish]:
        for coverage in self._member.coverages:
            if coverage.maintenance == codes.NOT_APPLICABLE:
                self._tell("COVERAGE_NOT_APPLICABLE", "is not applicable (032), and was passed over", coverage)
            elif entry := self._entry(coverage, self._member):
                self._told_modules.add(entry.module_id)
                yield self._of(coverage, entry)
        maintenance = self._member.maintenance
        if maintenance == codes.END:
            yield from self._all_end()
        elif not self._member.coverages:
            asked: list[Wish] = []
            if maintenance == codes.REINSTATE:
                asked = self._as_before()
            if maintenance in (codes.ADD, codes.AUDIT, codes.REINSTATE):
                asked = asked or list(self._shared())
                if not asked:
                    self._nothing_asked()
            yield from asked

    def _of(self, coverage: Coverage, entry: CoverageMapping) -> Wish:
        member = self._member
        until = member.day(codes.ELIGIBLE_UNTIL)
        if coverage.maintenance in codes.COVERAGE_ENDS:
            last_on = coverage.ends_on or until or member.day(codes.CHANGED_ON)
            return Wish(entry.contract_id, entry.module_id, True, None, last_on)
        first_on = coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON)
        if first_on is None:  # Only where something is to go on.
            first_on = self._day_after(entry.module_id)
        if first_on is None:
            self._refuse("BEGIN_UNKNOWN", "is to begin again, on no day, and the book knows no earlier one", coverage)
            first_on = date.max
        last_on = min((day for day in (coverage.ends_on, until) if day), default=None)
        if last_on is not None and last_on < first_on:
            self._refuse("END_BEFORE_BEGIN", f"ends on {last_on}, before it begins on {first_on}", coverage)
        return Wish(entry.contract_id, entry.module_id, False, first_on, last_on)

    def _entry(self, coverage: Coverage, member: FileMember) -> CoverageMapping | None:
        entry = self._mapping.coverage(coverage, member, self._placed.subscriber)
        if entry is None:
            said = " ".join(part for part in (coverage.line, coverage.plan) if part)
            policy = member.reference(codes.POLICY_NUMBER)
            self._refuse(
                "COVERAGE_UNMAPPED", f"{said} under policy {policy or '(none)'} is mapped to nothing", coverage
            )
        return entry

    def _all_end(self) -> Iterator[Wish]:
        """Of somebody who leaves: every module of the book whose end no coverage of the file tells."""
        last_on = last_day(self._member)
        told = bool(self._member.coverages)
        if not self._periods:
            self._tell("NOTHING_TO_END", "is to end, and the book knows no cover of this member")
        if last_on is None or (told and not self._member.day(codes.ELIGIBLE_UNTIL)):
            return
        for period in self._periods:
            if not told or period.module_id not in self._told_modules:
                yield Wish(period.contract_id, period.module_id, True, None, last_on)

    def _as_before(self) -> list[Wish]:
        """What the member was last on, from the day that is told, or else without a gap."""
        mapped = [period for period in self._periods if period.module_id in self._mapping.module_ids]
        if not mapped or any(period.last_on is None for period in mapped):
            return [Wish(p.contract_id, p.module_id, False, p.first_on, None) for p in mapped if p.last_on is None]
        newest = max(period.last_on for period in mapped if period.last_on)
        again_on = self._member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM) or newest + ONE_DAY
        last = [period for period in mapped if period.last_on == newest]
        return [Wish(each.contract_id, each.module_id, False, again_on, None) for each in last]

    def _shared(self) -> Iterator[Wish]:
        """A subscriber's coverages whose level takes this dependant in."""
        subscriber, member = self._placed.subscriber, self._member
        if subscriber is None or member.is_subscriber or subscriber.maintenance == codes.END:
            return
        levels = codes.LEVELS_WITH.get(self._placed.membership_type, frozenset[str]())
        for coverage in subscriber.coverages:
            if coverage.level not in levels or coverage.maintenance in codes.COVERAGE_ENDS:
                continue
            begins = (coverage.begins_on, member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON))
            first_on = max((day for day in begins if day), default=None)
            entry = self._entry(coverage, member)
            if first_on and entry:
                message = f"has no coverage told, and shares {coverage.line} {coverage.level} of the subscriber"
                self._tell("COVERAGE_SHARED", message)
                ends = (coverage.ends_on, member.day(codes.ELIGIBLE_UNTIL))
                last_on = min((day for day in ends if day), default=None)
                if last_on is not None and last_on < first_on:
                    self._refuse("END_BEFORE_BEGIN", f"ends on {last_on}, before it begins on {first_on}")
                yield Wish(entry.contract_id, entry.module_id, False, first_on, last_on)

    def _nothing_asked(self) -> None:
        if self._member.maintenance == codes.REINSTATE:
            self._refuse("COVERAGE_MISSING", "is to be reinstated, on nothing that is told or known")
        elif self._member.is_subscriber or self._periods:
            self._tell("COVERAGE_MISSING", "has no coverage told (HD); what the book has stays")
        else:
            self._refuse("COVERAGE_MISSING", "has no coverage told (HD), and the subscriber's takes nobody in")

    def _day_after(self, module_id: str) -> date | None:
        """The day after the last covered one on a module, or its first day where it goes on."""
        on = [period for period in self._periods if period.module_id == module_id]
        if open_ended := next((period for period in on if period.last_on is None), None):
            return open_ended.first_on
        newest = max((period.last_on for period in on if period.last_on), default=None)
        return newest + ONE_DAY if newest else None

    def _refuse(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self.findings.append(error(code, message, *self._place(coverage)))

    def _tell(self, code: str, message: str, coverage: Coverage | None = None) -> None:
        self.findings.append(warning(code, message, *self._place(coverage)))

    def _place(self, coverage: Coverage | None) -> tuple[int, str, str]:
        return (coverage.segment_number, "2300", "HD") if coverage else (self._member.first_segment, "2000", "INS")
