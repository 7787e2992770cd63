"""Builds legacy groups and their contract from the cases in `tests/cases/migration/`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey, GroupKey
from domain.identity import group_id
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, LegacyMapping, LegacyRow, Translated
from domain.migration.writing_back import RowChange
from domain.rules.conditions import Age, Employed, EnrolledOn, Rule, Subject
from tests.support.builders import a_contract, a_module, a_rule, a_span, a_version, an_id

CASES = Path(__file__).parent.parent / "cases" / "migration"
FROM = "2024-01-01"
PRODUCTS = {"FLEX": "BASE", "FLEX_OLD": "BASE", "FLEX_PLUS": "BASE_PLUS", "DENTAL": "DENTAL"}
MODULES = {code: an_id(module) for code, module in PRODUCTS.items()}
OWNER = "P"
USERS = {name: n for n, name in enumerate(("P", "C", "C2", "D", "S", "Q"), start=4711)}
"""The user id of each person of a case."""

NAMES = {an_id(name): name for name in (*USERS, *PRODUCTS.values())}
RULES = (
    a_rule("CHILD_AGE", Age(Subject.SELF, None, 25), applies_to=[MembershipType.CHILD]),
    a_rule("EMPLOYED", Employed(Subject.SELF, (), same_sponsor=True), applies_to=[MembershipType.PRIMARY]),
    a_rule(
        "NEEDS_PRIMARY",
        EnrolledOn(Subject.PRIMARY, ()),
        applies_to=[MembershipType.PARTNER, MembershipType.CHILD],
    ),
)


def legacy_case(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text())


def a_legacy_contract(*rules: Rule) -> Contract:
    """Returns the contract that legacy contract 17 of the cases is mapped to."""
    modules = (a_module("BASE", slot="base"), a_module("BASE_PLUS", slot="base"), a_module("DENTAL"))
    version = a_version(*modules, days=a_span(FROM), rules=rules)
    return a_contract(version, country_code="ES", time_zone="Europe/Madrid")


def a_mapping(days: Span | None = None, modules: Mapping[str, UUID] = MODULES) -> LegacyMapping:
    return LegacyMapping("ES", 17, an_id("contract"), days or a_span(FROM), modules)


def a_row(
    row_id: int,
    user: str,
    membership_type: str | None,
    product: str,
    first_on: str | None,
    last_on: str | None,
    cancelled: str = "",
    *,
    policy_id: int = 1,
) -> LegacyRow:
    """Returns a row as a case writes it."""
    return LegacyRow(
        row_id,
        policy_id,
        USERS[user],
        MembershipType(membership_type) if membership_type else None,
        product,
        date.fromisoformat(first_on) if first_on else None,
        date.fromisoformat(last_on) if last_on else None,
        bool(cancelled),
    )


def a_legacy_group(
    rows: Iterable[LegacyRow],
    *,
    policy_ids: Sequence[int] = (1,),
    mapping: LegacyMapping | None = None,
    births: Mapping[str, str] | None = None,
) -> LegacyGroup:
    """Returns the group of P with some rows. The member id of each user is `an_id` of their name."""
    key = GroupKey(an_id("contract"), an_id(OWNER))
    return LegacyGroup(
        group_id(*key),
        key,
        mapping or a_mapping(),
        USERS[OWNER],
        tuple(policy_ids),
        tuple(rows),
        {number: an_id(name) for name, number in USERS.items()},
        {an_id(name): date.fromisoformat(day) for name, day in (births or {}).items()},
    )


def group_of(case: Any) -> LegacyGroup:
    """Returns the legacy group of a case."""
    policy_of = case.get("policy_of", {})
    rows = [a_row(*row, policy_id=policy_of.get(str(row[0]), 1)) for row in case["rows"]]
    return a_legacy_group(rows, policy_ids=case.get("policies", [1]), births=case.get("births"))


def named_periods(translated: Translated) -> list[list[str | None]]:
    """Returns the periods of a translated group as a case writes them."""
    return named_days(translated.days, translated.membership_types)


def named_days(days: Mapping[EnrollmentKey, Days], types: Mapping[UUID, MembershipType]) -> list[list[str | None]]:
    """Returns days as the periods of a case, in order of member, module and first day."""
    return [
        [NAMES[key.member_id], types[key.member_id], NAMES[key.module_id], *named_span(span)]
        for key in sorted(days, key=lambda key: (NAMES[key.member_id], NAMES[key.module_id]))
        for span in days[key]
    ]


def named_span(span: Span) -> list[str | None]:
    return [day.isoformat() if day else None for day in (span.first_on, span.last_on)]


def on(member: str, module: str) -> EnrollmentKey:
    return EnrollmentKey(an_id(member), an_id(module))


def applied(group: LegacyGroup, changes: Iterable[RowChange]) -> LegacyGroup:
    """Returns the group after changes of its rows, as a source writes them. New rows get the next ids."""
    rows = {row.row_id: row for row in group.rows}
    for change in changes:
        if change.row_id is None:
            users = {member_id: user_id for user_id, member_id in group.member_ids.items()}
            row_id = max(rows, default=0) + 1
            rows[row_id] = LegacyRow(
                row_id,
                change.policy_id,
                users[change.member_id],
                MembershipType(change.membership_type),
                change.product,
                change.first_on,
                change.last_on,
                is_cancelled=False,
            )
        elif change.is_cancelled:
            rows[change.row_id] = replace(rows[change.row_id], is_cancelled=True)
        else:
            rows[change.row_id] = replace(rows[change.row_id], first_on=change.first_on, last_on=change.last_on)
    return replace(group, rows=tuple(rows.values()))


def as_in_cases(rows: Iterable[LegacyRow]) -> list[list[Any]]:
    """Returns rows as a case writes them."""
    users = {number: name for name, number in USERS.items()}
    return [
        [
            row.row_id,
            users[row.user_id],
            row.membership_type.value if row.membership_type else None,
            row.product,
            row.first_on.isoformat() if row.first_on else None,
            row.last_on.isoformat() if row.last_on else None,
            *(["cancelled"] if row.is_cancelled else []),
        ]
        for row in rows
    ]
