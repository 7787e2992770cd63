"""Merging the facts and identifiers of two records, and reading recorded days with merged members replaced."""

from dataclasses import fields, replace
from datetime import date

import pytest

from domain.days import Days
from domain.enrollment.changed_inputs import BasisChange, NewMerge
from domain.enrollment.closing import read_with_aliases
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey
from domain.enrollment.group import GroupBasis, replay
from domain.member_merging import KINDS, NOT_MERGED_WHOLE, KeptFacts, MergedFacts, merge_violations, merged_facts
from domain.members import Address, Attribute, FactKind, Facts, Identifier
from domain.membership import MembershipType
from tests.support.builders import a_contract, a_module, a_span, a_version, an_id

BORN, OTHER = date(2015, 6, 1), date(2015, 6, 2)
ADDRESS = Address(a_span(), "FR", "75001")
A, B, C, PRIMARY = an_id("a"), an_id("b"), an_id("c"), an_id("primary")
BASE, PLUS = an_id("base"), an_id("plus")


def an_attribute(name: str, value: str) -> Attribute:
    return Attribute(a_span(), name, value)


def test_facts_that_only_one_record_has_remain() -> None:
    of_from = Facts(BORN, attributes=(an_attribute("a", "1"),))
    of_into = Facts(addresses=(ADDRESS,), attributes=(an_attribute("b", "2"),))
    merged = merged_facts(of_from, of_into, KeptFacts.UNDECIDED)
    attributes = (an_attribute("a", "1"), an_attribute("b", "2"))
    assert merged == MergedFacts(Facts(BORN, (ADDRESS,), attributes=attributes), ("DATE_OF_BIRTH", "ATTRIBUTE a"), ())


def test_equal_facts_are_no_conflict() -> None:
    facts = Facts(BORN, (ADDRESS,), attributes=(an_attribute("a", "1"),))
    assert merged_facts(facts, facts, KeptFacts.UNDECIDED) == MergedFacts(facts, (), ())


@pytest.mark.parametrize("keep", KeptFacts)
def test_different_facts_are_conflicts_that_keep_decides(keep: KeptFacts) -> None:
    of_from = Facts(BORN, (ADDRESS,), attributes=(an_attribute("a", "1"),))
    of_into = Facts(OTHER, (replace(ADDRESS, postal_code="75002"),), attributes=(an_attribute("a", "2"),))
    merged = merged_facts(of_from, of_into, keep)
    assert merged.facts == (of_from if keep is KeptFacts.FROM else of_into)
    assert merged.conflicts == ("DATE_OF_BIRTH", "ADDRESS", "ATTRIBUTE a")
    assert bool(merge_violations(merged, (), keep)) == (keep is KeptFacts.UNDECIDED)


def test_a_date_of_death_moves_and_cannot_be_before_the_date_of_birth() -> None:
    merged = merged_facts(Facts(died_on=OTHER), Facts(BORN), KeptFacts.UNDECIDED)
    assert merged == MergedFacts(Facts(BORN, died_on=OTHER), ("DATE_OF_DEATH",), ())
    both = merged_facts(Facts(died_on=OTHER), Facts(died_on=BORN), KeptFacts.UNDECIDED)
    assert both.conflicts == ("DATE_OF_DEATH",)
    impossible = merged_facts(Facts(died_on=BORN), Facts(OTHER), KeptFacts.UNDECIDED)
    assert [violation.field for violation in merge_violations(impossible, (), KeptFacts.FROM)] == ["from_member_id"]


def test_every_kind_of_fact_is_merged_under_its_name() -> None:
    whole = {field.name for field in fields(Facts)} - set(NOT_MERGED_WHOLE)
    assert whole <= KINDS.keys()
    assert {kind.value for kind in FactKind} - {"SALARY", "ATTRIBUTE"} <= set(KINDS.values())


def test_a_member_cannot_get_more_attributes_or_identifiers_than_allowed() -> None:
    attributes = tuple(an_attribute(f"{n:03}", "1") for n in range(501))
    identifiers = tuple(Identifier("payroll", str(n)) for n in range(21))
    merged = MergedFacts(Facts(attributes=attributes), (), ())
    described = [violation.description for violation in merge_violations(merged, identifiers, KeptFacts.UNDECIDED)]
    assert [words.split(",")[0] for words in described] == [
        "would leave 501 custom facts",
        "would leave 21 identifiers",
    ]


# ------------------------------------------------------------------------------------- days of merged members

JANUARY, MARCH = Days.of(a_span("2026-01-01", "2026-01-31")), Days.of(a_span("2026-03-01", "2026-03-31"))
SLOTS = {BASE: "base", PLUS: "base", an_id("option"): None}


def test_days_of_both_records_on_one_module_add_up() -> None:
    days = {EnrollmentKey(A, BASE): JANUARY, EnrollmentKey(B, BASE): MARCH}
    assert read_with_aliases(days, {A: B}, SLOTS) == {EnrollmentKey(B, BASE): JANUARY | MARCH}
    assert read_with_aliases(days, {}, SLOTS) is days


def test_the_remaining_record_wins_where_both_are_on_modules_of_one_slot() -> None:
    days = {EnrollmentKey(A, PLUS): JANUARY | MARCH, EnrollmentKey(B, BASE): MARCH}
    assert read_with_aliases(days, {A: B}, SLOTS) == {
        EnrollmentKey(B, BASE): MARCH,
        EnrollmentKey(B, PLUS): JANUARY,
    }
    days = {EnrollmentKey(A, PLUS): JANUARY, EnrollmentKey(B, an_id("option")): JANUARY}
    assert EnrollmentKey(B, PLUS) in read_with_aliases(days, {A: B}, SLOTS)


# ------------------------------------------------------------------------------------- merges as changed inputs


def a_basis(**aliases: str) -> GroupBasis:
    contract = a_contract(a_version(a_module("base")))
    decisions = [
        Decision((Enroll(PRIMARY, MembershipType.PRIMARY, BASE, a_span()),)),
        Decision((Enroll(A, MembershipType.CHILD, BASE, a_span("2026-01-01", "2026-01-31")),)),
        Decision((Enroll(C, MembershipType.CHILD, BASE, a_span("2026-03-01", "2026-03-31")),)),
    ]
    facts = {member_id: Facts() for member_id in (PRIMARY, A, B, C)}
    resolved = {an_id(member): an_id(into) for member, into in aliases.items()}
    return GroupBasis(contract, PRIMARY, tuple(decisions), facts, None, resolved)


def test_a_merge_is_a_changed_input_that_turns_the_old_days_into_the_new_ones() -> None:
    change = BasisChange(a_basis(), a_basis(a="c"))
    assert change.inputs == (NewMerge(A, C),)
    assert replay(change.mixed(change.inputs)).days[EnrollmentKey(C, BASE)] == JANUARY | MARCH
    assert replay(change.mixed(())).days[EnrollmentKey(A, BASE)] == JANUARY


def test_a_later_merge_of_the_remaining_record_is_the_only_changed_input() -> None:
    change = BasisChange(a_basis(a="b"), a_basis(a="c", b="c"))
    assert change.inputs == (NewMerge(B, C),)
    assert change.mixed(change.inputs).aliases == {A: C, B: C}
    assert change.mixed(()).aliases == {A: B}
