"""Compares a file with the state on the server and plans the changes, for each member separately.

The plan requests only days that the server doesn't have yet. Changes that an earlier import of the same file requested
are not requested again, even if the rules rejected them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from affilia.catalog.v1.contract_pb2 import Contract
from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest, Enroll, Leave, ScopedChange
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.facts import fact_requests
from affilia_cli.enrollment_file.families import IdentifiedMember, identify_members
from affilia_cli.enrollment_file.file import EnrollmentFile
from affilia_cli.enrollment_file.findings import FileRejected, Finding, error, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.omitted_members import OmittedMember, ended_with_subscriber, members_omitted_from
from affilia_cli.enrollment_file.plan import Kind, Plan, PlannedMember, Step
from affilia_cli.enrollment_file.server_state import Period, ServerState
from affilia_cli.enrollment_file.target_coverage import TargetCoverage, slots_taken_twice, target_coverage_of
from affilia_cli.enrollment_file.verdicts import describe_notice, describe_violation
from affilia_client.dates import date_from_proto, span_to_proto

ONE_DAY = timedelta(days=1)


def make_plan(file: EnrollmentFile, mapping: Mapping, state: ServerState, today: date) -> Plan:
    """Returns the plan for a file. Raises FileRejected if it is another sponsor's, or ServerStateUnreadable."""
    if other := {each.sponsor.number for each in file.transactions} - {mapping.sponsor}:
        message = f"The mapping is for sponsor {mapping.sponsor}, but the file is from {', '.join(sorted(other))}."
        raise FileRejected([*file.findings, error("SPONSOR_OTHER", message, 0, "1000A", "N104")])
    identified = identify_members(file, mapping, state)
    planner = _Planner(file, mapping, state, today)
    members = [planner.member(each) for each in identified]
    listed = {each.member_id for each in members}
    ended = ended_with_subscriber(identified, state, listed)
    omitted_from_file, findings = members_omitted_from(file, identified, mapping, state, today)
    omitted = {each.member_id: each for each in (*omitted_from_file, *ended)}
    members += [planner.omitted(each) for each in omitted.values()]
    return Plan(
        file=file,
        members=tuple(members),
        enrolled={each: len(state.enrolled(each, today)) for each in mapping.contract_ids},
        findings=(*file.envelope_findings(), *findings),
    )


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Steps without those that an earlier import of this file requested, and the verdicts on these."""

    steps: tuple[Step, ...]
    notices: tuple[str, ...]
    reasons: tuple[str, ...]


class _Planner:
    def __init__(self, file: EnrollmentFile, mapping: Mapping, state: ServerState, today: date) -> None:
        self._mapping = mapping
        self._state = state
        self._today = today
        self._rejected_segments: set[int] = set()
        envelope = file.envelope
        # The note of every change identifies the file, even if another file has the same control numbers.
        self._note = f"834 {envelope.interchange_number}/{envelope.group_number} {file.digest[:16]}"

    def member(self, identified: IdentifiedMember) -> PlannedMember:
        member = identified.member
        if identified.is_rejected:
            return self._rejected(identified, identified.findings)
        if (
            identified.subscriber
            and identified.subscriber.first_segment in self._rejected_segments
            and not member.coverages
        ):
            message = "The dependant has no coverage, and the subscriber whose coverage could be shared is rejected."
            finding = error("SUBSCRIBER_REJECTED", message, member.first_segment, "2000", "INS")
            return self._rejected(identified, [*identified.findings, finding])
        coverage = target_coverage_of(identified, self._mapping, self._state)
        findings = [*identified.findings, *coverage.findings, *slots_taken_twice(coverage.targets, member, self._state)]
        if any(finding.is_error for finding in findings):
            return self._rejected(identified, findings)
        periods = self._state.periods(identified.member_id, identified.primary_id)
        reason = f"834-{member.maintenance}" + (f"-{member.reason}" if member.reason else "")
        steps: list[Step] = []
        for each in coverage.targets:
            contract_starts_on = self._state.starts_on(each.contract_id)
            target, found = _within_contract(each, contract_starts_on, member.first_segment)
            findings += found
            on = [p for p in periods if (p.contract_id, p.module_id) == (target.contract_id, target.module_id)]
            steps += self._steps(target, on, identified, reason)
        stated = {target.module_id for target in coverage.targets}
        if stated and member.maintenance != codes.END and _is_full_file(identified):
            steps += self._omitted_coverages(identified, stated, periods)
        facts = fact_requests(
            identified, self._state, self._mapping, self._employer(coverage.targets, periods), self._today
        )
        earlier = self._earlier(identified.member_id, identified.primary_id, steps)
        kind = self._kind(identified, earlier, periods, bool(facts))
        return PlannedMember(
            segment_number=member.first_segment,
            name=member.display_name,
            member_id=identified.member_id,
            primary_id=identified.primary_id,
            kind=kind,
            facts=tuple(facts) if kind is not Kind.REJECTED else (),
            steps=earlier.steps,
            findings=tuple(findings),
            notices=earlier.notices,
            reasons=earlier.reasons,
            ends_coverage=_ends_coverage(earlier.steps),
        )

    def omitted(self, omitted: OmittedMember) -> PlannedMember:
        """Plans the end of coverage for a member whom the file omits."""
        steps = []
        for period in self._state.periods(omitted.member_id, omitted.primary_id):
            cancelled = omitted.code == "SUBSCRIBER_ENDED" and _is_cancelled(period, omitted.first_off - ONE_DAY)
            reached = cancelled or period.lasts_until(omitted.first_off)
            if period.contract_id in omitted.contract_ids and reached:
                first_off = period.first_on if cancelled and period.first_on else omitted.first_off
                steps.append(self._leave(period, first_off, omitted.reason))
        earlier = self._earlier(omitted.member_id, omitted.primary_id, steps)
        known = self._state.member(omitted.member_id)
        kind = Kind.REJECTED if earlier.reasons else Kind.UNCHANGED
        if earlier.steps:
            kind = _kind_of_end(earlier.steps, self._state.periods(omitted.member_id, omitted.primary_id))
        return PlannedMember(
            segment_number=0,
            name=known.member.display_name if known else "",
            member_id=omitted.member_id,
            primary_id=omitted.primary_id,
            kind=kind,
            steps=earlier.steps,
            findings=(warning(omitted.code, omitted.message),),
            notices=earlier.notices,
            reasons=earlier.reasons,
            ends_coverage=_ends_coverage(earlier.steps),
        )

    def _rejected(self, identified: IdentifiedMember, findings: Iterable[Finding]) -> PlannedMember:
        findings = tuple(findings)
        self._rejected_segments.add(identified.member.first_segment)
        return PlannedMember(
            segment_number=identified.member.first_segment,
            name=identified.member.display_name,
            member_id=identified.member_id,
            primary_id=identified.primary_id,
            kind=Kind.REJECTED,
            findings=findings,
            reasons=tuple(str(finding) for finding in findings if finding.is_error),
        )

    def _steps(
        self, target: TargetCoverage, on: list[Period], identified: IdentifiedMember, reason: str
    ) -> Iterator[Step]:
        """Yields the changes from the current periods in a module to the target coverage."""
        if not target.ends:
            covered = [p for p in on if _covers(p, target)]
            if not covered:
                enroll = Enroll(
                    member_id=identified.member_id,
                    membership_type=MembershipType.Value(f"MEMBERSHIP_TYPE_{identified.membership_type}"),
                    module_id=target.module_id,
                    days=span_to_proto(target.first_on, target.last_on),
                )
                yield Step(target.contract_id, ScopedChange(enroll=enroll, reason_code=reason, note=self._note))
        if target.last_on is None:
            return
        for period in on:
            cancelled = target.ends and _is_cancelled(period, target.last_on)
            first_off = period.first_on if cancelled and period.first_on else target.last_on + ONE_DAY
            if period.lasts_until(first_off):
                yield self._leave(period, first_off, reason)

    def _omitted_coverages(
        self, identified: IdentifiedMember, stated: set[str], periods: list[Period]
    ) -> Iterator[Step]:
        """Yields the ends of coverages that a full file omits for a member."""
        first_off = max(identified.transaction.effective_on or self._today, self._today)
        for period in periods:
            mapped = period.module_id in self._mapping.module_ids
            if mapped and period.module_id not in stated and period.lasts_until(first_off):
                yield self._leave(period, first_off, "834-MISSING")

    def _leave(self, period: Period, first_off: date, reason: str) -> Step:
        first_day = max(first_off, period.first_on or first_off)
        leave = Leave(member_id=period.member_id, module_id=period.module_id, days=span_to_proto(first_day))
        return Step(period.contract_id, ScopedChange(leave=leave, reason_code=reason, note=self._note))

    def _earlier(self, member_id: str, primary_id: str, steps: Iterable[Step]) -> _Earlier:
        left, notices, reasons = list[Step](), list[str](), list[str]()
        for step in steps:
            requests = self._state.change_requests(step.contract_id, primary_id)
            mine = [request for request in requests if self._is_of_this_file(request, member_id)]
            if approved := next((each for each in mine if each.verdict == VERDICT_APPROVED), None):
                notices += [describe_notice(each) for each in approved.notices if each.member_id == member_id]
            elif violations := [v for each in mine for v in each.violations if v.member_id == member_id]:
                reasons += [describe_violation(violation) for violation in violations]
            else:
                left.append(step)
        return _Earlier(tuple(left), tuple(dict.fromkeys(notices)), tuple(dict.fromkeys(reasons)))

    def _is_of_this_file(self, request: ChangeRequest, member_id: str) -> bool:
        """Returns whether a request has a change of this file for the member."""
        of_file = (change for change in request.changes if change.note == self._note)
        return any(member_id in (change.enroll.member_id, change.leave.member_id) for change in of_file)

    def _employer(self, targets: Iterable[TargetCoverage], periods: Iterable[Period]) -> str:
        """Returns the sponsor of the member's contract, or an empty string."""
        contract_ids = [target.contract_id for target in targets] + [period.contract_id for period in periods]
        contract_ids = contract_ids or list(self._mapping.contract_ids)
        contract: Contract = self._state.contracts[contract_ids[0]]
        return contract.sponsor_id

    def _kind(self, identified: IdentifiedMember, earlier: _Earlier, periods: list[Period], has_facts: bool) -> Kind:
        if not earlier.steps:
            if earlier.reasons:
                return Kind.REJECTED
            unknown = self._state.member(identified.member_id) is None
            return Kind.ADD if unknown else Kind.CHANGE if has_facts else Kind.UNCHANGED
        if all(step.change.HasField("leave") for step in earlier.steps):
            return _kind_of_end(earlier.steps, periods)
        if identified.member.maintenance == codes.REINSTATE:
            return Kind.REINSTATE
        if not periods:
            return Kind.ADD
        return Kind.CHANGE if any(period.lasts_until(self._today) for period in periods) else Kind.REINSTATE


def _is_full_file(identified: IdentifiedMember) -> bool:
    return identified.transaction.action in codes.FULL_FILES


def _within_contract(
    target: TargetCoverage, contract_starts_on: date, segment_number: int
) -> tuple[TargetCoverage, list[Finding]]:
    """Moves a start before the contract to the contract's first day. A span that lies completely before is kept."""
    if target.ends or target.first_on is None or target.first_on >= contract_starts_on:
        return target, []
    if target.last_on is not None and target.last_on < contract_starts_on:
        return target, []
    message = f"Coverage starts on {contract_starts_on} with the contract, not on {target.first_on}."
    finding = warning("BEGINS_BEFORE_CONTRACT", message, segment_number, "2300", "DTP")
    return TargetCoverage(target.contract_id, target.module_id, False, contract_starts_on, target.last_on), [finding]


def _covers(period: Period, target: TargetCoverage) -> bool:
    long_enough = period.last_on is None or (target.last_on is not None and period.last_on >= target.last_on)
    return target.first_on is not None and period.includes(target.first_on) and long_enough


def _is_cancelled(period: Period, last_on: date) -> bool:
    """Returns whether ending on a day cancels the whole period: on its first day or before."""
    return period.first_on is not None and last_on <= period.first_on


def _ends_coverage(steps: Iterable[Step]) -> bool:
    changes = [step.change for step in steps]
    return bool(changes) and all(change.HasField("leave") for change in changes)


def _kind_of_end(steps: Iterable[Step], periods: Iterable[Period]) -> Kind:
    """Returns CANCEL if no day remains, TERMINATE if no coverage continues, and CHANGE otherwise."""
    offs: dict[str, date] = {}
    for step in steps:
        offs[step.change.leave.module_id] = date_from_proto(step.change.leave.days.first_on)
    left = [p for p in periods if p.module_id not in offs or (p.first_on or date.min) < offs[p.module_id]]
    if not left:
        return Kind.CANCEL
    latest = max(offs.values())
    continues = any(p.module_id not in offs and p.lasts_until(latest) for p in left)
    return Kind.CHANGE if continues else Kind.TERMINATE
