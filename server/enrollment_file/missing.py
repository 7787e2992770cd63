"""Who is in the book and not in the file, and loses cover by that.

Two ways: a file that names everybody (BGN08 4 or RX) does not name somebody who is enrolled; and a subscriber's end
ends the cover of dependants whom the file does not name. In doubt nobody is touched: a family with a rejected member
is left alone, and where somebody cannot be told apart at all, everybody is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from server.enrollment_file import codes
from server.enrollment_file.book import Book
from server.enrollment_file.families import Placed
from server.enrollment_file.file import EnrollmentFile
from server.enrollment_file.findings import Finding, warning
from server.enrollment_file.mapping import Mapping
from server.enrollment_file.wishes import last_day

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Missing:
    """A member of the book who is to be off some contracts from a day on, and why."""

    member_id: str
    primary_id: str
    contract_ids: tuple[str, ...]
    first_off: date
    reason: str
    code: str
    message: str


def missing_from(
    file: EnrollmentFile, placed: Iterable[Placed], mapping: Mapping, book: Book, today: date
) -> tuple[list[Missing], list[Finding]]:
    """Who is on a mapped module and not in a whole file, in order of member id; none for an update.

    They are off from the day on which the file takes effect, but never from a day that has passed.
    """
    whole = [each for each in file.transactions if each.action in codes.WHOLE_FILES]
    if not whole:
        return [], []
    placed = list(placed)
    if any(each.is_rejected and not each.primary_id for each in placed):
        message = "some members cannot be told apart, so nobody who is missing loses cover"
        return [], [warning("MISSING_NOT_JUDGED", message, 0, "HEADER", "BGN08")]
    first_off = max([today, *(each.effective_on for each in whole if each.effective_on)])
    named = {each.member_id for each in placed}
    doubtful = {each.primary_id for each in placed if each.is_rejected}
    found: dict[str, Missing] = {}
    for contract_id in mapping.contract_ids:
        for member_id, primary_id in sorted(book.enrolled(contract_id, first_off).items()):
            periods = [p for p in book.periods(member_id, primary_id) if p.contract_id == contract_id]
            on_mapped = any(p.module_id in mapping.module_ids and p.reaches(first_off) for p in periods)
            if member_id in named or primary_id in doubtful or not on_mapped:
                continue
            before = found[member_id].contract_ids if member_id in found else ()
            message = f"is enrolled and not in a file that names everybody; off from {first_off}"
            found[member_id] = Missing(
                member_id, primary_id, (*before, contract_id), first_off, "834-MISSING", "MEMBER_MISSING", message
            )
    return list(found.values()), []


def ended_with_subscriber(placed: Iterable[Placed], book: Book, named: set[str]) -> list[Missing]:
    """Dependants whom the file does not name, of subscribers whose cover ends as a whole, and who are covered then."""
    found = []
    for each in placed:
        last_on = last_day(each.member)
        if not each.member.is_subscriber or each.is_rejected or last_on is None:
            continue
        contract_ids = tuple(sorted(contract for contract, primary in book.groups if primary == each.primary_id))
        groups = [book.groups[contract_id, each.primary_id] for contract_id in contract_ids]
        members = {period.member_id for group in groups for period in group.periods} - named
        first_off, reason = last_on + ONE_DAY, "834-SUBSCRIBER-ENDED"
        message = f"loses cover with the subscriber, whose last day is {last_on}"
        for member_id in sorted(members):
            # From the last day on: whose cover begins on it was never to be covered.
            if any(period.reaches(last_on) for period in book.periods(member_id, each.primary_id)):
                found.append(
                    Missing(member_id, each.primary_id, contract_ids, first_off, reason, "SUBSCRIBER_ENDED", message)
                )
    return found
