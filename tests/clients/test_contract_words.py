"""Rules, prices, limits and versions of a contract in words, and the causes of differences between premiums."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import json_format

from affilia.catalog.v1 import condition_pb2
from affilia.catalog.v1.condition_pb2 import Condition, Rule
from affilia.catalog.v1.contract_pb2 import Contract, ContractVersion, Limit, Module
from affilia.catalog.v1.pricing_pb2 import ModulePricing
from affilia.premium.v1.premium_entry_pb2 import PremiumEntry
from affilia_client.dates import instant_to_proto
from affilia_views.contracts import limit_words, module_words, price_notes, price_rows, versions_side_by_side
from affilia_views.premiums import compared, live_before, month_sums
from affilia_views.rules import LEAVES, condition_words, rule_words
from tests.support.given_names import Ids

NAMES = Ids(b="Base", o="Option")


def condition(content: dict[str, Any]) -> Condition:
    return json_format.ParseDict(content, Condition())


AGE = {"age": {"subject": "SUBJECT_SELF", "min_years": 18, "max_years": 26, "lasts_until": "AGE_END_END_OF_YEAR"}}
ALIVE = {"alive": {"subject": "SUBJECT_PRIMARY"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (AGE, "the member is at least 18 and under 26 years old, until the end of that year"),
        (ALIVE, "the primary is alive"),
        ({"negation": ALIVE}, "not (the primary is alive)"),
        ({"all_of": {"conditions": [ALIVE]}}, "the primary is alive"),
        ({"any_of": {"conditions": [ALIVE, ALIVE]}}, "(the primary is alive or the primary is alive)"),
        (
            {"salary": {"subject": "SUBJECT_SELF", "min_minor": "100", "max_minor": "200", "same_sponsor": True}},
            "the member earns at least 1.00 EUR and less than 2.00 EUR a year by the sponsor",
        ),
        (
            {"employment": {"subject": "SUBJECT_ANY_MEMBER", "statuses": ["EMPLOYMENT_STATUS_ACTIVE"]}},
            "some enrolled member of the family is employed (active)",
        ),
        (
            {"tenure": {"subject": "SUBJECT_SELF", "min_days": 90, "begins": "CALENDAR_START_FIRST_OF_MONTH"}},
            "the member has been employed for 90 days, from the first day of that month",
        ),
        (
            {"residence": {"subject": "SUBJECT_SELF", "country_codes": ["FR", "BE"], "postal_prefixes": ["67"]}},
            "the member lives in FR or BE at a postal code 67…",
        ),
        (
            {"attribute": {"subject": "SUBJECT_SELF", "name": "student", "values": ["yes", "part"]}},
            "attribute student of the member is yes or part",
        ),
        (
            {"enrolled_on": {"subject": "SUBJECT_PRIMARY", "module_ids": ["b", "o"]}},
            "the primary is enrolled on Base or Option",
        ),
        ({"enrolled_on": {"subject": "SUBJECT_EVERY_MEMBER"}}, "every member of the family is enrolled on any module"),
        ({}, "a condition that this version of affilia doesn't know"),
    ],
)
def test_conditions_are_described(content: dict[str, Any], words: str) -> None:
    assert condition_words(condition(content), NAMES, "EUR") == words


def test_every_kind_of_condition_is_described() -> None:
    kinds = {field.name for field in Condition.DESCRIPTOR.fields}
    assert kinds == {*LEAVES, "all_of", "any_of", "negation", "salary", "enrolled_on"}
    for subject in condition_pb2.Subject.values():
        assert condition_words(Condition(age=condition_pb2.AgeCondition(subject=subject)), NAMES, "EUR")


def test_a_rule_names_its_types_and_description() -> None:
    rule = json_format.ParseDict(
        {"code": "R", "applies_to": ["MEMBERSHIP_TYPE_CHILD"], "description": "Lives.", "condition": ALIVE}, Rule()
    )
    assert rule_words(rule, NAMES, "EUR") == "R, for child: the primary is alive (Lives)"


PRICES: list[tuple[dict[str, Any], dict[str, Any], list[list[str]]]] = [
    ({}, {}, []),
    (
        {
            "age_grid": {
                "standard": [{"beneficiary_types": ["MEMBERSHIP_TYPE_CHILD"], "max_age": 17, "monthly_minor": "100"}]
            }
        },
        {},
        [["standard", "child", "0 to 17", "1.00 EUR"]],
    ),
    (
        {"static_table": {"product_type": "A"}},
        {
            "static_table": {
                "rows": [
                    {"product_type": "A", "min_age": 18, "monthly_minor": "100"},
                    {"product_type": "B", "monthly_minor": "200"},
                ]
            }
        },
        [["A", "everyone", "from 18", "1.00 EUR"]],
    ),
    (
        {"family_tier": {"single_minor": "100", "family_minor": "200"}},
        {"family_tier": {}},
        [["single", "the whole family", "", "1.00 EUR"], ["family", "the whole family", "", "2.00 EUR"]],
    ),
]


@pytest.mark.parametrize(("pricing", "scheme", "rows"), PRICES)
def test_prices_are_tables(pricing: dict[str, Any], scheme: dict[str, Any], rows: list[list[str]]) -> None:
    module = json_format.ParseDict({"pricing": pricing}, Module())
    version = json_format.ParseDict({"pricing": scheme}, ContractVersion())
    assert price_rows(module, version, "EUR") == rows


def test_what_changes_a_price_and_who_pays_is_noted() -> None:
    content = {
        "free_children_from_rank": 3,
        "membership_fees": [{"monthly_minor": "150"}],
        "social_fund_rates": [{"rate_bp": 25}],
        "discounts": [
            {"discount_id": "D", "percent_bp": 1000, "days": {"first_on": {"year": 2026, "month": 1, "day": 1}}}
        ],
        "taxes": [{"code": "T", "rate_bp": 1327}],
        "participations": [
            {"company_share_bp": 5000, "company_cap_minor": "900", "remainder_payer": "REMAINDER_PAYER_PRIMARY"}
        ],
    }
    assert price_notes(json_format.ParseDict(content, ModulePricing()), "EUR") == [
        "children are free from child number 3 on",
        "membership fee: 1.50 EUR a month",
        "social fund: 0.25 %",
        "discount D: 10 %, 2026-01-01 to open end",
        "tax T: 13.27 %",
        "the company pays 50 %, at most 9.00 EUR; the primary pays the rest",
    ]


def test_modules_and_limits_are_described() -> None:
    module = json_format.ParseDict(
        {
            "service_type": "SERVICE_TYPE_BASE",
            "slot": "s",
            "membership_types": ["MEMBERSHIP_TYPE_PET"],
            "commitment_months": 12,
        },
        Module(),
    )
    assert module_words(module) == "base, slot s, only pet, committed for 12 months"
    limit = json_format.ParseDict(
        {
            "kind": "LIMIT_KIND_BENEFIT",
            "benefit": "X",
            "unit": "LIMIT_UNIT_VISITS",
            "individual_amount": "4",
            "family_amount": "9",
        },
        Limit(),
    )
    assert limit_words(limit, "EUR") == "benefit X: 4 visits for each member, 9 visits for the family"


def test_versions_are_compared_with_the_one_before_that_has_the_module() -> None:
    a, changed, b = Module(module_id="a"), Module(module_id="a", network_tier="X"), Module(module_id="b")
    versions = [
        ContractVersion(modules=[a, b]),
        ContractVersion(modules=[a]),
        ContractVersion(modules=[changed, b], max_backdating_days=1),
    ]
    assert versions_side_by_side(Contract(versions=versions)) == [
        ["a", "offered", "the same", "changed"],
        ["b", "offered", "-", "the same"],
        ["everything else", "offered", "the same", "changed"],
    ]


RECORDED = datetime(2026, 5, 1, tzinfo=UTC)


def entry(entry_id: str, owed: int, days: int, hour: int, **more: Any) -> PremiumEntry:
    paid = {"debtor": "DEBTOR_PRIMARY", "monthly_minor": "3100", "owed_minor": str(owed)}
    component = {**paid, **more.pop("component", {})}
    found = json_format.ParseDict(
        {
            "member_id": "m", "module_id": "b", "entry_id": entry_id, "num_days": days, "currency_code": "EUR",
            "month": {"year": 2026, "month": 3},
            "components": [component],
            **more,
        },
        PremiumEntry(),
    )  # fmt: skip
    found.recorded_at.CopyFrom(instant_to_proto(RECORDED + timedelta(hours=hour)))
    return found


LEDGER = [
    entry("1", 3100, 31, 0, cancelled_by_entry_id="2", component={"invoice_id": "I"}),
    entry("2", -3100, -31, 5, cancels_entry_id="1"),
    entry("3", 1000, 10, 5, causes=[{"summary": "The member left.", "revision": 2}]),
]


def test_the_ledger_before_an_instant_has_what_was_cancelled_later() -> None:
    assert [each.entry_id for each in live_before(LEDGER, RECORDED + timedelta(hours=5))] == ["1"]
    assert [each.entry_id for each in live_before(LEDGER, RECORDED + timedelta(hours=6))] == ["3"]
    assert live_before(LEDGER, RECORDED) == []


def test_differences_have_their_causes() -> None:
    (found,) = compared(LEDGER[:1], LEDGER[2:], str.upper)
    assert (found.before_minor, found.after_minor) == (3100, 1000)
    assert found.causes == ("10 days instead of 31", "THE MEMBER LEFT. (revision 2)")
    assert compared(LEDGER[:1], LEDGER[:1]) == []
    assert compared(LEDGER[:1], [])[0].causes == ("no longer enrolled; was enrolled for 31 days",)
    assert compared([], LEDGER[2:])[0].causes[0] == "newly enrolled, for 10 days"


def test_months_are_summed_with_offsets() -> None:
    (found,) = month_sums(LEDGER)
    assert (found.month, found.debtor, found.invoices) == ("2026-03", "primary", ("I",))
    assert (found.owed_minor, found.invoiced_minor, found.open_minor) == (1000, 3100, -2100)
