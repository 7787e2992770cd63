"""How both sources differ: the worst kind of a group, and the reasons for the days that only the tables have."""

from datetime import date

import pytest

from domain.catalog.contract import Contract
from domain.days import Days, to_day
from domain.enrollment.group import GroupBasis, replay
from domain.members import Facts
from domain.membership import MembershipType
from domain.migration.aligning import aligned_basis
from domain.migration.comparing import GroupSourceDifference, SourceDifferenceKind, difference_of
from domain.migration.legacy import FindingKind, LegacyGroup
from domain.migration.translating import translated
from tests.support.builders import a_contract, a_module, a_span, a_version, an_id
from tests.support.legacy import RULES, a_legacy_contract, a_legacy_group, a_row, on

CONTRACT = a_legacy_contract()
TODAY = to_day(date(2026, 3, 15))
OPEN = a_legacy_group([a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", None)])
P_BASE = on("P", "BASE")


def compared(
    group: LegacyGroup,
    core: Days | None,
    *,
    contract: Contract = CONTRACT,
    aligned: LegacyGroup | None = OPEN,
    today: str = "2026-03-15",
) -> GroupSourceDifference | None:
    """Compares a group with days of P on BASE in the core. It was aligned with the rows of `aligned` on 2026-03-15."""
    basis = GroupBasis(contract, an_id("P"), (), {an_id("P"): Facts()})
    fingerprint = None
    if aligned:
        then = translated(aligned, contract, {})
        basis, fingerprint = aligned_basis(basis, then, TODAY), then.fingerprint
    recorded = replay(basis).days if core is None else {P_BASE: core}
    now = translated(group, contract, basis.membership_types())
    return difference_of(now, fingerprint, recorded, basis, to_day(date.fromisoformat(today)))


def kind(found: GroupSourceDifference | None) -> str | None:
    return found.kind if found else None


def days(first_on: str, last_on: str | None = None) -> Days:
    return Days.of(a_span(first_on, last_on))


def test_an_aligned_group_that_is_the_same_in_both_sources_does_not_differ() -> None:
    assert compared(OPEN, None) is None
    assert compared(OPEN, days("2024-03-01")) is None


@pytest.mark.parametrize(
    ("core", "expected"),
    [
        (days("2024-03-01", "2026-03-15"), SourceDifferenceKind.LATER),
        (days("2024-03-01", "2026-03-14"), SourceDifferenceKind.NOW),
        (days("2024-04-01"), SourceDifferenceKind.NOW),
        (days("2024-02-01"), SourceDifferenceKind.NOW),
    ],
    ids=["from tomorrow", "from today", "in the past", "the core alone"],
)
def test_a_difference_is_later_only_if_all_its_days_are(core: Days, expected: SourceDifferenceKind) -> None:
    assert kind(compared(OPEN, core)) == expected


def test_a_day_of_the_core_alone_is_a_difference_of_now_even_if_it_is_later() -> None:
    bounded = a_legacy_group([a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", "2026-12-31")])
    found = compared(bounded, days("2024-03-01"), aligned=bounded)
    assert found and found.kind is SourceDifferenceKind.NOW
    (enrollment,) = found.enrollments
    assert (enrollment.legacy_only, enrollment.core_only) == (Days(()), days("2027-01-01"))


def test_a_day_that_is_not_offered_is_a_difference_of_now_even_if_it_is_later() -> None:
    modules = [a_module("BASE", slot="base"), a_module("BASE_PLUS", slot="base"), a_module("DENTAL")]
    contract = a_contract(a_version(*modules, days=a_span("2024-01-01", "2026-12-31")))
    found = compared(OPEN, None, contract=contract)
    assert found and found.kind is SourceDifferenceKind.NOW
    (enrollment,) = found.enrollments
    assert enrollment.legacy_only == days("2027-01-01")
    assert [reason.code for reason in enrollment.reasons] == ["NOT_OFFERED"]


def test_a_later_difference_becomes_one_of_now_when_its_day_has_come() -> None:
    core = days("2024-03-01", "2026-05-19")
    assert kind(compared(OPEN, core, today="2026-05-19")) == SourceDifferenceKind.LATER
    assert kind(compared(OPEN, core, today="2026-05-20")) == SourceDifferenceKind.NOW


def test_a_group_that_was_never_aligned_is_missing_with_all_its_days() -> None:
    found = compared(OPEN, Days(()), aligned=None)
    assert found and found.kind is SourceDifferenceKind.MISSING
    assert [(each.key, each.legacy_only, each.reasons) for each in found.enrollments] == [
        (P_BASE, days("2024-03-01"), ())
    ]
    assert kind(compared(a_legacy_group([]), Days(()), aligned=None)) == SourceDifferenceKind.MISSING


def test_the_reasons_of_a_missing_group_are_those_after_an_alignment_today() -> None:
    """The past of the primary without an employment would be taken over. From today on, the rule would apply."""
    found = compared(OPEN, Days(()), aligned=None, contract=a_legacy_contract(*RULES))
    assert found and found.kind is SourceDifferenceKind.MISSING
    ((reason,),) = (each.reasons for each in found.enrollments)
    assert (reason.rule_code, reason.days) == ("EMPLOYED", days("2026-03-15"))


def test_a_group_whose_rows_have_changed_is_stale_even_if_the_days_are_the_same() -> None:
    bounded = a_legacy_group([a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", "2026-12-31")])
    assert kind(compared(bounded, None)) == SourceDifferenceKind.STALE
    assert kind(compared(bounded, days("2024-03-01", "2026-12-31"))) == SourceDifferenceKind.STALE


def test_a_blocked_group_has_its_findings_only() -> None:
    rows = [*OPEN.rows, a_row(2, "P", "PRIMARY", "SPA", "2024-03-01", None)]
    for aligned in (None, OPEN):
        found = compared(a_legacy_group(rows), None, aligned=aligned)
        assert found and (found.kind, found.enrollments) == (SourceDifferenceKind.BLOCKED, ())
        assert [finding.kind for finding in found.findings] == [FindingKind.PRODUCT_NOT_MAPPED]


def test_the_differing_enrollments_are_in_order_with_the_types_of_their_members() -> None:
    rows = [
        *OPEN.rows,
        a_row(2, "C", "CHILD", "FLEX", "2024-03-01", None),
        a_row(3, "C", "CHILD", "DENTAL", "2024-03-01", None),
    ]
    found = compared(a_legacy_group(rows), None)
    assert found
    assert [each.key for each in found.enrollments] == sorted([on("C", "BASE"), on("C", "DENTAL")])
    assert {each.membership_type for each in found.enrollments} == {MembershipType.CHILD}
