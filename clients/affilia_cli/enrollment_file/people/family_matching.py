"""Finds dependants without a known number in their family, by first name and date of birth."""

from collections.abc import Callable, Iterator, Sequence

from affilia_cli.enrollment_file.book.book import Book, BookMember, FamilyKey
from affilia_cli.enrollment_file.findings import warning
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.family_loops import FamilyLoop
from affilia_cli.enrollment_file.people.identity import (
    Identity,
    NameAndBirth,
    ambiguous,
    differences,
    said_about,
    same_birth,
    same_first_name,
)
from affilia_cli.enrollment_file.people.member_numbers import identifiers_of, ids_derived_from_name
from affilia_cli.enrollment_file.people.person_names import name_words
from affilia_cli.enrollment_file.reading.file import FileMember

Key = tuple[str | int, tuple[str, ...], object]


class FamilyMatching:
    """Identifies those who are still open, in place. `of_loop` has the identity of each loop.

    `primary_id` returns the member id of a loop's subscriber, or an empty string.
    """

    def __init__(
        self,
        book: Book,
        mapping: Mapping,
        loops: Sequence[FamilyLoop],
        of_loop: list[Identity],
        primary_id: Callable[[int], str],
    ) -> None:
        self._book = book
        self._mapping = mapping
        self._loops = loops
        self._of_loop = of_loop
        self._primary_id = primary_id
        self._systems: dict[int, frozenset[str]] = {}

    def run(self, identities: Sequence[Identity]) -> list[Identity]:
        """Returns the identities, without those that were joined with others."""
        for identity in identities:
            if identity.is_open:
                self._match_both(identity)
        identities = self._joined(identities)
        self._match_either(identities)
        return identities

    def _match_both(self, identity: Identity) -> None:
        """Looks for a member with the first name and the date of birth, corrected values first."""
        for said, at in self._said_in_families(identity):
            found = {each.member_id for each in self._with_both(at, said)}
            if len(found) > 1:
                found = {each for each in found if self._has_whole_name(each, at)} or found
            if len(found) > 1:
                reason = "Several members of the family have this first name and date of birth:"
                identity.finding = ambiguous(self._book, found, self._member(identity.loops[0]), reason)
                identity.possible = frozenset(found)
            if found:
                identity.member_id = found.pop() if len(found) == 1 else ""
                return

    def _said_in_families(self, identity: Identity) -> Iterator[tuple[NameAndBirth, int]]:
        said = [(said_about(self._member(at)), at) for at in identity.loops]
        yield from ((each, at) for values, at in said for each in values[:-1])
        yield from ((values[-1], at) for values, at in said)

    def _with_both(self, at: int, said: NameAndBirth) -> Iterator[BookMember]:
        if not said.is_complete or self._member(at).is_subscriber:
            return
        for known, _ in self._family(at):
            if same_first_name(known, said) and same_birth(known, said):
                yield known
        each = self._loops[at]
        for member_id in ids_derived_from_name(each.loop.member, self._mapping, each.family_numbers):
            stored = self._book.members.get(self._book.merged.get(member_id, member_id))
            # An interrupted import can have stored the name only.
            if stored and same_first_name(stored, said) and (stored.born_on is None or same_birth(stored, said)):
                yield stored

    def _has_whole_name(self, member_id: str, at: int) -> bool:
        return name_words(self._book.members[member_id].display_name) == name_words(self._member(at).display_name)

    def _joined(self, identities: Sequence[Identity]) -> list[Identity]:
        """Joins dependants of one family with the same first name and date of birth, for example of several sets."""
        first: dict[Key, int] = {}
        for at, each in enumerate(self._loops):
            family = self._family_key(at)
            if each.loop.member.is_subscriber or family is None:
                continue
            for said in said_about(each.loop.member):
                if said.is_complete:
                    other = self._of_loop[first.setdefault((family, *said), at)]
                    if self._can_join(other, self._of_loop[at]):
                        self._join(other, self._of_loop[at])
        remaining = {id(each) for each in self._of_loop}
        identities = [each for each in identities if id(each) in remaining]
        for identity in identities:
            identity.loops.sort()
        return identities

    def _family_key(self, at: int) -> str | int | None:
        """Returns what distinguishes the family of a loop: the primary's id, or the first loop of a new subscriber."""
        if primary_id := self._primary_id(at):
            return primary_id
        index = self._loops[at].subscriber_index
        return None if index is None else self._of_loop[index].loops[0]

    def _can_join(self, one: Identity, other: Identity) -> bool:
        """Returns whether two people can be one. They aren't if both have a number of the same kind: it differs."""
        if one is other or one.finding or other.finding:
            return False
        if one.member_id and other.member_id:
            return one.member_id == other.member_id
        return self._systems_of(one).isdisjoint(self._systems_of(other))

    def _systems_of(self, identity: Identity) -> frozenset[str]:
        """Returns the systems of a person's numbers, which are computed once."""
        if id(identity) not in self._systems:
            members = map(self._member, identity.loops)
            systems = (each.system for member in members for each in identifiers_of(member, self._mapping))
            self._systems[id(identity)] = frozenset(systems)
        return self._systems[id(identity)]

    def _join(self, one: Identity, other: Identity) -> None:
        if len(one.loops) < len(other.loops):
            one, other = other, one  # moves each loop only a few times, however many are joined one by one
        one.loops += other.loops
        one.member_id = one.member_id or other.member_id
        one.warnings += other.warnings
        for at in other.loops:
            self._of_loop[at] = one
        self._systems[id(one)] = self._systems_of(one) | self._systems_of(other)

    def _match_either(self, identities: Sequence[Identity]) -> None:
        """Looks for the only member of the family with the same relation and the first name or the date of birth."""
        claimed = {each.member_id for each in identities}.union(*(each.possible for each in identities))
        assumed: dict[str, list[tuple[Identity, int]]] = {}
        for identity in identities:
            if not identity.is_open:
                continue
            systems = self._systems_of(identity)
            # Somebody who has another number of the same kind, such as a twin, is somebody else.
            found = {
                known.member_id: at
                for at in identity.loops
                for known in self._with_either(at)
                if systems.isdisjoint(each.system for each in known.identifiers)
            }
            if len(found) == 1:
                ((member_id, at),) = found.items()
                assumed.setdefault(member_id, []).append((identity, at))
        for member_id, claims in assumed.items():
            if member_id not in claimed and len(claims) == 1:
                self._assume(*claims[0], self._book.members[member_id])

    def _with_either(self, at: int) -> Iterator[BookMember]:
        member = self._member(at)
        if member.is_subscriber:
            return
        for known, membership_type in self._family(at):
            if membership_type == self._mapping.relations.get(member.relation) and any(
                same_first_name(known, said) or same_birth(known, said) for said in said_about(member)
            ):
                yield known

    def _assume(self, identity: Identity, at: int, known: BookMember) -> None:
        member = self._member(at)
        differing = " and ".join(differences(known, said_about(member)[-1]))
        name = known.display_name or "the member without a name"
        message = f"Assumed to be {name} ({known.member_id}), although {differing}."
        identity.member_id = known.member_id
        identity.warnings += (warning("IDENTITY_ASSUMED", message, member.first_segment, "2100A", "NM1"),)

    def _family(self, at: int) -> Iterator[tuple[BookMember, str]]:
        """Yields the members of a dependant's family under all contracts, except the primary, with their types."""
        primary_id = self._primary_id(at)
        types: dict[str, str] = {}
        for contract_id in self._mapping.contract_ids if primary_id else ():
            family = self._book.families.get(FamilyKey(contract_id, primary_id))
            types |= family.membership_types if family else {}
        for member_id, membership_type in types.items():
            known = self._book.members.get(member_id)
            if known and member_id != primary_id and not known.is_erased:
                yield known, membership_type

    def _member(self, at: int) -> FileMember:
        return self._loops[at].loop.member
