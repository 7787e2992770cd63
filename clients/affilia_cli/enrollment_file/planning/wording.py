"""Says in words what the loops of a person state about cover."""

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember


def coverage_name(coverage: Coverage) -> str:
    """Returns the coverage as the file calls it: its line and, if there is one, its plan."""
    return " ".join(part for part in (coverage.line, coverage.plan) if part)


def statement_in_words(person: Person) -> str:
    """Returns what a file says about a person's cover, such as "covered by HMO from 2026-02-01; DEN deleted"."""
    return "; ".join(dict.fromkeys(text for loop in person.loops for text in _loop(loop.member)))


def _loop(member: FileMember) -> list[str]:
    until = member.day(codes.ELIGIBLE_UNTIL)
    texts = [_coverage(coverage, member) for coverage in member.coverages]
    if member.maintenance == codes.END and (until or not texts):
        last_on = until or member.day(codes.CHANGED_ON)
        texts.append("all cover ended" + (f" after {last_on}" if last_on else ""))
    elif not texts and member.maintenance == codes.REINSTATE:
        first_on = member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM)
        texts.append("cover reinstated " + (f"from {first_on}" if first_on else "without a gap"))
    return texts or ["no coverage"]


def _coverage(coverage: Coverage, member: FileMember) -> str:
    name, until = coverage_name(coverage), member.day(codes.ELIGIBLE_UNTIL)
    if coverage.maintenance == codes.NOT_APPLICABLE:
        return f"{name} not applicable"
    if coverage.maintenance in codes.COVERAGE_ENDS:
        last_on = coverage.ends_on or until or member.day(codes.CHANGED_ON)
        verb = "deleted, with last day" if coverage.maintenance == codes.DELETE else "ended after"
        return f"{name} {verb} {last_on or '(unknown)'}"
    last_on = min((day for day in (coverage.ends_on, until) if day), default=None)
    first_on = coverage.begins_on or member.day(codes.ELIGIBLE_FROM, codes.CHANGED_ON)
    if coverage.maintenance == codes.REINSTATE:
        first_on = coverage.begins_on or member.day(codes.CHANGED_ON, codes.ELIGIBLE_FROM)
        since = f"from {first_on}" if first_on else "without a gap"
        return f"{name} reinstated {since}" + (f" to {last_on}" if last_on else "")
    return f"covered by {name} from {first_on or '(unknown)'}" + (f" to {last_on}" if last_on else "")
