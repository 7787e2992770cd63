"""Who is meant by the loops of a file."""

from dataclasses import replace

import pytest

from affilia_cli.enrollment_file.book.book import Book, SystemValue
from affilia_cli.enrollment_file.mapping import Mapping, NumberKind
from affilia_cli.enrollment_file.people.identifying import identify
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import FileMember
from tests.support.files_and_books import (
    CLIENT,
    MAPPING,
    PERSON,
    SSN,
    SUBSCRIBER,
    a_book,
    a_book_member,
    a_file,
    a_file_mapping,
    dependant,
    incorrect,
    subscriber,
)

ANN, KIM, TIM = "ann", "kim", "tim"
"""Members of the book. They have no derived ids, so only identifiers and names find them."""

S1 = MAPPING.identifier(SUBSCRIBER, "S1")


def number(kind: NumberKind, value: str) -> SystemValue:
    return MAPPING.identifier(kind, value)


def the_family(*kim: SystemValue, born: str = "2015-06-01", name: str = "KIM DOE") -> Book:
    """Returns a book with Ann, number S1, and her child Kim."""
    ann = a_book_member(ANN, "ANN DOE", "1980-01-01", identifiers=[S1])
    return a_book(ann, a_book_member(KIM, name, born, identifiers=kim), families={ANN: {KIM: "CHILD"}})


def codes(person: Person) -> list[str]:
    return [each.code for each in person.findings]


def only(people: list[Person]) -> Person:
    (person,) = people
    return person


def of_file(
    *loops: FileMember, book: Book | None = None, mapping: Mapping = MAPPING, action: str = "2"
) -> list[Person]:
    return identify(a_file(loops, action=action), mapping, book or a_book())


# --------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("loop", "identifier"),
    [
        (dependant(client="C1"), number(CLIENT, "C1")),
        (dependant(ssn="123-45-6788"), number(SSN, "123456788")),
        (dependant(person="123456788"), number(SSN, "123456788")),
        (dependant(person="P1", person_number_qualifier="ZZ"), number(PERSON, "P1")),
    ],
)
def test_a_known_number_is_the_member_whatever_the_name_is(loop: FileMember, identifier: SystemValue) -> None:
    book = the_family(identifier, name="KIMBERLY ROE")
    kim = only(of_file(loop, book=book))
    assert (kim.member_id, kim.primary_id, kim.is_new, kim.findings) == (KIM, ANN, False, ())
    assert kim.identifiers == frozenset()


def test_new_numbers_of_a_known_member_are_added_and_known_ones_are_not() -> None:
    kim = only(of_file(dependant(client="C1", ssn="123456788"), book=the_family(number(CLIENT, "C1"))))
    assert kim.identifiers == {number(SSN, "123456788")}


CORRECTED = dependant(first="KIMBERLY", born="2016-06-01", client="C2", maintenance="001")


@pytest.mark.parametrize(
    ("loop", "earlier"),
    [
        (replace(CORRECTED, references=(*CORRECTED.references, ("Q4", "C1"))), CLIENT),
        (replace(CORRECTED, incorrect=incorrect(number="C1", qualifier="ZZ")), PERSON),
        (replace(CORRECTED, incorrect=incorrect(number="C1", qualifier="34")), SSN),
    ],
)
def test_an_earlier_number_finds_the_member_and_the_new_one_is_added(loop: FileMember, earlier: NumberKind) -> None:
    kim = only(of_file(loop, book=the_family(number(earlier, "C1"))))
    assert kim.member_id == KIM
    assert kim.identifiers == {number(CLIENT, "C2")}


def test_a_subscriber_is_found_by_the_earlier_subscriber_number() -> None:
    people = of_file(subscriber("S2", prior="S1", maintenance="001"), dependant("S2"), book=the_family())
    assert [(each.member_id, each.primary_id) for each in people] == [(ANN, ANN), (KIM, ANN)]
    assert people[0].identifiers == {number(SUBSCRIBER, "S2")}


def test_a_family_is_found_by_the_earlier_number_of_a_subscriber_who_is_not_in_the_file() -> None:
    kim = only(of_file(dependant("S2", prior="S1", maintenance="001"), book=the_family()))
    assert (kim.member_id, kim.primary_id) == (KIM, ANN)


TWINS = [dependant("S2", prior="S1", maintenance="001"), dependant("S2", "TIM", prior="S1", maintenance="001")]


def test_the_subscribers_earlier_number_does_not_make_one_person_of_twins() -> None:
    twins = {KIM: a_book_member(KIM), TIM: a_book_member(TIM, "TIM DOE")}
    book = a_book(the_family().members[ANN], *twins.values(), families={ANN: dict.fromkeys(twins, "CHILD")})
    people = of_file(subscriber("S2", prior="S1", maintenance="001"), *TWINS, book=book)
    assert [(each.member_id, each.primary_id, codes(each)) for each in people] == [
        (ANN, ANN, []),
        (KIM, ANN, []),
        (TIM, ANN, []),
    ]
    added = of_file(subscriber("S2", prior="S1"), *(replace(each, maintenance="021") for each in TWINS))
    assert len({each.member_id for each in added}) == len(added) == 3


@pytest.mark.parametrize("in_file", [True, False])
@pytest.mark.parametrize("first", ["KIM", "ANN"])
def test_an_earlier_number_that_is_the_subscribers_is_not_the_dependants(first: str, in_file: bool) -> None:
    """The subscriber's number was the social security number."""
    ssn = number(SSN, "123456788")
    ann = a_book_member(ANN, "ANN DOE", "1980-01-01", identifiers=[number(SUBSCRIBER, "123456788"), ssn])
    book = a_book(ann, a_book_member(KIM, f"{first} DOE"), families={ANN: {KIM: "CHILD"}})
    loops = [subscriber("S2", prior="123456788", ssn="123456788")] if in_file else []
    kim = of_file(*loops, dependant("S2", first, prior="123456788", maintenance="001"), book=book)[-1]
    assert (kim.member_id, kim.primary_id, kim.findings) == (KIM, ANN, ())


def test_numbers_that_lead_to_two_members_are_ambiguous_and_name_the_members() -> None:
    tim = a_book_member(TIM, "TIM DOE", identifiers=[number(SSN, "123456788")])
    family = the_family(number(CLIENT, "C1"))
    book = a_book(*family.members.values(), tim, families={ANN: {KIM: "CHILD", TIM: "CHILD"}})
    kim = only(of_file(dependant(client="C1", ssn="123456788"), book=book))
    (finding,) = kim.findings
    assert (finding.code, finding.is_error, kim.primary_id) == ("IDENTITY_AMBIGUOUS", True, ANN)
    assert "KIM DOE (kim) and TIM DOE (tim)" in finding.message
    assert "MergeMembers" in finding.message


def test_ids_that_earlier_releases_derived_from_numbers_are_identifiers() -> None:
    ann = a_book_member(MAPPING.subscriber_id("S1"), "ANN DOE", "1980-01-01")
    kim = a_book_member(MAPPING.dependant_id("S1", "client", "C1"), "KIMBERLY ROE", "2016-01-01")
    book = a_book(ann, kim, families={ann.member_id: {kim.member_id: "CHILD"}})
    people = of_file(subscriber(), dependant(client="C1", first="KIMBERLY"), book=book)
    assert [each.member_id for each in people] == [ann.member_id, kim.member_id]
    assert [each.identifiers for each in people] == [{S1}, {number(CLIENT, "C1")}]
    assert not any(each.findings for each in people)


def test_a_derived_id_of_a_merged_member_is_the_remaining_member() -> None:
    family = the_family()
    book = a_book(*family.members.values(), families={ANN: {}}, merged={MAPPING.subscriber_id("S9"): ANN})
    assert only(of_file(subscriber("S9"), book=book)).member_id == ANN


def test_an_erased_member_is_nobody_and_the_id_is_not_used_again() -> None:
    erased = a_book_member(MAPPING.subscriber_id("S1"), "", "", is_erased=True)
    ann = only(of_file(subscriber(), book=a_book(erased)))
    assert ann.is_new
    assert ann.member_id not in ("", erased.member_id)


def test_a_number_that_was_given_again_is_reported() -> None:
    ann = only(of_file(subscriber(first="BEN", born="1990-01-01"), book=the_family()))
    (finding,) = ann.findings
    assert (ann.member_id, finding.code, finding.is_error) == (ANN, "IDENTITY_ASSUMED", False)
    assert "ANN DOE" in finding.message
    assert "BEN" in finding.message


@pytest.mark.parametrize("placeholder", ["999999999", "000000000", "999-99-9999"])
def test_a_placeholder_identifies_nobody(placeholder: str) -> None:
    stored = a_book_member(KIM, "KIM DOE", identifiers=[number(SSN, placeholder.replace("-", ""))])
    family = the_family()
    book = a_book(family.members[ANN], stored, families={ANN: {}})
    twins = [dependant(first=first, person=placeholder) for first in ("JIM", "TIM")]
    jim, tim = of_file(*twins, book=book)
    assert jim.is_new
    assert tim.is_new
    assert jim.member_id != tim.member_id
    assert codes(jim) == codes(tim) == ["NUMBER_PLACEHOLDER"]
    assert jim.identifiers == frozenset()


def test_different_people_with_a_placeholder_do_not_contradict_each_other() -> None:
    siblings = [dependant(first="JIM", ssn="999999999"), dependant(first="TIM", born="2019-01-01", ssn="999999999")]
    again = dependant(first="TIM", born="2019-01-01", ssn="999999999")
    _, jim, tim = of_file(subscriber(), *siblings, again)
    assert (len(jim.loops), len(tim.loops)) == (1, 2)
    assert codes(jim) == codes(tim) == ["NUMBER_PLACEHOLDER"]


def test_numbers_that_do_not_fit_into_twenty_identifiers_are_reported() -> None:
    full = [number(CLIENT, f"C{n}") for n in range(19)]
    kim = only(of_file(dependant(client="C1", ssn="123456788", person="P1"), book=the_family(*full)))
    (finding,) = kim.findings
    assert (finding.code, finding.is_error) == ("IDENTIFIERS_FULL", False)
    assert kim.identifiers == {number(SSN, "123456788")}


# --------------------------------------------------------------------------------------- name and date of birth


def test_a_dependant_without_a_known_number_is_found_by_first_name_and_date_of_birth() -> None:
    kim = only(of_file(dependant(last="ROE", client="C1", maintenance="001"), book=the_family()))
    assert (kim.member_id, kim.findings) == (KIM, ())
    assert kim.identifiers == {number(CLIENT, "C1")}


def test_corrected_values_find_the_member_without_a_warning() -> None:
    loop = dependant(born="2016-06-01", maintenance="001", incorrect=incorrect("KIM", "2015-06-01"))
    assert [(each.member_id, each.findings) for each in of_file(loop, book=the_family())] == [(KIM, ())]


def test_corrected_values_are_compared_first() -> None:
    members = [a_book_member(KIM, "KIM DOE", "2015-06-01"), a_book_member(TIM, "KIM DOE", "2016-06-01")]
    book = a_book(the_family().members[ANN], *members, families={ANN: {KIM: "CHILD", TIM: "CHILD"}})
    loop = dependant(born="2016-06-01", incorrect=incorrect("KIM", "2015-06-01"))
    assert only(of_file(loop, book=book)).member_id == KIM


@pytest.mark.parametrize(
    ("first", "born", "said"),
    [
        ("KIM", "2016-06-01", "2015-06-01 on the server and 2016-06-01 in the file"),
        ("KYM", "2015-06-01", "KIM DOE on the server and the first name is KYM in the file"),
    ],
)
def test_one_matching_value_of_the_only_child_is_assumed_and_reported(first: str, born: str, said: str) -> None:
    kim = only(of_file(dependant(first=first, born=born), book=the_family()))
    (finding,) = kim.findings
    assert (kim.member_id, finding.code, finding.is_error) == (KIM, "IDENTITY_ASSUMED", False)
    assert said in finding.message


@pytest.mark.parametrize("loop", [dependant(first="TIM"), dependant(first="KIM", born="2016-06-01")])
@pytest.mark.parametrize("stored", ["111223333", "111224444"])
def test_somebody_with_another_number_of_the_same_kind_is_not_assumed(loop: FileMember, stored: str) -> None:
    """A twin who is added later, for example. Nobody else is in the file."""
    numbered = replace(loop, references=(*loop.references, ("SY", "111224444")))
    kim = only(of_file(numbered, book=the_family(number(SSN, stored))))
    assert kim.is_new == (stored == "111223333")


def test_a_member_with_another_relation_is_not_assumed() -> None:
    book = a_book(*the_family().members.values(), families={ANN: {KIM: "PARTNER"}})
    assert only(of_file(dependant(first="KIM", born="2016-06-01"), book=book)).is_new


def test_nobody_is_assumed_to_be_somebody_else_of_the_file() -> None:
    people = of_file(dependant(), dependant(first="TIM"), book=the_family())
    assert [(each.member_id == KIM, each.is_new) for each in people] == [(True, False), (False, True)]
    people = of_file(dependant(first="JIM"), dependant(first="TIM"), book=the_family())
    assert [each.is_new for each in people] == [True, True]


def test_twins_in_the_book_are_told_apart_by_their_first_names() -> None:
    members = [a_book_member(KIM), a_book_member(TIM, "TIM DOE")]
    book = a_book(the_family().members[ANN], *members, families={ANN: {KIM: "CHILD", TIM: "CHILD"}})
    assert [each.member_id for each in of_file(dependant(first="TIM"), dependant(), book=book)] == [TIM, KIM]
    jim = only(of_file(dependant(first="JIM"), book=book))
    assert jim.is_new


def test_a_father_and_a_son_with_one_name_are_two_people() -> None:
    john = [a_book_member(ANN, "JOHN DOE", "1980-01-01", identifiers=[S1]), a_book_member(KIM, "JOHN DOE")]
    book = a_book(*john, families={ANN: {KIM: "CHILD"}})
    loops = [subscriber(first="JOHN"), dependant(first="JOHN", born="2016-06-01")]
    assert [each.member_id for each in of_file(*loops, book=book)] == [ANN, KIM]
    partner = only(of_file(dependant(first="JOHN", born="1980-01-01", relation="01"), book=book))
    assert partner.is_new


def test_doubled_members_with_one_name_and_birth_are_ambiguous() -> None:
    members = [a_book_member(KIM), a_book_member(TIM, "KIM ROE")]
    book = a_book(the_family().members[ANN], *members, families={ANN: {KIM: "CHILD", TIM: "CHILD"}})
    assert only(of_file(dependant(), book=book)).member_id == KIM  # the whole name is equal
    ambiguous = only(of_file(dependant(last="POE"), book=book))
    assert codes(ambiguous) == ["IDENTITY_AMBIGUOUS"]


def test_an_id_derived_from_the_name_finds_a_member_who_was_never_enrolled() -> None:
    stored = MAPPING.dependant_id("S1", "name", "KIM DOE 2015-06-01")
    book = a_book(the_family().members[ANN], a_book_member(stored, "KIM DOE", ""), families={ANN: {}})
    assert only(of_file(dependant(maintenance="001"), book=book)).member_id == stored


def test_a_new_twin_does_not_get_the_id_of_a_corrected_child() -> None:
    stored = MAPPING.dependant_id("S1", "name", "JIM DOE 2015-06-01")
    members = [a_book_member(stored, "TIM DOE"), a_book_member(KIM, "KIM DOE")]
    book = a_book(the_family().members[ANN], *members, families={ANN: {stored: "CHILD", KIM: "CHILD"}})
    jim = only(of_file(dependant(first="JIM"), book=book))
    assert jim.is_new
    assert jim.member_id not in ("", stored)


# --------------------------------------------------------------------------------------- new or unknown


@pytest.mark.parametrize(("maintenance", "is_new"), [("021", True), ("030", True), ("001", False), ("024", False)])
def test_only_additions_and_audits_add_unknown_people(maintenance: str, is_new: bool) -> None:
    ann, kim = of_file(subscriber(maintenance=maintenance), dependant(maintenance=maintenance))
    assert (ann.is_new, kim.is_new) == (is_new, is_new)
    if is_new:
        assert (ann.member_id, ann.findings, kim.findings) == (MAPPING.subscriber_id("S1"), (), ())
        assert kim.member_id == MAPPING.dependant_id("S1", "name", "KIM DOE 2015-06-01")
    else:
        assert (codes(ann), codes(kim)) == (["MEMBER_UNKNOWN"], ["SUBSCRIBER_REJECTED", "MEMBER_UNKNOWN"])


def test_whole_files_add_everybody() -> None:
    assert all(each.is_new for each in of_file(subscriber(maintenance="001"), dependant(maintenance="001"), action="4"))


def test_a_dependant_without_anything_that_identifies_is_rejected() -> None:
    ann, kim = of_file(subscriber(), dependant(first="", born=""))
    assert (ann.findings, codes(kim)) == ((), ["DEPENDANT_UNKNOWABLE"])


def test_a_dependant_needs_a_subscriber_in_the_file_or_in_the_book() -> None:
    assert codes(only(of_file(dependant("S7")))) == ["SUBSCRIBER_MISSING"]
    late, _ = of_file(dependant(), subscriber())
    assert codes(late) == ["SUBSCRIBER_MISSING"]
    assert only(of_file(dependant(), book=the_family())).findings == ()


def test_a_relation_that_is_not_the_one_of_the_book_is_reported() -> None:
    book = the_family(number(CLIENT, "C1"))
    kim = only(of_file(dependant(client="C1", relation="03", maintenance="001"), book=book))
    (finding,) = kim.findings
    assert (kim.member_id, finding.code, finding.is_error) == (KIM, "RELATION_DIFFERS", False)
    assert "ASCENDANT" in finding.message
    assert "CHILD" in finding.message


def test_a_relation_that_is_not_mapped_is_rejected() -> None:
    assert codes(only(of_file(dependant(relation="25"), book=the_family()))) == ["RELATION_UNMAPPED"]


# --------------------------------------------------------------------------------------- several loops, several sets


def test_loops_of_several_sets_are_one_person() -> None:
    loops = [[subscriber(maintenance="024")], [subscriber()], [dependant()], [dependant(client="C1"), subscriber()]]
    ann, kim = identify(a_file(*loops), MAPPING, a_book())
    assert [len(each.loops) for each in (ann, kim)] == [3, 2]
    assert (ann.findings, kim.findings) == ((), ())
    assert (ann.is_new, kim.is_new) == (True, True)
    assert kim.primary_id == ann.member_id


def test_a_child_who_is_added_and_then_corrected_is_one_person() -> None:
    fix = dependant(born="2016-06-01", maintenance="001", incorrect=incorrect("KIM", "2015-06-01"))
    _, kim = identify(a_file([subscriber(), dependant()], [subscriber(), fix]), MAPPING, a_book())
    assert (len(kim.loops), kim.is_new, kim.findings) == (2, True, ())


def test_loops_with_one_number_and_nothing_else_in_common_contradict_each_other() -> None:
    loops = [dependant(client="C1"), dependant(first="TIM", born="2017-01-01", client="C1")]
    ann, kim, tim = of_file(subscriber(), *loops)
    assert ann.findings == ()
    assert (codes(kim), codes(tim)) == (["MEMBER_AMBIGUOUS"], ["MEMBER_AMBIGUOUS"])
    assert "client number (REF 23): TIM DOE in segment 30" in kim.findings[0].message
    assert kim.primary_id == tim.primary_id == ann.member_id


def test_people_with_a_common_number_are_placed_by_their_other_numbers() -> None:
    book = the_family(number(CLIENT, "C1"))
    loops = [dependant(client="C1", ssn="123456788"), dependant(first="TIM", born="2017-01-01", ssn="123456788")]
    kim, tim = of_file(*loops, book=book)
    assert [(each.member_id, each.primary_id, codes(each)) for each in (kim, tim)] == [
        (KIM, ANN, ["MEMBER_AMBIGUOUS"]),
        ("", ANN, ["MEMBER_AMBIGUOUS"]),
    ]


def test_one_number_with_another_first_name_or_another_birth_is_one_person() -> None:
    for other in (dependant(client="C1", first="KIMMY"), dependant(client="C1", born="2015-07-01")):
        _, kim = identify(a_file([subscriber(), dependant(client="C1")], [subscriber(), other]), MAPPING, a_book())
        assert (len(kim.loops), kim.findings) == (2, ())


def test_two_first_names_with_one_number_in_one_set_are_reported() -> None:
    _, kim = of_file(subscriber(), dependant(client="C1"), dependant(client="C1", first="TIM"))
    assert (len(kim.loops), codes(kim)) == (2, ["IDENTITY_ASSUMED"])


def test_a_number_that_a_child_had_by_mistake_can_be_the_mothers() -> None:
    fix = dependant(ssn="222334444", incorrect=incorrect(number="111223333", qualifier="34"))
    ann, kim = of_file(subscriber(ssn="111223333"), fix)
    assert (ann.findings, kim.findings) == ((), ())
    assert ann.member_id != kim.member_id


def test_a_subscriber_who_is_somebodys_partner_is_the_same_member_in_two_families() -> None:
    loops = [
        subscriber(ssn="111223333"),
        dependant("S1", "BEN", "1981-01-01", "01", ssn="222334444"),
        subscriber("S2", "BEN", "1981-01-01", ssn="222334444"),
    ]
    ann, partner, ben = of_file(*loops)
    assert partner.member_id == ben.member_id != ""
    assert (partner.primary_id, ben.primary_id) == (ann.member_id, ben.member_id)
    assert (partner.membership_type, ben.membership_type) == ("PARTNER", "PRIMARY")
    assert not (ann.findings or partner.findings or ben.findings)


def test_a_dependant_with_the_subscribers_number_is_rejected() -> None:
    ann = only(of_file(subscriber(ssn="111223333"), dependant(first="ANN", ssn="111223333", relation="01")))
    assert "MEMBER_AMBIGUOUS" in codes(ann)


def test_own_numbers_of_dependants_are_identifiers_in_the_same_system() -> None:
    mapping = a_file_mapping(dependant_number="OWN")
    ann, kim = of_file(subscriber(), dependant("S2"), mapping=mapping)
    assert ann.identifiers == {S1}
    assert kim.identifiers == {number(SUBSCRIBER, "S2")}
    assert kim.member_id == mapping.dependant_id("S1", "number", "S2")
    early = of_file(dependant("S2"), subscriber(), mapping=mapping)
    assert codes(early[0])[:1] == ["SUBSCRIBER_MISSING"]


def test_dependants_of_a_rejected_subscriber_are_rejected_unless_the_book_knows_the_family() -> None:
    loops = [subscriber(ssn="111223333"), subscriber("S2", "BEN", "1990-05-05", ssn="111223333")]
    ann, _, kim = of_file(*loops, dependant(), book=the_family())
    assert (codes(ann), codes(kim)) == (["MEMBER_AMBIGUOUS"], [])
    _, _, kim = of_file(*loops, dependant())
    assert codes(kim) == ["SUBSCRIBER_REJECTED"]
