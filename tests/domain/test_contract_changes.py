"""What an amendment changed: exactly the parts that differ, in words, whatever the amendment did."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.catalog.contract import Contract, ContractVersion
from domain.catalog.contract_changes import ChangeKind, ContractChanges, FieldChange, contract_changes
from domain.catalog.contract_parts import ContractPart, PartKey, Parts, contract_parts, version_parts
from domain.catalog.wording import days_in_words, rate_in_words
from domain.days import Span
from domain.membership import MembershipType
from domain.rules.conditions import (
    Age,
    Subject,
)
from tests.support import catalog_strategies
from tests.support.builders import (
    a_contract,
    a_grid,
    a_limit,
    a_module,
    a_module_pricing,
    a_row,
    a_rule,
    a_span,
    a_version,
    an_id,
)

BASE = an_id("base")


def applied(parts: Parts, changes: tuple[FieldChange, ...]) -> Parts | None:
    """Returns parts after changes; None if the changes don't start from these parts."""
    after = dict(parts)
    for change in changes:
        key = PartKey(change.part, change.module_id, change.name)
        if after.get(key, "") != change.before:
            return None
        after.pop(key, None)
        if change.after:
            after[key] = change.after
    return after


@given(catalog_strategies.contracts)
def test_a_contract_that_stays_the_same_has_no_changes(contract: Contract) -> None:
    assert contract_changes(contract, contract) == ContractChanges((), ())


@given(catalog_strategies.contracts, catalog_strategies.contracts)
def test_applying_the_changes_to_the_old_state_leads_to_the_new_one(before: Contract, after: Contract) -> None:
    changes = contract_changes(before, after)
    assert applied(contract_parts(before), changes.fields) == contract_parts(after)
    old = [version_parts(version, before.currency_code) for version in before.versions]
    for version in after.versions:
        new = version_parts(version, after.currency_code)
        of_version = [
            each for each in changes.versions if each.days == version.days and each.kind != ChangeKind.REMOVED
        ]
        led_to = [applied(parts, each.fields) for each in of_version for parts in [*old, {}]]
        assert new in [*led_to, *old]
    removed = [each for each in changes.versions if each.kind is ChangeKind.REMOVED]
    assert all(any(applied(parts, each.fields) == {} for parts in old) for each in removed)
    added = sum(each.kind is ChangeKind.ADDED for each in changes.versions)
    assert len(before.versions) - len(removed) + added == len(after.versions)


def scalars(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of every scalar in a value, except alignments of missing age limits, which can't be published."""
    if isinstance(value, Span) or not (is_dataclass(value) or isinstance(value, tuple)):
        if value is not None:
            yield path
    elif isinstance(value, tuple):
        for n, item in enumerate(value):
            yield from scalars(item, (*path, n))
    else:
        for field in fields(value):
            if field.name not in ("contract_id", "unlisted") and not _aligns_nothing(value, field.name):
                yield from scalars(getattr(value, field.name), (*path, field.name))


def _aligns_nothing(value: Any, field: str) -> bool:
    if not isinstance(value, Age):
        return False
    return (field == "begins" and value.min_years is None) or (field == "lasts_until" and value.max_years is None)


def with_another(value: Any, path: tuple[Any, ...]) -> Any:
    """Returns a value in which the scalar at a path is another one of its type."""
    if not path:
        return another(value)
    step, *rest = path
    if isinstance(step, int):
        return (*value[:step], with_another(value[step], tuple(rest)), *value[step + 1 :])
    return replace(value, **{step: with_another(getattr(value, step), tuple(rest))})


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case Enum():
            values: list[Any] = list(type(value))
            return values[(values.index(value) + 1) % len(values)]
        case Span():
            return a_span("2020-01-01", "2020-01-03" if value == a_span("2020-01-01", "2020-01-02") else "2020-01-02")
        case UUID():
            return UUID(int=value.int ^ 1)
        case date():
            return date(2020, 1, 1) if value != date(2020, 1, 1) else date(2020, 1, 2)
        case int():
            return value + 1
        case str():
            return value + "x"
    raise AssertionError(f"a contract has a {type(value)}")


@given(st.data())
def test_every_value_that_an_amendment_changes_is_reported(data: Any) -> None:
    contract = data.draw(catalog_strategies.contracts)
    path = data.draw(st.sampled_from(list(scalars(contract))))
    amended = with_another(contract, path)
    assume(_has_distinct_modules(contract) and _has_distinct_modules(amended))
    changes = contract_changes(contract, amended)
    assert changes.fields or changes.versions, path


def _has_distinct_modules(contract: Contract) -> bool:
    return all(len({m.module_id for m in v.modules}) == len(v.modules) for v in contract.versions)


def amended(before: ContractVersion, after: ContractVersion) -> tuple[FieldChange, ...]:
    """Returns the changed fields of the only version of a contract."""
    changes = contract_changes(a_contract(before), a_contract(after))
    assert changes.fields == ()
    (version,) = changes.versions
    assert (version.kind, version.days) == (ChangeKind.CHANGED, after.days)
    return version.fields


def test_a_price_a_rule_a_limit_and_a_capability_are_reported_with_both_values() -> None:
    young = a_rule("YOUNG", Age(Subject.SELF, None, 26), applies_to=[MembershipType.CHILD])
    before = a_module(
        pricing=a_module_pricing(a_grid(a_row(MembershipType.CHILD, ages=(0, 17), monthly_minor=1_200))),
        rules=[young],
        limits=[a_limit(individual_amount=10_000)],
        capabilities=["DENTAL"],
    )
    after = a_module(
        pricing=a_module_pricing(a_grid(a_row(MembershipType.CHILD, ages=(0, 17), monthly_minor=1_300))),
        rules=[replace(young, condition=Age(Subject.SELF, None, 28))],
        limits=[a_limit(individual_amount=None)],
        capabilities=["OPTICAL"],
    )
    rule = "under {}; applies to CHILD"
    limit = "{} per member, no limit per family, in money"
    changed = ChangeKind.CHANGED
    assert amended(a_version(before), a_version(after)) == (
        FieldChange(ContractPart.RULE, BASE, "YOUNG", changed, rule.format(26), rule.format(28)),
        FieldChange(
            ContractPart.LIMIT, BASE, "DEDUCTIBLE", changed, limit.format("100.00 EUR"), limit.format("no limit")
        ),
        FieldChange(ContractPart.CAPABILITY, BASE, "OPTICAL", ChangeKind.ADDED, "", "offered"),
        FieldChange(ContractPart.PRICE, BASE, "CHILD, age 0 to 17", changed, "12.00 EUR", "13.00 EUR"),
        FieldChange(ContractPart.CAPABILITY, BASE, "DENTAL", ChangeKind.REMOVED, "offered", ""),
    )


def test_ending_a_version_and_adding_one_are_two_changes() -> None:
    first, second = a_version(days=a_span("2025-01-01")), a_version(days=a_span("2026-01-01"))
    ended = replace(first, days=a_span("2025-01-01", "2025-12-31"))
    changes = contract_changes(a_contract(first), a_contract(ended, second))
    assert [(each.kind, each.days) for each in changes.versions] == [
        (ChangeKind.CHANGED, ended.days),
        (ChangeKind.ADDED, second.days),
    ]
    assert changes.versions[0].fields == (
        FieldChange(
            ContractPart.FIELD, None, "days", ChangeKind.CHANGED, "from 2025-01-01", "2025-01-01 to 2025-12-31"
        ),
    )
    back = contract_changes(a_contract(ended, second), a_contract(first))
    assert [each.kind for each in back.versions] == [ChangeKind.CHANGED, ChangeKind.REMOVED]


def test_a_version_whose_first_day_moves_is_the_same_version() -> None:
    changes = contract_changes(a_contract(a_version(days=a_span("2025-01-01"))), a_contract(a_version()))
    assert [(each.kind, [field.name for field in each.fields]) for each in changes.versions] == [
        (ChangeKind.CHANGED, ["days"])
    ]


def test_a_long_list_of_changes_is_cut_and_counted() -> None:
    modules = [a_module(f"module {n}", network_tier="x" * 50) for n in range(10)]
    changes = contract_changes(None, a_contract(a_version(*modules)))
    total = len(changes.fields) + len(changes.versions[0].fields)
    bounded = changes.bounded(max_fields=20, max_words=10)
    kept = [*bounded.fields, *bounded.versions[0].fields]
    assert (len(kept), bounded.fields_omitted) == (20, total - 20)
    assert max(len(field.after) for field in kept) == 10
    assert changes.bounded().fields_omitted == 0


def test_rates_and_days_read_as_on_paper() -> None:
    assert [rate_in_words(bp) for bp in (0, 1_327, -50)] == ["0.00 %", "13.27 %", "-0.50 %"]
    spans = [a_span("2026-01-01", "2026-12-31"), a_span("2026-01-01"), a_span(None, "2026-12-31"), a_span(None, None)]
    assert [days_in_words(span) for span in spans] == [
        "2026-01-01 to 2026-12-31",
        "from 2026-01-01",
        "until 2026-12-31",
        "always",
    ]
