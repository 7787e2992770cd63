"""Identifies the members of a file: the subscriber of each dependant, and everybody's member id.

Member ids are derived from the numbers in the file, so a person has the same id in every file. One file may identify a
dependant by a number and another file by name; the id that the server already knows is used.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from affilia_cli.enrollment_file.codes import CLIENT_NUMBER, SUBSCRIBER_NUMBER
from affilia_cli.enrollment_file.file import EnrollmentFile, FileMember, TransactionSet
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping
from affilia_cli.enrollment_file.server_state import ServerState


@dataclass(frozen=True, slots=True)
class IdentifiedMember:
    """A member of the file with the ids on the server.

    `subscriber` is the subscriber's loop if it is in the same set; for a subscriber it is the member itself. `findings`
    are all findings about the member, including those of the identification. After an error, `member_id`, `primary_id`
    and `membership_type` may be empty.
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


def identify_members(file: EnrollmentFile, mapping: Mapping, state: ServerState) -> list[IdentifiedMember]:
    """Returns all members in file order. Exact repetitions are returned once."""
    identified: list[IdentifiedMember] = []
    for transaction in file.transactions:
        numbers = {_number(each): each for each in transaction.members if each.is_subscriber}
        before: FileMember | None = None
        for member in transaction.members:
            findings = file.findings_of(member)
            if any(finding.code == "MEMBER_REPEATED" for finding in findings):
                continue
            if member.is_subscriber:
                before = member
                member_id = state.remaining_id(mapping.subscriber_id(_number(member))) if _number(member) else ""
                identified.append(
                    IdentifiedMember(member, transaction, member, member_id, member_id, "PRIMARY", findings)
                )
            else:
                identified.append(_dependant(member, transaction, numbers, before, findings, mapping, state))
    return list(_without_rejected_subscribers(_without_ambiguous(identified), state))


def _dependant(
    member: FileMember,
    transaction: TransactionSet,
    numbers: dict[str, FileMember],
    before: FileMember | None,
    findings: tuple[Finding, ...],
    mapping: Mapping,
    state: ServerState,
) -> IdentifiedMember:
    wrong: list[Finding] = []
    own = mapping.dependant_number is DependantNumber.OWN
    number = _number(before) if own and before else "" if own else _number(member)
    subscriber = before if own else numbers.get(number)
    primary_id = state.remaining_id(mapping.subscriber_id(number)) if number else ""
    at = member.first_segment
    if own and before is None:
        wrong.append(error("SUBSCRIBER_MISSING", "The dependant comes before any subscriber.", at, "2000", "INS01"))
    elif subscriber is None and not any((each, primary_id) in state.groups for each in mapping.contract_ids):
        message = f"Subscriber {number} is neither in the set nor on the server."
        wrong.append(error("SUBSCRIBER_MISSING", message, at, "2000", "REF02"))
    elif subscriber and subscriber.first_segment > at:
        message = "The dependant must come after the subscriber."
        wrong.append(error("SUBSCRIBER_MISSING", message, at, "2000", "INS01"))
    membership_type = mapping.relations.get(member.relation, "")
    if not membership_type:
        message = f"Relation {member.relation} is not mapped to a membership type."
        wrong.append(error("RELATION_UNMAPPED", message, at, "2000", "INS02"))
    ids = [mapping.dependant_id(number, kind, key) for kind, key in _keys(member, own)] if number else []
    if number and not ids:
        message = "The dependant can't be identified: a number, or a first name with a date of birth, is required."
        wrong.append(error("DEPENDANT_UNKNOWABLE", message, at, "2100A", "NM109"))
    member_id = state.remaining_id(next((each for each in ids if state.member(each)), ids[0] if ids else ""))
    return IdentifiedMember(
        member, transaction, subscriber, member_id, primary_id, membership_type, (*findings, *wrong)
    )


def _keys(member: FileMember, own: bool) -> Iterator[tuple[str, str]]:
    """Yields the keys that identify a dependant, the most reliable first."""
    if own and _number(member):
        yield "number", _number(member)
    if member.person_number:
        yield "person", member.person_number
    if client_number := member.reference(CLIENT_NUMBER):
        yield "client", client_number
    if member.born_on and member.first_name:
        yield "name", f"{member.first_name.upper()} {member.last_name.upper()} {member.born_on.isoformat()}"


def _without_ambiguous(identified: Sequence[IdentifiedMember]) -> list[IdentifiedMember]:
    """Rejects members with the same id, for example if 999999999 is used for unknown numbers."""
    counts = Counter(each.member_id for each in identified if each.member_id)
    message = "Another person in the file has the same number."
    return [
        _with_finding(each, error("MEMBER_AMBIGUOUS", message, each.member.first_segment, "2100A", "NM109"))
        if counts[each.member_id] > 1
        else each
        for each in identified
    ]


def _with_finding(identified: IdentifiedMember, finding: Finding) -> IdentifiedMember:
    return replace(identified, findings=(*identified.findings, finding))


def _without_rejected_subscribers(
    identified: Sequence[IdentifiedMember], state: ServerState
) -> Iterator[IdentifiedMember]:
    """Rejects dependants of rejected subscribers, unless the server already knows the subscriber."""
    rejected = {each.primary_id for each in identified if each.is_rejected and _is_subscriber(each)}
    known = {primary_id for _, primary_id in state.groups}
    for each in identified:
        if not _is_subscriber(each) and each.primary_id in rejected - known:
            message = "The subscriber is rejected."
            finding = error("SUBSCRIBER_REJECTED", message, each.member.first_segment, "2000", "INS01")
            yield _with_finding(each, finding)
        else:
            yield each


def _is_subscriber(identified: IdentifiedMember) -> bool:
    return identified.member.is_subscriber


def _number(member: FileMember) -> str:
    return member.reference(SUBSCRIBER_NUMBER)
