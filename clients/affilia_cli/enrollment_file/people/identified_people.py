"""Makes the people of a file from the identities of its loops, with all findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from affilia_cli.enrollment_file.book.book import Book, FamilyKey, SystemValue
from affilia_cli.enrollment_file.findings import Finding, error, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.family_loops import FamilyLoop
from affilia_cli.enrollment_file.people.identity import Identity, said_about
from affilia_cli.enrollment_file.people.member_numbers import (
    NUMBER_NAMES,
    identifiers_of,
    number_name,
    placeholders_of,
)
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, FileMember

MAX_IDENTIFIERS = 20
"""Maximum number of identifiers of a member (`member.proto`)."""

NO_IDENTIFIERS = frozenset[SystemValue]()
"""Shared by most people of a file: Python makes a new set of 216 bytes each time."""


def people_of(
    file: EnrollmentFile,
    mapping: Mapping,
    book: Book,
    loops: Sequence[FamilyLoop],
    of_loop: Sequence[Identity],
    primary_id: Callable[[int], str],
) -> list[Person]:
    """Returns the people of a file in order of their first loops, one for each member and family."""
    maker = _PeopleMaker(file, mapping, book, loops, of_loop)
    positions: dict[tuple[str | int, str], list[int]] = {}
    for at, identity in enumerate(of_loop):
        positions.setdefault((identity.member_id or identity.loops[0], primary_id(at)), []).append(at)
    people = [maker.person(together, key[1]) for key, together in positions.items()]
    return _without_rejected_subscribers(people, book)


class _PeopleMaker:
    def __init__(
        self,
        file: EnrollmentFile,
        mapping: Mapping,
        book: Book,
        loops: Sequence[FamilyLoop],
        of_loop: Sequence[Identity],
    ) -> None:
        self._file = file
        self._mapping = mapping
        self._book = book
        self._loops = loops
        self._of_loop = of_loop

    def person(self, positions: Sequence[int], primary_id: str) -> Person:
        """Returns the person with the loops at some positions, who are one member in one family."""
        identities = list({id(each): each for each in map(self._of_loop.__getitem__, positions)}.values())
        member_id, loops = identities[0].member_id, tuple(self._loops[at].loop for at in positions)
        findings = [finding for at in positions for finding in self._of_one_loop(at, primary_id, member_id)]
        for identity in identities:
            # The file's own contradictions can include it.
            if identity.finding and identity.finding.code not in {each.code for each in findings}:
                findings.append(identity.finding)
            findings += identity.warnings
        findings += [*_differing_names(loops), *self._placeholders(loops)]
        findings += self._other_type(loops[-1].member, member_id, primary_id)
        if not member_id and not any(each.is_error for each in findings):
            message = "The dependant can't be identified: a number, or a first name with a date of birth, is required."
            findings.append(error("DEPENDANT_UNKNOWABLE", message, loops[0].member.first_segment, "2100A", "NM109"))
        new, without_room = self._identifiers(loops, member_id)
        if without_room:
            kinds = ", ".join(dict.fromkeys(map(number_name, without_room)))
            message = f"A member has at most {MAX_IDENTIFIERS} identifiers. These are not added: {kinds}."
            findings.append(warning("IDENTIFIERS_FULL", message, loops[0].member.first_segment, "2000", "REF"))
        return Person(
            loops=loops,
            member_id=member_id,
            primary_id=primary_id,
            membership_type=self._membership_type(loops[-1].member),
            is_new=identities[0].is_new,
            identifiers=frozenset(new) if new else NO_IDENTIFIERS,
            findings=tuple(dict.fromkeys(findings)),
        )

    def _of_one_loop(self, at: int, primary_id: str, member_id: str) -> Iterator[Finding]:
        each = self._loops[at]
        member = each.loop.member
        yield from self._file.findings_of(member)
        if member.is_subscriber:
            return
        if each.misplaced:
            yield each.misplaced
        elif not primary_id and each.subscriber_index is not None:
            yield _subscriber_rejected(member)
        elif not primary_id:
            number = next(iter(each.family_numbers), "(none)")
            message = f"Subscriber {number} is neither in the file before this member nor on the server."
            yield error("SUBSCRIBER_MISSING", message, member.first_segment, "2000", "REF02")
        elif primary_id == member_id:
            message = "The dependant has the same number as the subscriber."
            yield error("MEMBER_AMBIGUOUS", message, member.first_segment, "2100A", "NM109")
        if not self._membership_type(member):
            message = f"Relation {member.relation} has no membership type. Add it to the relations of the mapping."
            yield error("RELATION_UNMAPPED", message, member.first_segment, "2000", "INS02")

    def _placeholders(self, loops: Sequence[PersonLoop]) -> Iterator[Finding]:
        """Warns once of numbers that identify nobody."""
        kinds = {kind: each.member for each in reversed(loops) for kind in placeholders_of(each.member, self._mapping)}
        for kind, member in kinds.items():
            message = f"The {NUMBER_NAMES[kind]} is one digit nine times, so it identifies nobody."
            yield warning("NUMBER_PLACEHOLDER", message, member.first_segment, "2100A", "NM109")

    def _membership_type(self, member: FileMember) -> str:
        return "PRIMARY" if member.is_subscriber else self._mapping.relations.get(member.relation, "")

    def _other_type(self, member: FileMember, member_id: str, primary_id: str) -> Iterator[Finding]:
        """Warns if the relation isn't the one in the book, which the import doesn't change."""
        families = (self._book.families.get(FamilyKey(each, primary_id)) for each in self._mapping.contract_ids)
        stored = {family.membership_types.get(member_id) for family in families if family} - {None}
        stated = self._membership_type(member)
        if stored and stated and stated not in stored:
            known = " and ".join(sorted(map(str, stored)))
            message = (
                f"Relation {member.relation} means {stated}, but the server has {known}. The import doesn't change it."
            )
            yield warning("RELATION_DIFFERS", message, member.first_segment, "2000", "INS02")

    def _identifiers(self, loops: Sequence[PersonLoop], member_id: str) -> tuple[list[SystemValue], list[SystemValue]]:
        """Returns the identifiers that a member doesn't have: those to add, and those for which there is no room."""
        stated = dict.fromkeys(one for each in loops for one in identifiers_of(each.member, self._mapping))
        new = [identifier for identifier in stated if identifier not in self._book.member_ids]
        known = self._book.members.get(member_id)
        room = max(0, MAX_IDENTIFIERS - (len(known.identifiers) if known else 0))
        return new[:room], new[room:]


def _differing_names(loops: Sequence[PersonLoop]) -> Iterator[Finding]:
    """Warns if one set gives a person two first names, because they could be two people with one number."""
    first: dict[int, PersonLoop] = {}
    for each in loops:
        before = first.setdefault(id(each.transaction), each)
        one, other = (said_about(loop.member)[-1].first_name[:1] for loop in (before, each))
        if one and other and one != other and not (before.member.incorrect or each.member.incorrect):
            message = (
                f"Assumed to be the person in segment {before.member.first_segment} because of a number, although the"
                f" first name is {before.member.first_name} there and {each.member.first_name} here."
            )
            yield warning("IDENTITY_ASSUMED", message, each.member.first_segment, "2100A", "NM1")


def _without_rejected_subscribers(people: Sequence[Person], book: Book) -> list[Person]:
    """Rejects the dependants of rejected subscribers, unless the book knows the subscriber's family."""
    rejected = {each.primary_id for each in people if each.is_rejected and each.member_id == each.primary_id}
    rejected -= {"", *(key.primary_id for key in book.families)}
    return [
        replace(each, findings=(*each.findings, _subscriber_rejected(each.loops[0].member)))
        if each.primary_id in rejected and each.member_id != each.primary_id
        else each
        for each in people
    ]


def _subscriber_rejected(member: FileMember) -> Finding:
    return error("SUBSCRIBER_REJECTED", "The subscriber is rejected.", member.first_segment, "2000", "INS01")
