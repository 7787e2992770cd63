"""Finds contradictions in a file whose segments are valid individually.

The functions take values and yield findings. Checks that need the mapping or the server's state are made by the plan.
"""

from collections.abc import Iterator

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.findings import Finding, error, warning
from affilia_cli.enrollment_file.reading.file import Coverage, EnrollmentFile, FileMember, TransactionSet


def contradictions(file: EnrollmentFile) -> Iterator[Finding]:
    """Yields all contradictions of a file, in no particular order."""
    yield from _of_file(file)
    for transaction in file.transactions:
        for member in transaction.members:
            yield from _of_member(member)
            for coverage in member.coverages:
                yield from _of_coverage(member, coverage)


def _of_file(file: EnrollmentFile) -> Iterator[Finding]:
    if not file.transactions:
        yield error("NOTHING_INSIDE", "The file has no transaction set (ST).")
    if file.envelope.usage == "T":
        yield warning("TEST_FILE", "The file is marked as a test (ISA15 is T).", 1, "ISA_LOOP", "ISA15")
    known = {codes.UPDATE_FILE, *codes.FULL_FILES}
    actions = {transaction.action for transaction in file.transactions}
    for action in sorted(actions - known):
        message = f"BGN08 must be one of {', '.join(sorted(known))}, got {action!r}."
        yield error("ACTION_UNKNOWN", message, 0, "HEADER", "BGN08")
    if len(actions) > 1:
        message = f"BGN08 must be the same in all sets, got {' and '.join(sorted(actions))}."
        yield error("ACTIONS_MIXED", message, 0, "HEADER", "BGN08")
    sponsors = {transaction.sponsor.number for transaction in file.transactions}
    if len(sponsors) > 1:
        message = f"N104 must be the same in all sets, got {' and '.join(sorted(sponsors))}."
        yield error("SPONSORS_MIXED", message, 0, "1000A", "N104")
    for transaction in file.transactions:
        yield from _of_header(transaction)


def _of_header(transaction: TransactionSet) -> Iterator[Finding]:
    if transaction.purpose == codes.INFORMATION_COPY:
        message = f"Set {transaction.number} is an information copy (BGN01 is 22), which is not applied."
        yield error("INFORMATION_COPY", message, 0, "HEADER", "BGN01")
    if not transaction.sponsor.number:
        yield error("SPONSOR_MISSING", f"Set {transaction.number} has no sponsor number.", 0, "1000A", "N104")


def _of_member(member: FileMember) -> Iterator[Finding]:
    at = member.first_segment

    def finding(code: str, message: str, element: str) -> Finding:
        return error(code, message, at, "2000", element)

    if member.maintenance not in codes.MEMBER_MAINTENANCE:
        yield finding("MAINTENANCE_UNKNOWN", f"Maintenance type {member.maintenance!r} is not supported.", "INS03")
    if member.is_subscriber and member.relation in codes.CHILDREN:
        yield finding(
            "SUBSCRIBER_IS_CHILD", f"A subscriber can't have relation {member.relation}, which is a child.", "INS02"
        )
    elif member.is_subscriber and member.relation != codes.SELF:
        yield finding("SUBSCRIBER_IS_RELATED", f"A subscriber must have relation 18, got {member.relation}.", "INS02")
    elif not member.is_subscriber and member.relation == codes.SELF:
        yield finding("DEPENDANT_IS_SELF", "A dependant can't have relation 18, which is the subscriber.", "INS02")
    if not member.reference(codes.SUBSCRIBER_NUMBER):
        yield finding("NUMBER_MISSING", "The subscriber number (REF 0F) is missing.", "REF")
    if not member.last_name:
        yield error("NAME_MISSING", "The last name is missing.", at, "2100A", "NM103")
    yield from _of_days(member)


def _of_days(member: FileMember) -> Iterator[Finding]:
    at = member.first_segment
    for first, last in (
        (codes.ELIGIBLE_FROM, codes.ELIGIBLE_UNTIL),
        (codes.EMPLOYED_FROM, codes.EMPLOYED_UNTIL),
    ):
        begins_on, ends_on = member.day(first), member.day(last)
        # A cancellation can have a last day on the day before the first day, but not earlier.
        if begins_on and ends_on and (begins_on - ends_on).days > (member.maintenance == codes.END):
            message = f"The last day {ends_on} (DTP {last}) is before the first day {begins_on} (DTP {first})."
            yield error("END_BEFORE_BEGIN", message, at, "2000", "DTP03")
    if member.born_on and member.died_on and member.died_on < member.born_on:
        message = f"The death on {member.died_on} is before the birth on {member.born_on}."
        yield error("DIED_BEFORE_BIRTH", message, at, "2000", "INS12")
    if member.born_on:
        # A wrong beginning can still be cancelled.
        stated = [coverage for coverage in member.coverages if coverage.maintenance not in codes.COVERAGE_ENDS]
        begins = [coverage.begins_on for coverage in stated if coverage.begins_on]
        if early := [day for day in begins if day < member.born_on]:
            message = f"Coverage starts on {min(early)}, before the birth on {member.born_on}."
            yield error("COVERED_BEFORE_BIRTH", message, at, "2300", "DTP03")
    ends_on = member.day(codes.ELIGIBLE_UNTIL, codes.CHANGED_ON)
    each_ends = bool(member.coverages) and all(coverage.ends_on for coverage in member.coverages)
    if member.maintenance == codes.END and not ends_on and not each_ends:
        yield error(
            "END_UNKNOWN", "The member ends, but the last day (DTP 357, 349 or 303) is missing.", at, "2000", "DTP"
        )


def _of_coverage(member: FileMember, coverage: Coverage) -> Iterator[Finding]:
    at = coverage.segment_number
    if coverage.maintenance not in codes.COVERAGE_MAINTENANCE:
        message = f"Maintenance type {coverage.maintenance!r} is not supported."
        yield error("MAINTENANCE_UNKNOWN", message, at, "2300", "HD01")
    ends = coverage.maintenance in codes.COVERAGE_ENDS
    if member.maintenance == codes.END and not ends and coverage.maintenance != codes.NOT_APPLICABLE:
        message = f"The member ends (024), but this coverage has maintenance type {coverage.maintenance}."
        yield error("MAINTENANCE_CONTRADICTORY", message, at, "2300", "HD01")
    if member.maintenance in (codes.ADD, codes.REINSTATE) and ends:
        message = f"The member has maintenance type {member.maintenance}, but this coverage ends."
        yield error("MAINTENANCE_CONTRADICTORY", message, at, "2300", "HD01")
    begins_on, ends_on = coverage.begins_on, coverage.ends_on
    if begins_on and ends_on and (begins_on - ends_on).days > ends:
        message = f"The last day {ends_on} (DTP 349) is before the first day {begins_on} (DTP 348)."
        yield error("END_BEFORE_BEGIN", message, at, "2300", "DTP03")
    eligible_until = member.day(codes.ELIGIBLE_UNTIL)
    if ends and ends_on and eligible_until and ends_on > eligible_until:
        message = f"The coverage ends on {ends_on}, after eligibility ends on {eligible_until}."
        yield error("END_CONTRADICTORY", message, at, "2300", "DTP03")
    needs_start = not ends and coverage.maintenance not in (codes.NOT_APPLICABLE, codes.REINSTATE)
    if needs_start and not _has_start(member, coverage):
        yield error("BEGIN_UNKNOWN", "The first day (DTP 348, 356 or 303) is missing.", at, "2300", "DTP")
    if ends and not (ends_on or member.day(codes.ELIGIBLE_UNTIL, codes.CHANGED_ON)):
        yield error(
            "END_UNKNOWN", "The coverage ends, but the last day (DTP 349, 357 or 303) is missing.", at, "2300", "DTP"
        )


def _has_start(member: FileMember, coverage: Coverage) -> bool:
    return bool(coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON))
