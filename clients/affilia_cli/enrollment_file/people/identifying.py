"""Identifies the people of a file: which member each of them is, in which family.

1. Loops with a common number are about one person, unless they contradict each other (`contradictory_numbers.py`).
2. If the book knows one of a person's numbers, current or earlier, that is the member, whatever the name and date of
   birth are. `member_numbers.py` lists the numbers.
3. Other dependants are looked for in the subscriber's family (`family_matching.py`).
4. Everybody else is new, or rejected if the file doesn't add them.
"""

from collections.abc import Iterable, Sequence

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.book.book import Book, FamilyKey, SystemValue
from affilia_cli.enrollment_file.findings import error, warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.contradictory_numbers import are_different, different_people
from affilia_cli.enrollment_file.people.family_loops import family_loops
from affilia_cli.enrollment_file.people.family_matching import FamilyMatching
from affilia_cli.enrollment_file.people.identified_people import people_of
from affilia_cli.enrollment_file.people.identity import (
    Identity,
    ambiguous,
    differences,
    said_about,
    same_birth,
    same_first_name,
)
from affilia_cli.enrollment_file.people.loop_groups import LoopGroups
from affilia_cli.enrollment_file.people.member_numbers import (
    dependant_keys,
    derived_ids,
    earlier_identifiers_of,
    family_identifiers,
    identifiers_of,
    number_name,
)
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, FileMember

ADDITIONS = frozenset({codes.ADD, codes.AUDIT})


def identify(file: EnrollmentFile, mapping: Mapping, book: Book) -> list[Person]:
    """Returns the people of a file in order of their first loops, one for each member and family."""
    identification = _Identification(file, mapping, book)
    identification.run()
    return people_of(file, mapping, book, identification.loops, identification.of_loop, identification.primary_id)


class _Identification:
    """`of_loop` has the identity of each loop."""

    def __init__(self, file: EnrollmentFile, mapping: Mapping, book: Book) -> None:
        self._mapping = mapping
        self._book = book
        self.loops = list(family_loops(file, mapping))
        self.of_loop: list[Identity] = []
        self._primaries: dict[tuple[str, ...], str] = {}

    def run(self) -> None:
        identities = self._separated(self._joined_by_numbers())
        for identity in identities:
            if identity.is_open:
                self._look_up(identity)
        matching = FamilyMatching(self._book, self._mapping, self.loops, self.of_loop, self.primary_id)
        identities = matching.run(identities)
        taken = {each.member_id for each in identities if each.member_id}
        for identity in identities:
            if identity.is_open:
                self._add(identity, taken)

    def primary_id(self, at: int) -> str:
        """Returns the member id of a loop's subscriber, or an empty string if nobody is known or added yet."""
        each = self.loops[at]
        if each.subscriber_index is not None:
            return self.of_loop[each.subscriber_index].member_id
        if each.family_numbers not in self._primaries:
            self._primaries[each.family_numbers] = self._primary_in_book(each.family_numbers)
        return self._primaries[each.family_numbers]

    def _primary_in_book(self, numbers: Sequence[str]) -> str:
        for number in numbers:
            owners = map(self._book.member_ids.get, family_identifiers(self._mapping, [number]))
            known = next(filter(None, owners), None) or self._stored(self._mapping.subscriber_id(number))
            if known and any(FamilyKey(each, known) in self._book.families for each in self._mapping.contract_ids):
                return known
        return ""

    def _joined_by_numbers(self) -> LoopGroups:
        joined = LoopGroups(len(self.loops))
        owners: dict[SystemValue, int] = {}
        for at in range(len(self.loops)):
            for identifier in identifiers_of(self._member(at), self._mapping):
                joined.join(at, owners.setdefault(identifier, at))
        for at in range(len(self.loops)):
            for possible in earlier_identifiers_of(self._member(at), self._mapping):
                # Only the current number of a loop joins it with the loops that had it earlier: the members of a family
                # often have one earlier number in common, which is the subscriber's.
                owner = next((owners[one] for one in possible if one in owners), None)
                if owner is not None and self._can_have_been(at, owner):
                    joined.join(at, owner)
        return joined

    def _can_have_been(self, at: int, owner: int) -> bool:
        """Returns whether a person can have had a number earlier that is now that of another loop.

        A number that a child had by mistake can be the mother's, who is in the file, too.
        """
        subscriber = self.loops[at].subscriber_index
        is_of_subscriber = owner == subscriber and not self._member(at).is_subscriber
        return not is_of_subscriber and not are_different(self._member(at), self._member(owner))

    def _separated(self, joined: LoopGroups) -> list[Identity]:
        """Returns one identity for each group of loops. Different people with a common number are rejected."""
        identities: list[Identity] = []
        for loops in joined.groups():
            people = different_people([self._member(at) for at in loops]) if len(loops) > 1 else [[0]]
            parts = [Identity([loops[position] for position in person]) for person in people]
            if len(parts) > 1:
                self._reject(parts)
            identities += parts
        of_loop = {at: identity for identity in identities for at in identity.loops}
        self.of_loop = [of_loop[at] for at in range(len(self.loops))]
        return identities

    def _reject(self, identities: Sequence[Identity]) -> None:
        """Rejects different people with common numbers. Their other numbers still tell who is concerned."""
        numbers = [
            {each for at in identity.loops for each in identifiers_of(self._member(at), self._mapping)}
            for identity in identities
        ]
        for identity, own in zip(identities, numbers, strict=True):
            others = set[SystemValue]().union(*(each for each in numbers if each is not own))
            found = {self._book.member_ids[each] for each in own - others if each in self._book.member_ids}
            identity.member_id = found.pop() if len(found) == 1 else ""
            other = self._member(next(each for each in identities if each is not identity).loops[0])
            kinds = " and ".join(sorted(map(number_name, own & others))) or "number"
            message = (
                f"Another person has the same {kinds}: {other.display_name or 'somebody without a name'}"
                f" in segment {other.first_segment}."
            )
            first = self._member(identity.loops[0])
            identity.finding = error("MEMBER_AMBIGUOUS", message, first.first_segment, "2100A", "NM109")

    def _look_up(self, identity: Identity) -> None:
        """Identifies a person by all numbers that the book knows. Rejects those who can be several members."""
        found = set[str]()
        for at in identity.loops:
            member = self._member(at)
            found |= self._owners((each,) for each in identifiers_of(member, self._mapping))
            # Earlier numbers of a dependant can be those of the subscriber.
            of_subscriber = set() if member.is_subscriber else {self.primary_id(at)}
            found |= self._owners(earlier_identifiers_of(member, self._mapping)) - of_subscriber
            ids = derived_ids(member, self._mapping, self.loops[at].family_numbers)
            found |= {stored for each in ids if (stored := self._stored(each))}
        if len(found) > 1:
            reason = "The numbers of this person lead to different members:"
            identity.finding = ambiguous(self._book, found, self._member(identity.loops[0]), reason)
            identity.possible = frozenset(found)
        elif found:
            (identity.member_id,) = found
            self._compare(identity)

    def _owners(self, numbers: Iterable[tuple[SystemValue, ...]]) -> set[str]:
        """Returns the members who have the numbers. Each is given as the identifiers that it can be."""
        owners = (
            [self._book.member_ids[each] for each in possible if each in self._book.member_ids] for possible in numbers
        )
        return {each[0] for each in owners if each}

    def _compare(self, identity: Identity) -> None:
        """Warns if the name and the date of birth both differ from the book: the number can have been given again."""
        known = self._book.members.get(identity.member_id)
        said = [each for at in identity.loops for each in said_about(self._member(at)) if each.is_complete]
        if known is None or not known.display_name or known.born_on is None or not said:
            return
        if not any(same_first_name(known, each) or same_birth(known, each) for each in said):
            message = (
                f"Assumed to be {known.display_name} ({known.member_id}) because of a number, although"
                f" {' and '.join(differences(known, said[-1]))}."
            )
            at = self._member(identity.loops[0]).first_segment
            identity.warnings += (warning("IDENTITY_ASSUMED", message, at, "2100A", "NM1"),)

    def _stored(self, member_id: str) -> str:
        """Returns the id of a stored member, or of the one into whom they were merged, or an empty string."""
        known = self._book.members.get(self._book.merged.get(member_id, member_id))
        return known.member_id if known and not known.is_erased else ""

    def _add(self, identity: Identity, taken: set[str]) -> None:
        """Gives a new member an id that nobody has, or rejects somebody whom the file doesn't add."""
        if not any(_adds(self.loops[at].loop) for at in identity.loops):
            maintenance = " and ".join(dict.fromkeys(self._member(at).maintenance for at in identity.loops))
            message = (
                f"No stored member has these numbers or this name, and maintenance type {maintenance} adds nobody."
                " To add the member, send 021."
            )
            first = self._member(identity.loops[0])
            identity.finding = error("MEMBER_UNKNOWN", message, first.first_segment, "2000", "INS03")
            return
        member_id, attempt = self._derived_id(identity), 1
        while member_id in taken or member_id in self._book.members or member_id in self._book.merged:
            attempt += 1
            member_id = self._derived_id(identity, str(attempt))
        if member_id:
            taken.add(member_id)
            identity.member_id, identity.is_new = member_id, True

    def _derived_id(self, identity: Identity, *again: str) -> str:
        """Returns the id of a new member, or an empty string if the loops have nothing from which to derive it."""
        for at in identity.loops:
            member, numbers = self._member(at), self.loops[at].family_numbers
            if numbers and member.is_subscriber:
                return self._mapping.subscriber_id(numbers[0], *again)
            key = next(dependant_keys(member, self._mapping), None)
            if numbers and key:
                return self._mapping.dependant_id(numbers[0], *key, *again)
        return ""

    def _member(self, at: int) -> FileMember:
        return self.loops[at].loop.member


def _adds(loop: PersonLoop) -> bool:
    return loop.member.maintenance in ADDITIONS or loop.transaction.action in codes.FULL_FILES
