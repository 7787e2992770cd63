"""Identification of random families, of which some are in the book: everybody is found, and nobody is mistaken."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.book.book import Book, SystemValue
from affilia_cli.enrollment_file.people.identifying import identify
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, FileMember
from tests.support.files_and_books import (
    CLIENT,
    MAPPING,
    SSN,
    SUBSCRIBER,
    a_book,
    a_book_member,
    a_file,
    dependant,
    incorrect,
    subscriber,
)

FIRST_NAMES = ("KIM", "TIM", "JIM", "ANN", "MARY ANN")
BIRTHS = ("2015-06-01", "2017-01-31")
CORRECTED_BIRTH = "2016-02-29"


@dataclass(frozen=True)
class RealPerson:
    """A dependant, whose first name nobody else in the family has. Twins have the same birth date."""

    member_id: str
    family: str
    first: str
    born: str
    client: str
    ssn: str
    is_stored: bool
    stored_kinds: frozenset[str]

    def stored(self) -> list[SystemValue]:
        numbers = {"client": MAPPING.identifier(CLIENT, self.client), "ssn": MAPPING.identifier(SSN, self.ssn)}
        return [numbers[kind] for kind in sorted(self.stored_kinds)]

    def loop(self, kinds: frozenset[str], correction: str) -> FileMember:
        """Returns a loop that states some numbers, and corrects the birth date by 2100B, without it, or not at all."""
        made = dependant(
            self.family,
            self.first,
            self.born if correction == "none" else CORRECTED_BIRTH,
            client=self.client if "client" in kinds else "",
            ssn=self.ssn if "ssn" in kinds else "",
        )
        return replace(made, incorrect=incorrect(self.first, self.born)) if correction == "declared" else made


KINDS = st.frozensets(st.sampled_from(["client", "ssn"]))


@st.composite
def families(draw: st.DrawFn) -> list[RealPerson]:
    people = []
    for family in ("S1", "S2"):
        for first in draw(st.lists(st.sampled_from(FIRST_NAMES), unique=True, max_size=4)):
            number = f"{family}{FIRST_NAMES.index(first)}"
            people.append(
                RealPerson(
                    member_id=f"member {number}",
                    family=family,
                    first=first,
                    born=draw(st.sampled_from(BIRTHS)),
                    client=f"C{number}",
                    ssn=f"SSN{number}",
                    is_stored=draw(st.booleans()),
                    stored_kinds=draw(KINDS),
                )
            )
    return people


@st.composite
def sets_about(draw: st.DrawFn, people: list[RealPerson]) -> list[list[tuple[FileMember, RealPerson | None]]]:
    """Returns sets of loops, each loop with the person whom it is about (None for subscribers)."""
    sets = []
    for _ in range(draw(st.integers(1, 3))):
        loops: list[tuple[FileMember, RealPerson | None]] = []
        for family, first in (("S1", "ANN"), ("S2", "JOHN")):
            loops.append((subscriber(family, first), None))
            for person in people:
                if person.family == family and draw(st.booleans()):
                    kinds = draw(KINDS)
                    known = bool(kinds & person.stored_kinds) if person.is_stored else False
                    corrections = ["none", "declared", *(["silent"] if known else [])]
                    loops.append((person.loop(kinds, draw(st.sampled_from(corrections))), person))
        sets.append(loops)
    return sets


def book_of(people: list[RealPerson]) -> Book:
    subscribers = [
        a_book_member(family, f"{first} DOE", "1980-01-01", identifiers=[MAPPING.identifier(SUBSCRIBER, family)])
        for family, first in (("S1", "ANN"), ("S2", "JOHN"))
    ]
    stored = [each for each in people if each.is_stored]
    members = [
        a_book_member(each.member_id, f"{each.first} DOE", each.born, identifiers=each.stored()) for each in stored
    ]
    types = {family: {each.member_id: "CHILD" for each in stored if each.family == family} for family in ("S1", "S2")}
    return a_book(*subscribers, *members, families=types)


def made(sets: list[list[tuple[FileMember, RealPerson | None]]]) -> EnrollmentFile:
    return a_file(*([loop for loop, _ in loops] for loops in sets))


def persons_by_name(people: list[Person]) -> dict[tuple[str, str], list[Person]]:
    """Returns the identified people by subscriber number and first name."""
    found: dict[tuple[str, str], list[Person]] = {}
    for each in people:
        first = each.loops[0].member
        assert {loop.member.first_name for loop in each.loops} == {first.first_name}
        found.setdefault((first.reference("0F"), first.first_name), []).append(each)
    return found


@settings(deadline=None)
@given(st.data())
def test_everybody_is_found_once_and_nobody_is_taken_for_somebody_else(data: st.DataObject) -> None:
    people = data.draw(families())
    sets = data.draw(sets_about(people))
    identified = identify(made(sets), MAPPING, book_of(people))
    assert not any(each.is_rejected for each in identified)
    assert len({(each.member_id, each.primary_id) for each in identified}) == len(identified)
    dependants = persons_by_name([each for each in identified if each.membership_type == "CHILD"])
    named = {person for loops in sets for _, person in loops if person}
    assert set(dependants) == {(each.family, each.first) for each in named}
    for person in named:
        (found,) = dependants[person.family, person.first]
        if person.is_stored:
            assert (found.member_id, found.is_new) == (person.member_id, False)
        else:
            warned = any(each.code == "IDENTITY_ASSUMED" for each in found.findings)
            absent = {each.member_id for each in people if each.is_stored and each not in named}
            assert found.is_new or (warned and found.member_id in absent)


@settings(deadline=None)
@given(st.data())
def test_the_order_of_sets_does_not_decide_who_is_meant(data: st.DataObject) -> None:
    people = data.draw(families())
    sets = data.draw(sets_about(people))
    book = book_of(people)

    def outcome(ordered: list[list[tuple[FileMember, RealPerson | None]]]) -> set[tuple[str, str, str, int]]:
        return {
            (
                each.primary_id,
                each.loops[0].member.first_name,
                "new" if each.is_new else each.member_id,
                len(each.loops),
            )
            for each in identify(made(ordered), MAPPING, book)
        }

    assert outcome(sets) == outcome(data.draw(st.permutations(sets)))


def test_thousands_of_loops_about_one_person_are_one_person() -> None:
    for loop in (dependant(client="C1"), dependant(), dependant(client="C1", incorrect=incorrect("TIM"))):
        _, kim = identify(a_file([subscriber(), *[loop] * 5000]), MAPPING, a_book())
        assert len(kim.loops) == 5000
        assert not kim.is_rejected
    people = identify(
        a_file(*[[subscriber(f"S{n}", born="1980-01-01", ssn="123")] for n in range(5000)]), MAPPING, a_book()
    )
    assert [len(each.loops) for each in people] == [5000]
