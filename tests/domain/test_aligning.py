"""Aligning: what the request of a migration contains, and that the past is taken over as it was."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.days import UNBOUNDED_END, UNBOUNDED_START, Days, Span, to_day
from domain.enrollment.decisions import Decision, Enroll, EnrollmentKey, GroupKey, Leave, Requester, RequesterRole
from domain.enrollment.desired import DaysByEnrollment, lay_over
from domain.enrollment.group import GroupBasis, replay
from domain.errors import LegacyCannotHold
from domain.members import Facts
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis, alignment_of, missing_birth_dates, reject_blocked
from domain.migration.legacy import LegacyGroup, LegacyMapping, Translated
from domain.migration.translating import fingerprint, translated
from tests.domain.histories import FIRST, LENGTH, MEMBERS, MODULES, PRIMARY, TYPES, Group, groups, spans
from tests.support.builders import a_span, an_id
from tests.support.legacy import RULES, a_legacy_contract, a_legacy_group, a_mapping, a_row

CONTRACT = a_legacy_contract(*RULES)
TODAY = to_day(date(2026, 3, 15))
P, C, S = (an_id(name) for name in "PCS")
EARLIER = Decision((Enroll(S, MembershipType.PARTNER, an_id("DENTAL"), a_span("2026-01-01")),))
ROWS = (
    a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", "2024-05-31"),
    a_row(2, "P", "PRIMARY", "FLEX", "2024-09-01", None),
    a_row(3, "C", "CHILD", "FLEX", "2024-03-01", None),
)


def a_basis(*decisions: Decision) -> GroupBasis:
    return GroupBasis(CONTRACT, P, decisions, {P: Facts(), S: Facts()})


def a_translation(group: LegacyGroup) -> Translated:
    return translated(group, CONTRACT, {})


def test_everyone_leaves_all_modules_before_each_run_is_enrolled() -> None:
    alignment = alignment_of(a_translation(a_legacy_group(ROWS)), a_basis(EARLIER), TODAY)
    changes = [scoped.change for scoped in alignment.changes]
    everyone = sorted([P, C, S], key=lambda member_id: member_id.int)
    assert changes[:3] == [Leave(member_id, None, a_span("2024-01-01")) for member_id in everyone]
    assert sorted(changes[3:], key=str) == sorted(
        [
            Enroll(P, MembershipType.PRIMARY, an_id("BASE"), a_span("2024-03-01", "2024-05-31")),
            Enroll(P, MembershipType.PRIMARY, an_id("BASE"), a_span("2024-09-01")),
            Enroll(C, MembershipType.CHILD, an_id("BASE"), a_span("2024-03-01")),
        ],
        key=str,
    )
    assert alignment.requester == Requester(RequesterRole.MIGRATION, "ES")
    assert alignment.overridden_rules == ("CHILD_AGE", "EMPLOYED", "NEEDS_PRIMARY")
    assert alignment.overridden_before == date(2026, 3, 15)


def test_a_group_without_periods_is_aligned_by_a_leave_of_the_primary() -> None:
    alignment = alignment_of(a_translation(a_legacy_group([])), GroupBasis(CONTRACT, P, (), {P: Facts()}), TODAY)
    assert [scoped.change for scoped in alignment.changes] == [Leave(P, None, a_span("2024-01-01"))]


def test_the_leaves_start_with_the_earlier_one_of_both_contracts() -> None:
    group = a_legacy_group([], mapping=a_mapping(a_span("2023-07-01")))
    (leave,) = alignment_of(a_translation(group), a_basis(), TODAY).decision().changes
    assert isinstance(leave, Leave) and leave.days == a_span("2023-07-01")


def test_what_only_earlier_decisions_say_is_gone_after_aligning() -> None:
    basis = aligned_basis(a_basis(EARLIER), a_translation(a_legacy_group(ROWS)), TODAY)
    assert not any(key.member_id == S for key in replay(basis).days)


def test_a_decision_after_the_alignment_counts_as_always() -> None:
    basis = aligned_basis(a_basis(), a_translation(a_legacy_group(ROWS)), TODAY)
    left = Leave(P, an_id("BASE"), a_span("2025-01-01"))
    after = replace(basis, decisions=(*basis.decisions, Decision((left,))))
    assert replay(after).days[EnrollmentKey(P, an_id("BASE"))] == Days.of(
        a_span("2024-03-01", "2024-05-31"), a_span("2024-09-01", "2024-12-31")
    )


def test_birth_dates_of_the_tables_count_where_the_core_knows_none() -> None:
    births = {"P": "1980-01-01", "C": "2010-01-01", "C2": "2012-01-01", "S": "1981-01-01"}
    group = a_legacy_group(ROWS, births=births)
    known = {P: Facts(born_on=date(1979, 1, 1)), C: Facts(), S: Facts(erased_on=date(2026, 1, 1))}
    assert missing_birth_dates(known, group.birth_dates) == {C: date(2010, 1, 1)}
    basis = aligned_basis(GroupBasis(CONTRACT, P, (), {P: known[P]}), a_translation(group), TODAY)
    assert basis.facts == {P: known[P], C: Facts(born_on=date(2010, 1, 1))}


def test_only_a_group_with_a_product_that_is_not_mapped_is_blocked() -> None:
    reject_blocked(a_translation(a_legacy_group([*ROWS, a_row(4, "C", "CHILD", "FLEX", None, None)])))
    with pytest.raises(LegacyCannotHold) as raised:
        reject_blocked(a_translation(a_legacy_group([*ROWS, a_row(4, "C", "CHILD", "SPA", "2024-03-01", None)])))
    assert (raised.value.facts["cause"], raised.value.facts["row_id"]) == ("PRODUCT_NOT_MAPPED", "4")


@st.composite
def translations(draw: st.DrawFn, group: Group) -> Translated:
    """Draws what the legacy rows of a drawn group say. The types are those that the core knows."""
    contract, types = group.basis.contract, {**TYPES, **group.basis.membership_types()}
    days: DaysByEnrollment = {}
    for _ in range(draw(st.integers(0, 4))):
        member_id = draw(st.sampled_from(group.recorded.unmerged(MEMBERS)))
        lay_over(days, [Enroll(member_id, types[member_id], draw(st.sampled_from(MODULES)), draw(spans))], contract)
    days = {key: of_one for key, of_one in days.items() if of_one}
    mapping = LegacyMapping("ES", 17, contract.contract_id, Span(FIRST - 1, UNBOUNDED_END), {})
    key = GroupKey(contract.contract_id, PRIMARY)
    legacy = LegacyGroup(an_id("group"), key, mapping, 4711, (1,), (), {}, {})
    return Translated(legacy, days, types, (), fingerprint(days))


@st.composite
def legacy_groups(draw: st.DrawFn) -> tuple[Group, Translated]:
    group = draw(groups)
    return group, draw(translations(group))


@settings(max_examples=200, deadline=None)
@given(legacy_groups(), st.integers(FIRST - 1, FIRST + LENGTH + 1))
def test_the_past_is_taken_over_as_it_was_whatever_rules_say(drawn: tuple[Group, Translated], today: int) -> None:
    group, legacy = drawn
    basis = aligned_basis(group.basis, legacy, today)
    past = Days.of(Span(UNBOUNDED_START, today))
    offered = {key: basis.rulebook().demands(key).offered for key in legacy.days}
    settled = replay(basis).days
    expected = {key: of_one & offered[key] & past for key, of_one in legacy.days.items()}
    found = {key: of_one & past for key, of_one in settled.items()}
    assert {key: of_one for key, of_one in found.items() if of_one} == {
        key: of_one for key, of_one in expected.items() if of_one
    }
    assert all(of_one <= legacy.days.get(key, Days(())) for key, of_one in settled.items())
