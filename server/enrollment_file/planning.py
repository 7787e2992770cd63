"""Compares a file with the book, and plans what makes up the difference; for every member on its own.

A file says what it wants in terms of days; so the plan asks only for days that the book does not have. What this very
file has asked for before is not asked again, even where the rules did not grant it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest, Enroll, Leave, ScopedChange
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.membership_type_pb2 import MembershipType
from server.enrollment_file import codes
from server.enrollment_file.book import Book, Period, to_day
from server.enrollment_file.facts import fact_requests
from server.enrollment_file.families import Placed, place
from server.enrollment_file.file import EnrollmentFile
from server.enrollment_file.findings import FileRefused, Finding, error, warning
from server.enrollment_file.mapping import Mapping
from server.enrollment_file.missing import Missing, ended_with_subscriber, missing_from
from server.enrollment_file.plan import Kind, Plan, PlannedMember, Step
from server.enrollment_file.verdicts import describe_notice, describe_violation
from server.enrollment_file.wishes import Wish, slots_taken_twice, wishes_of

ONE_DAY = timedelta(days=1)


def make_plan(file: EnrollmentFile, mapping: Mapping, book: Book, today: date) -> Plan:
    """The plan for a file. FileRefused where the file is another sponsor's; BookUnreadable."""
    if other := {each.sponsor.number for each in file.transactions} - {mapping.sponsor}:
        message = f"the sponsor is {', '.join(sorted(other))}; the mapping is for {mapping.sponsor}"
        raise FileRefused([*file.findings, error("SPONSOR_OTHER", message, 0, "1000A", "N104")])
    placed = place(file, mapping, book)
    planner = _Planner(file, mapping, book, today)
    members = [planner.member(each) for each in placed]
    asked = {each.member_id for each in members}
    ended = ended_with_subscriber(placed, book, asked)
    missing, findings = missing_from(file, placed, mapping, book, today)
    gone = {each.member_id: each for each in (*missing, *ended)}
    members += [planner.gone(each) for each in gone.values()]
    return Plan(
        file=file,
        members=tuple(members),
        enrolled={each: len(book.enrolled(each, today)) for each in mapping.contract_ids},
        findings=(*file.envelope_findings(), *findings),
    )


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What is left of some steps when those are taken away that this file had judged before."""

    steps: tuple[Step, ...]
    notices: tuple[str, ...]
    reasons: tuple[str, ...]


class _Planner:
    def __init__(self, file: EnrollmentFile, mapping: Mapping, book: Book, today: date) -> None:
        self._mapping = mapping
        self._book = book
        self._today = today
        self._refused: set[int] = set()
        envelope = file.envelope
        # Told with every change: so the same file is known again, and another one under the same numbers is not.
        self._note = f"834 {envelope.interchange_number}/{envelope.group_number} {file.digest[:16]}"

    def member(self, placed: Placed) -> PlannedMember:
        member = placed.member
        if placed.is_rejected:
            return self._rejected(placed, placed.findings)
        if placed.subscriber and placed.subscriber.first_segment in self._refused and not member.coverages:
            message = "tells no coverage, and the subscriber that it could be shared with is rejected"
            finding = error("SUBSCRIBER_REJECTED", message, member.first_segment, "2000", "INS")
            return self._rejected(placed, [*placed.findings, finding])
        asked = wishes_of(placed, self._mapping, self._book)
        findings = [*placed.findings, *asked.findings, *slots_taken_twice(asked.wishes, member, self._book)]
        if any(finding.is_error for finding in findings):
            return self._rejected(placed, findings)
        periods = self._book.periods(placed.member_id, placed.primary_id)
        reason = f"834-{member.maintenance}" + (f"-{member.reason}" if member.reason else "")
        steps: list[Step] = []
        for each in asked.wishes:
            begun_on = self._book.begins_on(each.contract_id)
            wish, told = _within(each, begun_on, member.first_segment)
            findings += told
            on = [p for p in periods if (p.contract_id, p.module_id) == (wish.contract_id, wish.module_id)]
            steps += self._steps(wish, on, placed, reason)
        stated = {wish.module_id for wish in asked.wishes}
        if stated and member.maintenance != codes.END and _is_whole(placed):
            steps += self._unstated(placed, stated, periods)
        facts = fact_requests(placed, self._book, self._mapping, self._employer(asked.wishes, periods), self._today)
        earlier = self._earlier(placed.member_id, placed.primary_id, steps)
        kind = self._kind(placed, earlier, periods, bool(facts))
        return PlannedMember(
            segment_number=member.first_segment,
            name=member.display_name,
            member_id=placed.member_id,
            primary_id=placed.primary_id,
            kind=kind,
            facts=tuple(facts) if kind is not Kind.REJECTED else (),
            steps=earlier.steps,
            findings=tuple(findings),
            notices=earlier.notices,
            reasons=earlier.reasons,
            ends_cover=_ends_cover(earlier.steps),
        )

    def gone(self, missing: Missing) -> PlannedMember:
        """Somebody whom the file does not name, and whose cover ends by that."""
        steps = []
        for period in self._book.periods(missing.member_id, missing.primary_id):
            never = missing.code == "SUBSCRIBER_ENDED" and _never(period, missing.first_off - ONE_DAY)
            reached = never or period.reaches(missing.first_off)
            if period.contract_id in missing.contract_ids and reached:
                first_off = period.first_on if never and period.first_on else missing.first_off
                steps.append(self._leave(period, first_off, missing.reason))
        earlier = self._earlier(missing.member_id, missing.primary_id, steps)
        known = self._book.member(missing.member_id)
        kind = Kind.REJECTED if earlier.reasons else Kind.UNCHANGED
        if earlier.steps:
            kind = _kind_of_end(earlier.steps, self._book.periods(missing.member_id, missing.primary_id))
        return PlannedMember(
            segment_number=0,
            name=known.member.display_name if known else "",
            member_id=missing.member_id,
            primary_id=missing.primary_id,
            kind=kind,
            steps=earlier.steps,
            findings=(warning(missing.code, missing.message),),
            notices=earlier.notices,
            reasons=earlier.reasons,
            ends_cover=_ends_cover(earlier.steps),
        )

    def _rejected(self, placed: Placed, findings: Iterable[Finding]) -> PlannedMember:
        findings = tuple(findings)
        self._refused.add(placed.member.first_segment)
        return PlannedMember(
            segment_number=placed.member.first_segment,
            name=placed.member.display_name,
            member_id=placed.member_id,
            primary_id=placed.primary_id,
            kind=Kind.REJECTED,
            findings=findings,
            reasons=tuple(str(finding) for finding in findings if finding.is_error),
        )

    def _steps(self, wish: Wish, on: list[Period], placed: Placed, reason: str) -> Iterator[Step]:
        """What makes up the difference between a wish and the periods on its module."""
        if not wish.ends:
            covered = [p for p in on if _covers(p, wish)]
            if not covered:
                enroll = Enroll(
                    member_id=placed.member_id,
                    membership_type=MembershipType.Value(f"MEMBERSHIP_TYPE_{placed.membership_type}"),
                    module_id=wish.module_id,
                    days=DateSpan(first_on=to_day(wish.first_on), last_on=to_day(wish.last_on)),
                )
                yield Step(wish.contract_id, ScopedChange(enroll=enroll, reason_code=reason, note=self._note))
        if wish.last_on is None:
            return
        for period in on:
            never = wish.ends and _never(period, wish.last_on)
            first_off = period.first_on if never and period.first_on else wish.last_on + ONE_DAY
            if period.reaches(first_off):
                yield self._leave(period, first_off, reason)

    def _unstated(self, placed: Placed, stated: set[str], periods: list[Period]) -> Iterator[Step]:
        """A whole file tells all coverages of a member: what it does not tell has ended."""
        first_off = max(placed.transaction.effective_on or self._today, self._today)
        for period in periods:
            mapped = period.module_id in self._mapping.module_ids
            if mapped and period.module_id not in stated and period.reaches(first_off):
                yield self._leave(period, first_off, "834-MISSING")

    def _leave(self, period: Period, first_off: date, reason: str) -> Step:
        begun = max(first_off, period.first_on or first_off)
        leave = Leave(member_id=period.member_id, module_id=period.module_id, days=DateSpan(first_on=to_day(begun)))
        return Step(period.contract_id, ScopedChange(leave=leave, reason_code=reason, note=self._note))

    def _earlier(self, member_id: str, primary_id: str, steps: Iterable[Step]) -> _Earlier:
        left, notices, reasons = list[Step](), list[str](), list[str]()
        for step in steps:
            requests = self._book.decided(step.contract_id, primary_id)
            mine = [request for request in requests if self._asked(request, member_id)]
            if approved := next((each for each in mine if each.verdict == VERDICT_APPROVED), None):
                notices += [describe_notice(each) for each in approved.notices if each.member_id == member_id]
            elif told := [v for each in mine for v in each.violations if v.member_id == member_id]:
                reasons += [describe_violation(violation) for violation in told]
            else:
                left.append(step)
        return _Earlier(tuple(left), tuple(dict.fromkeys(notices)), tuple(dict.fromkeys(reasons)))

    def _asked(self, request: ChangeRequest, member_id: str) -> bool:
        """Whether this file asked for something for the member in a request."""
        of_file = (change for change in request.changes if change.note == self._note)
        return any(member_id in (change.enroll.member_id, change.leave.member_id) for change in of_file)

    def _employer(self, wishes: Iterable[Wish], periods: Iterable[Period]) -> str:
        """The sponsor of the contract that the member's cover is under; empty: there is none."""
        contract_ids = [wish.contract_id for wish in wishes] + [period.contract_id for period in periods]
        contract_ids = contract_ids or list(self._mapping.contract_ids)
        contract: Contract = self._book.contracts[contract_ids[0]]
        return contract.sponsor_id

    def _kind(self, placed: Placed, earlier: _Earlier, periods: list[Period], has_facts: bool) -> Kind:
        if not earlier.steps:
            if earlier.reasons:
                return Kind.REJECTED
            unknown = self._book.member(placed.member_id) is None
            return Kind.ADD if unknown else Kind.CHANGE if has_facts else Kind.UNCHANGED
        if all(step.change.HasField("leave") for step in earlier.steps):
            return _kind_of_end(earlier.steps, periods)
        if placed.member.maintenance == codes.REINSTATE:
            return Kind.REINSTATE
        if not periods:
            return Kind.ADD
        return Kind.CHANGE if any(period.reaches(self._today) for period in periods) else Kind.REINSTATE


def _is_whole(placed: Placed) -> bool:
    return placed.transaction.action in codes.WHOLE_FILES


def _within(wish: Wish, begun_on: date, segment_number: int) -> tuple[Wish, list[Finding]]:
    """A beginning before the contract's life is the contract's first day; a span wholly before it is left alone."""
    if wish.ends or wish.first_on is None or wish.first_on >= begun_on:
        return wish, []
    if wish.last_on is not None and wish.last_on < begun_on:
        return wish, []
    message = f"begins on {wish.first_on}; the contract begins on {begun_on}, and so does the cover"
    told = warning("BEGINS_BEFORE_CONTRACT", message, segment_number, "2300", "DTP")
    return Wish(wish.contract_id, wish.module_id, False, begun_on, wish.last_on), [told]


def _covers(period: Period, wish: Wish) -> bool:
    long_enough = period.last_on is None or (wish.last_on is not None and period.last_on >= wish.last_on)
    return wish.first_on is not None and period.holds(wish.first_on) and long_enough


def _never(period: Period, last_on: date) -> bool:
    """Whether cover that ends so was never wanted: on its first day or before it; then nothing of it is left."""
    return period.first_on is not None and last_on <= period.first_on


def _ends_cover(steps: Iterable[Step]) -> bool:
    changes = [step.change for step in steps]
    return bool(changes) and all(change.HasField("leave") for change in changes)


def _kind_of_end(steps: Iterable[Step], periods: Iterable[Period]) -> Kind:
    """CANCEL where no day is left, TERMINATE where nothing goes on, CHANGE where something does."""
    offs: dict[str, date] = {}
    for step in steps:
        day = step.change.leave.days.first_on
        offs[step.change.leave.module_id] = date(day.year, day.month, day.day)
    left = [p for p in periods if p.module_id not in offs or (p.first_on or date.min) < offs[p.module_id]]
    if not left:
        return Kind.CANCEL
    latest = max(offs.values())
    goes_on = any(p.module_id not in offs and p.reaches(latest) for p in left)
    return Kind.CHANGE if goes_on else Kind.TERMINATE
