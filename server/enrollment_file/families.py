"""Who the people of a file are here: which subscriber a dependant belongs to, and which member id each one has.

Ids are derived, so the same person comes to the same id in every file. A dependant may be told by a number at one
time and without it at another; then the key under which the book knows the person is taken.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from server.enrollment_file.book import Book
from server.enrollment_file.codes import CLIENT_NUMBER, SUBSCRIBER_NUMBER
from server.enrollment_file.file import EnrollmentFile, FileMember, TransactionSet
from server.enrollment_file.findings import Finding, error
from server.enrollment_file.mapping import DependantNumber, Mapping


@dataclass(frozen=True, slots=True)
class Placed:
    """A member of the file and who that is here.

    `subscriber` is the loop of the subscriber, if the same set has it; for a subscriber it is the member itself.
    `findings` are all findings about the member, the placing's own among them. Where an error kept the member from
    being placed, `member_id`, `primary_id` and `membership_type` may be empty.
    """

    member: FileMember
    transaction: TransactionSet
    subscriber: FileMember | None
    member_id: str
    primary_id: str
    membership_type: str
    findings: tuple[Finding, ...]

    @property
    def is_rejected(self) -> bool:
        return any(finding.is_error for finding in self.findings)


def place(file: EnrollmentFile, mapping: Mapping, book: Book) -> list[Placed]:
    """Everybody in the file, in its order; those told twice in the same words once."""
    placed: list[Placed] = []
    for transaction in file.transactions:
        numbers = {_number(each): each for each in transaction.members if each.is_subscriber}
        before: FileMember | None = None
        for member in transaction.members:
            findings = file.findings_of(member)
            if any(finding.code == "MEMBER_REPEATED" for finding in findings):
                continue
            if member.is_subscriber:
                before = member
                member_id = mapping.subscriber_id(_number(member)) if _number(member) else ""
                placed.append(Placed(member, transaction, member, member_id, member_id, "PRIMARY", findings))
            else:
                placed.append(_dependant(member, transaction, numbers, before, findings, mapping, book))
    return list(_without_rejected_subscribers(_without_ambiguous(placed), book))


def _dependant(
    member: FileMember,
    transaction: TransactionSet,
    numbers: dict[str, FileMember],
    before: FileMember | None,
    findings: tuple[Finding, ...],
    mapping: Mapping,
    book: Book,
) -> Placed:
    wrong: list[Finding] = []
    own = mapping.dependant_number is DependantNumber.OWN
    number = _number(before) if own and before else "" if own else _number(member)
    subscriber = before if own else numbers.get(number)
    primary_id = mapping.subscriber_id(number) if number else ""
    at = member.first_segment
    if own and before is None:
        wrong.append(error("SUBSCRIBER_MISSING", "stands before any subscriber", at, "2000", "INS01"))
    elif subscriber is None and not any((each, primary_id) in book.groups for each in mapping.contract_ids):
        message = f"is a dependant of {number}, who is neither in the set nor in the book"
        wrong.append(error("SUBSCRIBER_MISSING", message, at, "2000", "REF02"))
    elif subscriber and subscriber.first_segment > at:
        message = "stands before its subscriber; dependants follow"
        wrong.append(error("SUBSCRIBER_MISSING", message, at, "2000", "INS01"))
    membership_type = mapping.relations.get(member.relation, "")
    if not membership_type:
        message = f"relation {member.relation} is mapped to no membership type"
        wrong.append(error("RELATION_UNMAPPED", message, at, "2000", "INS02"))
    ids = [mapping.dependant_id(number, kind, key) for kind, key in _keys(member, own)] if number else []
    if number and not ids:
        message = "has neither a number nor a date of birth to be known by"
        wrong.append(error("DEPENDANT_UNKNOWABLE", message, at, "2100A", "NM109"))
    member_id = next((each for each in ids if book.member(each)), ids[0] if ids else "")
    return Placed(member, transaction, subscriber, member_id, primary_id, membership_type, (*findings, *wrong))


def _keys(member: FileMember, own: bool) -> Iterator[tuple[str, str]]:
    """What a dependant can be told apart by, the surest first."""
    if own and _number(member):
        yield "number", _number(member)
    if member.person_number:
        yield "person", member.person_number
    if client_number := member.reference(CLIENT_NUMBER):
        yield "client", client_number
    if member.born_on and member.first_name:
        yield "name", f"{member.first_name.upper()} {member.last_name.upper()} {member.born_on.isoformat()}"


def _without_ambiguous(placed: Sequence[Placed]) -> list[Placed]:
    """Two people under one number, as where 999999999 stands for a number that is not known, are nobody's."""
    often = Counter(each.member_id for each in placed if each.member_id)
    message = "comes to the same member as another person of the file: a number is used twice"
    return [
        _against(each, error("MEMBER_AMBIGUOUS", message, each.member.first_segment, "2100A", "NM109"))
        if often[each.member_id] > 1
        else each
        for each in placed
    ]


def _against(placed: Placed, finding: Finding) -> Placed:
    return replace(placed, findings=(*placed.findings, finding))


def _without_rejected_subscribers(placed: Sequence[Placed], book: Book) -> Iterator[Placed]:
    """A dependant cannot come in through a subscriber who is refused, unless the book has that subscriber."""
    refused = {each.primary_id for each in placed if each.is_rejected and _is_subscriber(each)}
    known = {primary_id for _, primary_id in book.groups}
    for each in placed:
        if not _is_subscriber(each) and each.primary_id in refused - known:
            message = "belongs to a subscriber who is rejected"
            finding = error("SUBSCRIBER_REJECTED", message, each.member.first_segment, "2000", "INS01")
            yield _against(each, finding)
        else:
            yield each


def _is_subscriber(placed: Placed) -> bool:
    return placed.member.is_subscriber


def _number(member: FileMember) -> str:
    return member.reference(SUBSCRIBER_NUMBER)
