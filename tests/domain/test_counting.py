"""Which decisions count and how they are read: minimal cases of bugs."""

from dataclasses import replace
from uuid import UUID

from domain.days import UNBOUNDED_END, Span
from domain.enrollment.choices import available_choices
from domain.enrollment.decisions import CorrectMembershipType, Decision, Enroll, Revert
from domain.enrollment.group import GroupBasis
from domain.members import Facts
from domain.membership import MembershipType
from tests.support.builders import a_contract, a_module, a_version, an_id

PRIMARY, CHILD, DOUBLE = (an_id(name) for name in ("primary", "child", "double"))
BASE, PLUS = an_id("base"), an_id("plus")
FIRST = a_contract().versions[0].days.start
OPEN = Span(FIRST, UNBOUNDED_END)
CONTRACT = a_contract(a_version(a_module("base", slot="base"), a_module("plus", slot="base")))


def request(n: int) -> UUID:
    return UUID(int=n)


def enroll(member_id: UUID, membership_type: MembershipType, module_id: UUID = BASE) -> Enroll:
    return Enroll(member_id, membership_type, module_id, OPEN)


def basis(*decisions: Decision) -> GroupBasis:
    facts = {member: Facts() for member in (PRIMARY, CHILD, DOUBLE)}
    numbered = tuple(replace(decision, change_request_id=request(n)) for n, decision in enumerate(decisions))
    return GroupBasis(CONTRACT, PRIMARY, numbered, facts)


def test_choices_do_not_show_the_enrollments_of_a_reverted_request() -> None:
    made = Decision((enroll(PRIMARY, MembershipType.PRIMARY),))
    group = basis(made, Decision((Revert(request(0)),)))
    choices = [choice for choice, _ in available_choices(group, PRIMARY, MembershipType.PRIMARY, FIRST)]
    assert [(choice.enrolled, choice.allowed) for choice in choices] == [(False, True), (False, True)]


def test_choices_show_the_enrollments_of_a_merged_member() -> None:
    group = replace(basis(Decision((enroll(DOUBLE, MembershipType.CHILD),))), aliases={DOUBLE: CHILD})
    choices = [choice for choice, _ in available_choices(group, CHILD, MembershipType.CHILD, FIRST)]
    assert [(choice.module_id, choice.enrolled) for choice in choices] == [(BASE, True), (PLUS, False)]


def test_a_correction_also_applies_to_earlier_enrolls_of_a_member_who_was_merged() -> None:
    """The child is enrolled as PARTNER and the double as CHILD; then the child is corrected, and the two are merged."""
    group = basis(
        Decision((enroll(CHILD, MembershipType.PARTNER),)),
        Decision((enroll(DOUBLE, MembershipType.CHILD, PLUS),)),
        Decision((CorrectMembershipType(CHILD, MembershipType.CHILD),)),
    )
    merged = replace(group, aliases={DOUBLE: CHILD})
    assert merged.folded.types.conflicts == {}
    again = Decision((enroll(CHILD, MembershipType.PARTNER),))
    conflicts = replace(merged, decisions=(*merged.decisions, again)).folded.types.conflicts
    assert conflicts == {CHILD: MembershipType.PARTNER}
    # Reverting the correction separates the types again.
    reverted = replace(merged, decisions=(*merged.decisions, Decision((Revert(request(2)),))))
    assert reverted.folded.types.conflicts == {CHILD: MembershipType.CHILD}


def test_the_primary_cannot_be_corrected_by_a_correction_of_a_merged_member() -> None:
    enrolled = Decision((enroll(PRIMARY, MembershipType.PRIMARY),))
    group = basis(enrolled, Decision((CorrectMembershipType(DOUBLE, MembershipType.CHILD),)), enrolled)
    merged = replace(group, aliases={DOUBLE: PRIMARY})
    assert merged.folded.types.conflicts == {PRIMARY: MembershipType.CHILD}
    assert merged.membership_types() == {PRIMARY: MembershipType.PRIMARY}
