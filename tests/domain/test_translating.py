"""Translation of legacy groups: the cases of the design, and the rules that they don't cover."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment
from domain.identity import derived_id
from domain.membership import MembershipType
from domain.migration.legacy import FindingKind, LegacyRow, RowFinding, Translated
from domain.migration.translating import translated
from tests.support.builders import a_span, an_id
from tests.support.legacy import (
    MODULES,
    USERS,
    a_legacy_contract,
    a_legacy_group,
    a_mapping,
    a_row,
    group_of,
    legacy_case,
    named_periods,
    on,
)

CONTRACT = a_legacy_contract()


def translate(*rows: LegacyRow, known: dict[UUID, MembershipType] | None = None, **group: object) -> Translated:
    return translated(a_legacy_group(rows, **group), CONTRACT, known or {})  # type: ignore[arg-type]


def kinds(result: Translated) -> list[tuple[FindingKind, int]]:
    return [(finding.kind, finding.row_id) for finding in result.findings]


@pytest.mark.parametrize("name", ["T1", "T2", "T4", "T5", "T7"])
def test_a_group_is_translated_as_in_the_case(name: str) -> None:
    case = legacy_case(name)
    result = translated(group_of(case), CONTRACT, {})
    assert named_periods(result) == case["translated"]
    assert [[finding.kind, finding.row_id] for finding in result.findings] == case["findings"]


def test_a_member_id_is_the_global_id_or_derived() -> None:
    for user_id, global_id, expected in legacy_case("T8")["member_ids"]:
        assert expected == global_id or UUID(expected) == derived_id("legacy", "ES", "MEMBER", user_id)


def test_only_a_product_that_is_not_mapped_blocks_a_group() -> None:
    assert translate(a_row(1, "P", "PRIMARY", "SPA", "2024-03-01", None)).is_blocked
    case = legacy_case("T1")
    rows = [row for row in group_of(case).rows if row.product != "SPA"]
    result = translate(*rows)
    assert result.findings and not result.is_blocked


@pytest.mark.parametrize(
    ("first_on", "last_on", "cancelled"),
    [("2024-03-01", None, "cancelled"), ("2025-02-01", "2025-01-31", "")],
    ids=["cancelled", "without days"],
)
def test_a_row_that_is_left_out_in_silence_does_not_block_a_group(
    first_on: str, last_on: str | None, cancelled: str
) -> None:
    result = translate(a_row(1, "P", "PRIMARY", "SPA", first_on, last_on, cancelled))
    assert (result.days, result.findings) == ({}, ())


def test_a_group_without_rows_has_no_periods_and_its_own_fingerprint() -> None:
    result = translate()
    assert (result.days, result.membership_types) == ({}, {an_id("P"): MembershipType.PRIMARY})
    assert result.fingerprint != translate(a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", None)).fingerprint


def test_days_outside_the_legacy_contract_are_cut() -> None:
    rows = (
        a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", None),
        a_row(2, "C", "CHILD", "FLEX", "2023-01-01", "2023-12-31"),
        a_row(3, "S", "PARTNER", "FLEX", "2026-01-01", None),
    )
    result = translate(*rows, mapping=a_mapping(a_span("2024-01-01", "2025-12-31")))
    assert result.days == {on("P", "BASE"): Days.of(a_span("2024-03-01", "2025-12-31"))}
    assert kinds(result) == [(FindingKind.BEFORE_CONTRACT, 2)]


def test_an_open_row_comes_back_after_a_bounded_one_of_its_slot() -> None:
    result = translate(
        a_row(1, "P", "PRIMARY", "FLEX", "2024-03-01", None),
        a_row(2, "P", "PRIMARY", "FLEX_PLUS", "2025-01-01", "2025-06-30"),
        a_row(3, "P", "PRIMARY", "DENTAL", "2025-01-01", None),
        a_row(4, "S", "PARTNER", "FLEX_PLUS", "2024-03-01", None),
    )
    before, after = a_span("2024-03-01", "2024-12-31"), a_span("2025-07-01")
    assert result.days[on("P", "BASE")] == Days.of(before, after)
    assert kinds(result) == [(FindingKind.SLOT_OVERLAP, 2)]


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = group_of(legacy_case("T1")).rows
    assert translate(*rows[::-1]).findings == translate(*rows).findings
    assert translate(*rows[::-1]).days == translate(*rows).days


def test_a_type_that_the_core_knows_stays() -> None:
    rows = (a_row(1, "C", "PARTNER", "FLEX", "2024-03-01", None), a_row(2, "C", "CHILD", "DENTAL", "2024-03-01", None))
    result = translate(*rows, known={an_id("C"): MembershipType.CHILD})
    assert result.membership_types[an_id("C")] is MembershipType.CHILD
    assert kinds(result) == [(FindingKind.TYPE_CONFLICT, 1)]


@pytest.mark.parametrize(
    ("types", "expected", "conflicts"),
    [
        (["CHILD", None], MembershipType.CHILD, [2]),
        ([None, "PRIMARY"], MembershipType.PARTNER, [1, 2]),
        ([None], MembershipType.PARTNER, [1]),
        (["CHILD", "PRIMARY"], MembershipType.PARTNER, [1, 2]),
    ],
)
def test_the_last_type_of_ours_counts(types: list[str | None], expected: MembershipType, conflicts: list[int]) -> None:
    rows = [a_row(n, "C", said, "FLEX", f"202{n + 3}-01-01", None) for n, said in enumerate(types, start=1)]
    result = translate(*rows)
    assert result.membership_types[an_id("C")] is expected
    assert kinds(result) == [(FindingKind.TYPE_CONFLICT, n) for n in conflicts]


def test_an_owner_is_primary_whatever_the_row_says() -> None:
    result = translate(a_row(1, "P", "CHILD", "FLEX", "2024-03-01", None))
    assert result.membership_types == {an_id("P"): MembershipType.PRIMARY}
    assert kinds(result) == [(FindingKind.TYPE_CONFLICT, 1)]


def test_findings_of_one_row_are_in_the_order_of_the_rules() -> None:
    result = translate(
        a_row(1, "C", "CHILD", "FLEX", "2024-03-01", None),
        a_row(2, "C", "PRIMARY", "FLEX_PLUS", "2023-03-01", None),
    )
    assert result.findings == (
        RowFinding(1, FindingKind.TYPE_CONFLICT),
        RowFinding(2, FindingKind.BEFORE_CONTRACT),
        RowFinding(2, FindingKind.SLOT_OVERLAP),
        RowFinding(2, FindingKind.TYPE_CONFLICT),
    )


def test_the_rows_of_several_users_who_are_one_member_are_translated_together() -> None:
    rows = (
        a_row(1, "C", "CHILD", "FLEX", "2024-03-01", "2024-06-30"),
        a_row(2, "D", "CHILD", "FLEX_PLUS", "2024-06-01", None),
    )
    group = a_legacy_group(rows)
    result = translated(replace(group, member_ids={**group.member_ids, USERS["D"]: an_id("C")}), CONTRACT, {})
    assert result.days == {
        on("C", "BASE"): Days.of(a_span("2024-03-01", "2024-05-31")),
        on("C", "BASE_PLUS"): Days.of(a_span("2024-06-01")),
    }


def test_the_fingerprint_depends_on_the_runs_only() -> None:
    one = translate(a_row(1, "C", "CHILD", "FLEX", "2024-03-01", None))
    same = translate(
        a_row(7, "C", "PARTNER", "FLEX_OLD", "2024-03-01", "2024-12-31"),
        a_row(8, "C", "PARTNER", "FLEX", "2024-06-01", None),
    )
    assert one.fingerprint == same.fingerprint and len(one.fingerprint) == 32
    others = [
        translate(a_row(1, "C", "CHILD", "FLEX", "2024-03-02", None)),
        translate(a_row(1, "C", "CHILD", "FLEX_PLUS", "2024-03-01", None)),
        translate(a_row(1, "S", "CHILD", "FLEX", "2024-03-01", None)),
    ]
    assert len({each.fingerprint for each in (one, *others)}) == 4


ROWS = st.builds(
    lambda user, product, first, length: (user, product, first, length),
    st.sampled_from("PCS"),
    st.sampled_from(sorted(MODULES)),
    st.integers(1, 12),
    st.none() | st.integers(0, 8),
)


@given(st.lists(ROWS, max_size=8))
def test_each_day_of_a_slot_belongs_to_the_last_row_that_has_it(drawn: list[tuple[str, str, int, int | None]]) -> None:
    rows = [
        a_row(
            n, user, None, product, f"2024-{first:02}-01", f"2024-{min(12, first + length):02}-02" if length else None
        )
        for n, (user, product, first, length) in enumerate(drawn, start=1)
    ]
    group = a_legacy_group(rows)
    result = translated(group, CONTRACT, {}).days
    for day in (a_span(f"2024-{month:02}-02").start for month in range(1, 13)):
        expected: dict[tuple[UUID, str], UUID] = {}
        for row in rows:
            assert row.first_on is not None
            if row.first_on.toordinal() <= day < row.end:
                slot = "dental" if row.product == "DENTAL" else "base"
                expected[group.member_ids[row.user_id], slot] = MODULES[row.product]
        found: DaysByEnrollment = {key: days for key, days in result.items() if days.holds(day)}
        assert set(found) == {EnrollmentKey(member, module) for (member, _), module in expected.items()}
