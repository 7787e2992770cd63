"""Writing back to legacy rows: which rows change, and that they are then translated to the wanted days."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.days import NO_DAYS, UNBOUNDED_END, Days, Span, union
from domain.enrollment.decisions import Enroll, EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment, lay_over
from domain.errors import LegacyCannotHold
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup
from domain.migration.stages import Stage
from domain.migration.translating import live_rows, translated
from domain.migration.writing_back import RowChange, legacy_days_after, row_changes
from tests.support.builders import a_span, an_id
from tests.support.legacy import (
    NAMES,
    a_legacy_contract,
    a_legacy_group,
    a_mapping,
    a_row,
    applied,
    as_in_cases,
    on,
)

CONTRACT = a_legacy_contract()
TYPES = {
    an_id("P"): MembershipType.PRIMARY,
    an_id("C"): MembershipType.CHILD,
    an_id("S"): MembershipType.PARTNER,
    an_id("D"): MembershipType.PET,
}
Row = tuple[Any, ...]


def days(*spans: tuple[str, str | None]) -> Days:
    return Days.of(*(a_span(*span) for span in spans))


def changes(group: LegacyGroup, wanted: Mapping[EnrollmentKey, Days]) -> list[RowChange]:
    return row_changes(group, wanted, TYPES, CONTRACT)


def written(wanted: Mapping[EnrollmentKey, Days], *rows: Row, **group: Any) -> list[list[Any]]:
    """Returns the rows after the wanted days were written back to some rows."""
    before = a_legacy_group([a_row(*row) for row in rows], **group)
    return as_in_cases(applied(before, changes(before, wanted)).rows)


def test_a_switch_shortens_the_row_and_inserts_another_one() -> None:
    wanted = {on("P", "BASE"): days(("2024-03-01", "2026-04-30")), on("P", "BASE_PLUS"): days(("2026-05-01", None))}
    assert written(wanted, (1, "P", "PRIMARY", "FLEX", "2024-03-01", None)) == [
        [1, "P", "PRIMARY", "FLEX", "2024-03-01", "2026-04-30"],
        [2, "P", "PRIMARY", "FLEX_PLUS", "2026-05-01", None],
    ]


def test_the_ends_of_the_worked_example_are_written() -> None:
    wanted = {
        on("P", "BASE"): days(("2024-03-01", "2024-12-31"), ("2026-01-01", None)),
        on("P", "BASE_PLUS"): days(("2025-01-01", "2025-12-31")),
        on("C", "BASE"): days(("2024-03-01", "2026-05-19")),
        on("C2", "BASE"): days(("2024-03-01", "2034-12-31")),
    }
    assert written(
        wanted,
        (101, "P", "PRIMARY", "FLEX", "2024-03-01", None),
        (102, "P", "PRIMARY", "FLEX_PLUS", "2025-01-01", "2025-12-31"),
        (103, "C", "CHILD", "FLEX", "2024-03-01", "2024-08-31"),
        (104, "C", "CHILD", "FLEX", "2024-06-01", None),
        (105, "C2", "CHILD", "FLEX", "2024-03-01", None),
    ) == [
        [101, "P", "PRIMARY", "FLEX", "2024-03-01", None],
        [102, "P", "PRIMARY", "FLEX_PLUS", "2025-01-01", "2025-12-31"],
        [103, "C", "CHILD", "FLEX", "2024-03-01", "2026-05-19"],
        [104, "C", "CHILD", "FLEX", "2024-06-01", None, "cancelled"],
        [105, "C2", "CHILD", "FLEX", "2024-03-01", "2034-12-31"],
    ]


def test_rows_of_other_slots_and_members_stay_as_they_are() -> None:
    """The two rows on FLEX overlap, so they would be merged into one if they were rewritten."""
    rows: list[Row] = [
        (1, "P", "PRIMARY", "FLEX", "2024-03-01", "2024-12-31"),
        (2, "P", "PRIMARY", "FLEX", "2024-06-01", None),
        (3, "C", "CHILD", "FLEX", "2024-03-01", None),
    ]
    before = translated(a_legacy_group([a_row(*row) for row in rows]), CONTRACT, {}).days
    wanted = {**before, on("P", "DENTAL"): days(("2026-05-01", None)), on("C", "BASE"): NO_DAYS}
    assert written(wanted, *rows) == [
        *(list(row) for row in rows[:2]),
        [3, "C", "CHILD", "FLEX", "2024-03-01", None, "cancelled"],
        [4, "P", "PRIMARY", "DENTAL", "2026-05-01", None],
    ]


def test_all_modules_of_a_slot_are_rewritten() -> None:
    """Row 1 would come back if only row 2 were changed."""
    wanted = {on("P", "BASE_PLUS"): days(("2025-01-01", "2025-06-30"))}
    assert written(
        wanted,
        (1, "P", "PRIMARY", "FLEX", "2024-03-01", None),
        (2, "P", "PRIMARY", "FLEX_PLUS", "2025-01-01", None),
    ) == [
        [1, "P", "PRIMARY", "FLEX", "2024-03-01", None, "cancelled"],
        [2, "P", "PRIMARY", "FLEX_PLUS", "2025-01-01", "2025-06-30"],
    ]


def test_a_gap_keeps_the_row_for_the_earlier_run() -> None:
    wanted = {on("P", "BASE"): days(("2024-03-01", "2024-05-31"), ("2024-09-01", None))}
    assert written(wanted, (7, "P", "PRIMARY", "FLEX_OLD", "2024-03-01", None)) == [
        [7, "P", "PRIMARY", "FLEX_OLD", "2024-03-01", "2024-05-31"],
        [8, "P", "PRIMARY", "FLEX_OLD", "2024-09-01", None],
    ]


def test_a_new_row_has_the_product_of_the_last_row_on_the_module() -> None:
    wanted = {on("P", "BASE"): days(("2026-01-01", None)), on("C", "BASE"): days(("2026-01-01", None))}
    rows = written(
        wanted,
        (1, "P", "PRIMARY", "FLEX", "2024-03-01", "2024-12-31", "cancelled"),
        (2, "P", "PRIMARY", "FLEX_OLD", "2024-03-01", "2024-12-31", "cancelled"),
        (3, "P", "PRIMARY", "DENTAL", "2024-03-01", "2024-12-31", "cancelled"),
    )
    assert sorted(row[1:] for row in rows[3:]) == [
        ["C", "CHILD", "FLEX", "2026-01-01", None],
        ["P", "PRIMARY", "FLEX_OLD", "2026-01-01", None],
    ]


def test_a_new_row_is_on_the_newest_policy() -> None:
    group = a_legacy_group([], policy_ids=(3, 9, 5))
    (change,) = changes(group, {on("P", "BASE"): days(("2026-01-01", None))})
    assert change == RowChange(None, 5, an_id("P"), "PRIMARY", "FLEX", date(2026, 1, 1), None)


def test_rows_that_do_not_count_stay_as_they_are() -> None:
    rows: list[Row] = [
        (1, "P", "PRIMARY", "FLEX", None, None),
        (2, "P", "PRIMARY", "FLEX", "2024-05-01", "2024-02-01"),
        (3, "P", "PRIMARY", "FLEX", "2023-05-01", "2023-06-30"),
        (4, "P", "PRIMARY", "FLEX", "2024-05-01", None, "cancelled"),
    ]
    assert written({}, *rows, (5, "P", "PRIMARY", "FLEX", "2025-01-01", None)) == [
        *(list(row) for row in rows),
        [5, "P", "PRIMARY", "FLEX", "2025-01-01", None, "cancelled"],
    ]


def test_runs_start_with_the_legacy_contract_and_their_ends_stay() -> None:
    mapping = a_mapping(a_span("2024-01-01", "2025-12-31"))
    wanted = {
        on("P", "BASE"): days(("2023-06-01", "2024-05-31"), ("2025-01-01", None)),
        on("C", "BASE"): days(("2026-01-01", None)),
    }
    assert written(wanted, mapping=mapping) == [
        [1, "P", "PRIMARY", "FLEX", "2024-01-01", "2024-05-31"],
        [2, "P", "PRIMARY", "FLEX", "2025-01-01", None],
    ]


def test_a_pet_cannot_be_stored() -> None:
    with pytest.raises(LegacyCannotHold) as raised:
        changes(a_legacy_group([]), {on("D", "BASE"): days(("2026-01-01", None))})
    assert raised.value.facts["cause"] == "MEMBERSHIP_TYPE"
    assert raised.value.facts["member_id"] == str(an_id("D"))


def test_a_module_without_a_product_cannot_be_stored() -> None:
    with pytest.raises(LegacyCannotHold) as raised:
        changes(a_legacy_group([], mapping=a_mapping(modules={})), {on("P", "BASE"): days(("2026-01-01", None))})
    assert raised.value.facts["cause"] == "PRODUCT_NOT_MAPPED"


LEGACY = {on("P", "BASE"): days(("2024-03-01", None)), on("C", "BASE"): days(("2024-03-01", None))}
CORE = {on("P", "BASE"): days(("2024-03-01", None)), on("C", "BASE"): days(("2024-03-01", "2026-05-19"))}


def test_in_dual_write_only_days_of_the_revision_change() -> None:
    after = {**CORE, on("P", "BASE"): days(("2024-03-01", "2026-04-30")), on("P", "DENTAL"): days(("2026-05-01", None))}
    assert legacy_days_after(Stage.DUAL_WRITE, LEGACY, CORE, after, CONTRACT) == {
        **LEGACY,
        on("P", "BASE"): days(("2024-03-01", "2026-04-30")),
        on("P", "DENTAL"): days(("2026-05-01", None)),
    }


def test_a_gained_day_takes_away_a_day_of_a_slot_mate_that_only_legacy_has() -> None:
    after = {**CORE, on("C", "BASE_PLUS"): days(("2026-06-01", None))}
    result = legacy_days_after(Stage.DUAL_WRITE, LEGACY, CORE, after, CONTRACT)
    assert result[on("C", "BASE")] == days(("2024-03-01", "2026-05-31"))
    assert result[on("C", "BASE_PLUS")] == days(("2026-06-01", None))


@pytest.mark.parametrize("stage", [Stage.READ_CORE, Stage.CORE])
def test_later_stages_write_the_days_of_the_core(stage: Stage) -> None:
    assert legacy_days_after(stage, LEGACY, {}, CORE, CONTRACT) == CORE


PRODUCTS = ("FLEX", "FLEX_OLD", "FLEX_PLUS", "DENTAL")
FIRST = date(2023, 12, 28).toordinal()
"""A few days before the legacy contract, so that some days are outside it."""

spans = st.builds(
    lambda start, length: Span(FIRST + start, UNBOUNDED_END if length is None else FIRST + start + length),
    st.integers(0, 16),
    st.none() | st.integers(1, 8),
)
people = st.sampled_from("PCS")


@st.composite
def groups(draw: st.DrawFn) -> LegacyGroup:
    rows = []
    for n in range(1, 1 + draw(st.integers(0, 6))):
        days_of_row = draw(spans)
        first, last = days_of_row.first_on, days_of_row.last_on
        said = draw(st.sampled_from(["PRIMARY", "CHILD", None]))
        row = a_row(n, draw(people), said, draw(st.sampled_from(PRODUCTS)), str(first), str(last) if last else None)
        rows.append(replace(row, is_cancelled=draw(st.sampled_from([False, False, False, True]))))
    mapping = a_mapping(Span(a_span("2024-01-01").start, draw(st.sampled_from([UNBOUNDED_END, FIRST + 18]))))
    return a_legacy_group(draw(st.permutations(rows)), mapping=mapping)


@st.composite
def wanted_days(draw: st.DrawFn) -> DaysByEnrollment:
    """Draws days of which no two modules of a slot share one."""
    wanted: DaysByEnrollment = {}
    for _ in range(draw(st.integers(0, 5))):
        member_id = an_id(draw(people))
        module_id = an_id(draw(st.sampled_from(["BASE", "BASE_PLUS", "DENTAL"])))
        lay_over(wanted, [Enroll(member_id, TYPES[member_id], module_id, draw(spans))], CONTRACT)
    return {key: of_one for key, of_one in wanted.items() if of_one}


@given(groups(), wanted_days())
def test_rows_that_were_written_are_translated_to_the_wanted_days(group: LegacyGroup, wanted: DaysByEnrollment) -> None:
    after = applied(group, changes(group, wanted))
    within = {key: of_one & Days.of(group.mapping.days) for key, of_one in wanted.items()}
    assert translated(after, CONTRACT, TYPES).days == {key: of_one for key, of_one in within.items() if of_one}
    assert changes(after, wanted) == []


@given(groups(), wanted_days())
def test_written_slots_have_one_row_for_each_run(group: LegacyGroup, wanted: DaysByEnrollment) -> None:
    made = changes(group, wanted)
    after = applied(group, made)
    slots = {(change.member_id, slot_of(an_id(module_of(change)))) for change in made}
    rows = [each for each in live_rows(after)[0] if (each.key.member_id, slot_of(each.key.module_id)) in slots]
    runs = [each.days for each in rows if each.days]
    days_now = translated(after, CONTRACT, TYPES).days
    expected = [
        Days.of(run)
        for key, of_one in days_now.items()
        for run in of_one
        if (key.member_id, slot_of(key.module_id)) in slots
    ]
    assert sorted(runs, key=lambda each: each.spans) == sorted(expected, key=lambda each: each.spans)


@given(groups(), wanted_days())
def test_a_run_keeps_the_row_with_the_lowest_id_that_shares_a_day(group: LegacyGroup, wanted: DaysByEnrollment) -> None:
    before = {each.row.row_id: each for each in live_rows(group)[0]}
    made = changes(group, wanted)
    moved = [change for change in made if change.row_id and not change.is_cancelled]
    for change in made:
        run = Days.between(change.first_on, change.last_on)
        candidates = [
            each.row.row_id
            for each in before.values()
            if (NAMES[each.key.member_id], each.key.module_id) == (NAMES[change.member_id], an_id(module_of(change)))
            and each.days & run
        ]
        if change in moved:
            earlier = {other.row_id for other in moved if other.first_on < change.first_on}
            assert change.row_id == min(set(candidates) - earlier)
        elif change.row_id is None:
            assert all(row_id not in cancelled(made) for row_id in candidates)


def cancelled(made: list[RowChange]) -> set[int]:
    return {change.row_id for change in made if change.row_id and change.is_cancelled}


def module_of(change: RowChange) -> str:
    return {"FLEX_PLUS": "BASE_PLUS", "DENTAL": "DENTAL"}.get(change.product, "BASE")


def slot_of(module_id: UUID) -> str | UUID:
    return CONTRACT.slots[module_id] or module_id


@given(wanted_days(), wanted_days(), wanted_days())
def test_in_dual_write_the_revision_decides_about_its_days_and_legacy_about_the_others(
    legacy: DaysByEnrollment, before: DaysByEnrollment, after: DaysByEnrollment
) -> None:
    result = legacy_days_after(Stage.DUAL_WRITE, legacy, before, after, CONTRACT)
    for key in legacy.keys() | before.keys() | after.keys():
        had, has = before.get(key, NO_DAYS), after.get(key, NO_DAYS)
        of_legacy, of_both = legacy.get(key, NO_DAYS), result.get(key, NO_DAYS)
        gained_by_mates = union(
            after.get(mate, NO_DAYS) - before.get(mate, NO_DAYS)
            for mate in (EnrollmentKey(key.member_id, module_id) for module_id in CONTRACT.mates(key.module_id))
        )
        assert has - had <= of_both and not (had - has) & of_both
        assert of_both - (has - had) == of_legacy - (had - has) - gained_by_mates - (has - had)
        assert not any(
            result.get(EnrollmentKey(key.member_id, m), NO_DAYS) & of_both for m in CONTRACT.mates(key.module_id)
        )
