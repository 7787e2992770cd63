"""Where a file contradicts itself, although every segment by itself is in order.

Every function here takes values and yields findings. What needs the mapping or the book to tell, such as a coverage
that nobody sells, is left to the plan.
"""

from collections.abc import Iterator

from server.enrollment_file import codes
from server.enrollment_file.file import Coverage, EnrollmentFile, FileMember, TransactionSet
from server.enrollment_file.findings import Finding, error, warning


def contradictions(file: EnrollmentFile) -> Iterator[Finding]:
    """All of them, in no particular order."""
    yield from _of_file(file)
    for transaction in file.transactions:
        for member in transaction.members:
            yield from _of_member(member)
            for coverage in member.coverages:
                yield from _of_coverage(member, coverage)
    yield from _duplicates(file)


def _of_file(file: EnrollmentFile) -> Iterator[Finding]:
    if not file.transactions:
        yield error("NOTHING_INSIDE", "holds no transaction set (ST)")
    if file.envelope.usage == "T":
        yield warning("TEST_FILE", "calls itself a test", 1, "ISA_LOOP", "ISA15")
    known = {codes.UPDATE_FILE, *codes.WHOLE_FILES}
    actions = {transaction.action for transaction in file.transactions}
    for action in sorted(actions - known):
        yield error("ACTION_UNKNOWN", f"{action!r} is not one of {', '.join(sorted(known))}", 0, "HEADER", "BGN08")
    if len(actions) > 1:
        yield error("ACTIONS_MIXED", f"one file says {' and '.join(sorted(actions))}", 0, "HEADER", "BGN08")
    sponsors = {transaction.sponsor.number for transaction in file.transactions}
    if len(sponsors) > 1:
        yield error("SPONSORS_MIXED", "one file speaks for several sponsors", 0, "1000A", "N104")
    for transaction in file.transactions:
        yield from _of_header(transaction)


def _of_header(transaction: TransactionSet) -> Iterator[Finding]:
    if transaction.purpose == codes.INFORMATION_COPY:
        message = f"set {transaction.number} is an information copy, not to be applied"
        yield error("INFORMATION_COPY", message, 0, "HEADER", "BGN01")
    if not transaction.sponsor.number:
        yield error("SPONSOR_MISSING", f"set {transaction.number} names no sponsor number", 0, "1000A", "N104")


def _of_member(member: FileMember) -> Iterator[Finding]:
    at = member.first_segment

    def wrong(code: str, message: str, element: str) -> Finding:
        return error(code, message, at, "2000", element)

    if member.maintenance not in codes.MEMBER_MAINTENANCE:
        yield wrong("MAINTENANCE_UNKNOWN", f"{member.maintenance!r} is no maintenance type that is applied", "INS03")
    if member.is_subscriber and member.relation in codes.CHILDREN:
        yield wrong("SUBSCRIBER_IS_CHILD", f"says subscriber, and relation {member.relation}, a child", "INS02")
    elif member.is_subscriber and member.relation != codes.SELF:
        yield wrong("SUBSCRIBER_IS_RELATED", f"says subscriber, and relation {member.relation}, not 18", "INS02")
    elif not member.is_subscriber and member.relation == codes.SELF:
        yield wrong("DEPENDANT_IS_SELF", "says dependant, and relation 18, the subscriber", "INS02")
    if not member.reference(codes.SUBSCRIBER_NUMBER):
        yield wrong("NUMBER_MISSING", "has no subscriber number (REF 0F)", "REF")
    if not member.last_name:
        yield error("NAME_MISSING", "has no last name", at, "2100A", "NM103")
    yield from _of_days(member)


def _of_days(member: FileMember) -> Iterator[Finding]:
    at = member.first_segment
    for first, last in (
        (codes.ELIGIBLE_FROM, codes.ELIGIBLE_UNTIL),
        (codes.EMPLOYED_FROM, codes.EMPLOYED_UNTIL),
    ):
        begins_on, ends_on = member.day(first), member.day(last)
        # A cancellation may be told by an end on the day before the beginning; no more than that.
        if begins_on and ends_on and (begins_on - ends_on).days > (member.maintenance == codes.END):
            message = f"ends on {ends_on} (DTP {last}), before it begins on {begins_on} (DTP {first})"
            yield error("END_BEFORE_BEGIN", message, at, "2000", "DTP03")
    if member.born_on:
        begins = [coverage.begins_on for coverage in member.coverages if coverage.begins_on]
        if early := [day for day in begins if day < member.born_on]:
            message = f"is covered from {min(early)}, before the birth on {member.born_on}"
            yield error("COVERED_BEFORE_BIRTH", message, at, "2300", "DTP03")
    ends_on = member.day(codes.ELIGIBLE_UNTIL, codes.CHANGED_ON)
    each_ends = bool(member.coverages) and all(coverage.ends_on for coverage in member.coverages)
    if member.maintenance == codes.END and not ends_on and not each_ends:
        yield error("END_UNKNOWN", "is to end, on no day (DTP 357, 349 or 303)", at, "2000", "DTP")


def _of_coverage(member: FileMember, coverage: Coverage) -> Iterator[Finding]:
    at = coverage.segment_number
    if coverage.maintenance not in codes.COVERAGE_MAINTENANCE:
        message = f"{coverage.maintenance!r} is no maintenance type that is applied"
        yield error("MAINTENANCE_UNKNOWN", message, at, "2300", "HD01")
    ends = coverage.maintenance in codes.COVERAGE_ENDS
    if member.maintenance == codes.END and not ends and coverage.maintenance != codes.NOT_APPLICABLE:
        message = f"the member is to end (024), this coverage says {coverage.maintenance}"
        yield error("MAINTENANCE_CONTRADICTORY", message, at, "2300", "HD01")
    if member.maintenance in (codes.ADD, codes.REINSTATE) and ends:
        message = f"the member says {member.maintenance}, this coverage is to end"
        yield error("MAINTENANCE_CONTRADICTORY", message, at, "2300", "HD01")
    begins_on, ends_on = coverage.begins_on, coverage.ends_on
    if begins_on and ends_on and (begins_on - ends_on).days > ends:
        message = f"ends on {ends_on} (DTP 349), before it begins on {begins_on} (DTP 348)"
        yield error("END_BEFORE_BEGIN", message, at, "2300", "DTP03")
    eligible_until = member.day(codes.ELIGIBLE_UNTIL)
    if ends and ends_on and eligible_until and ends_on > eligible_until:
        message = f"the coverage ends on {ends_on}, after eligibility ends on {eligible_until}"
        yield error("END_CONTRADICTORY", message, at, "2300", "DTP03")
    needs_begin = not ends and coverage.maintenance not in (codes.NOT_APPLICABLE, codes.REINSTATE)
    if needs_begin and not _begin(member, coverage):
        yield error("BEGIN_UNKNOWN", "begins on no day (DTP 348, 356 or 303)", at, "2300", "DTP")
    if ends and not (ends_on or member.day(codes.ELIGIBLE_UNTIL, codes.CHANGED_ON)):
        yield error("END_UNKNOWN", "is to end, on no day (DTP 349, 357 or 303)", at, "2300", "DTP")


def _begin(member: FileMember, coverage: Coverage) -> bool:
    return bool(coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON))


def _duplicates(file: EnrollmentFile) -> Iterator[Finding]:
    """The same person told twice: harmless word for word in another set, else nobody knows which one holds."""
    first: dict[tuple[str, ...], tuple[str, FileMember]] = {}
    for transaction in file.transactions:
        for member in transaction.members:
            key = (
                member.reference(codes.SUBSCRIBER_NUMBER),
                *(("",) if member.is_subscriber else (member.relation, member.person_number)),
                *(() if member.is_subscriber else (member.first_name, member.last_name, str(member.born_on))),
            )
            before = first.setdefault(key, (transaction.number, member))
            if before[1] is member:
                continue
            if before[0] != transaction.number and _says(before[1]) == _says(member):
                message = f"said the same as segment {before[1].first_segment}, and is applied once"
                yield warning("MEMBER_REPEATED", message, member.first_segment, "2000", "INS")
                continue
            for one, other in ((before[1], member), (member, before[1])):
                message = f"is the same member as in segment {other.first_segment}"
                yield error("MEMBER_DUPLICATE", message, one.first_segment, "2000", "INS")


def _says(member: FileMember) -> tuple[object, ...]:
    """All that a member's loop says, wherever it stands."""
    coverages = tuple((c.maintenance, c.line, c.plan, c.level, c.begins_on, c.ends_on) for c in member.coverages)
    texts = (member.maintenance, member.display_name, member.born_on, member.employment_status)
    return (*texts, member.references, member.dates, member.address, coverages)
