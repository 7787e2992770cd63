"""Checks of pricing data: what is rejected, and that everything else can be published."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    CollectionMethod,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Scheme,
    SocialFundRate,
    StaticTablePrice,
    StaticTableRow,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.membership import MembershipType
from domain.publishing.age_row_checks import table_violations
from domain.publishing.price_checks import module_pricing_violations, version_pricing_violations
from tests.support.builders import (
    EVERYONE,
    a_discount,
    a_grid,
    a_module_pricing,
    a_participation,
    a_row,
    a_span,
    a_tax,
)

PRIMARY, PARTNER, CHILD = MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD
ADULTS = (PRIMARY, PARTNER)
AGE_GRID = VersionPricing(Scheme.AGE_GRID)
FAMILY_TIER = VersionPricing(Scheme.FAMILY_TIER)
TABLE = VersionPricing(
    Scheme.STATIC_TABLE, (StaticTableRow("CORE", 0, 64, 4_000), StaticTableRow("CORE", 65, None, 9_000))
)


def faults(pricing: ModulePricing, version: VersionPricing | None = AGE_GRID) -> list[str]:
    """Returns the paths of all violations below the module's pricing, in order."""
    return sorted(v.field.removeprefix("p.") for v in module_pricing_violations(pricing, version, "p"))


def grid_faults(*rows: AgeGridRow, alsace_moselle: Sequence[AgeGridRow] = ()) -> list[str]:
    """Returns the paths of all violations below the price of a module with such grids."""
    pricing = a_module_pricing(a_grid(*rows, alsace_moselle=alsace_moselle))
    return [field.removeprefix("age_grid.") for field in faults(pricing)]


# ------------------------------------------------------------------------------------------------- what may be


def test_the_french_example_of_the_pricing_page_can_be_published() -> None:
    pricing = a_module_pricing(
        a_grid(a_row(*ADULTS, ages=(18, 59), monthly_minor=6_205)),
        membership_fees=[MembershipFee((), 300)],
        social_fund_rates=[SocialFundRate((), 200)],
        participations=[a_participation(share_bp=5_000, collection_method=CollectionMethod.PAYROLL)],
        taxes=[a_tax("TSA", 1_327)],
    )
    assert faults(pricing) == []


@pytest.mark.parametrize(
    ("price", "version"),
    [
        (a_grid(a_row(ages=(0, 17)), a_row(ages=(18, None)), alsace_moselle=[a_row()]), AGE_GRID),
        (StaticTablePrice("CORE"), TABLE),
        (FamilyTierPrice(27_150, 56_000), FAMILY_TIER),
        (FamilyTierPrice(27_150, 56_000, 0, 40_000), FAMILY_TIER),
        (None, AGE_GRID),
    ],
)
def test_a_price_of_each_scheme_can_be_published(price: ModulePrice | None, version: VersionPricing) -> None:
    assert faults(a_module_pricing(price), version) == []
    assert list(version_pricing_violations(version, "p")) == []


def test_pricing_can_hold_every_charge_at_its_limits() -> None:
    pricing = a_module_pricing(
        free_children_from_rank=1,
        membership_fees=[MembershipFee((), 0), MembershipFee((CHILD,), 0), MembershipFee(ADULTS, 1)],
        social_fund_rates=[SocialFundRate((), 0), SocialFundRate((CHILD,), 10_000)],
        participations=[
            a_participation(share_bp=10_000, cap_minor=0),
            a_participation(CHILD, flat_minor=0),
            a_participation(PARTNER, remainder_payer=PARTNER),
        ],
        discounts=[a_discount(percent_bp=10_000), a_discount(flat_minor=0, types=ADULTS)],
        taxes=[a_tax(rate_bp=0), a_tax(rate_bp=10_000)],
    )
    assert faults(pricing) == []


def test_two_taxes_of_one_code_and_two_discounts_of_one_id_all_apply() -> None:
    taxes = [a_tax("T", 200), a_tax("T", 800, base=TaxBase.NET_AND_EARLIER_TAXES)]
    discounts = [a_discount("D", percent_bp=100), a_discount("D", flat_minor=50)]
    assert faults(a_module_pricing(taxes=taxes, discounts=discounts)) == []


def test_ages_below_the_first_and_above_the_last_row_are_not_a_gap() -> None:
    assert grid_faults(a_row(ages=(18, 40)), a_row(ages=(41, 59))) == []


def test_rows_for_different_types_can_share_ages_and_leave_gaps_between_each_other() -> None:
    assert grid_faults(a_row(*ADULTS, ages=(18, None)), a_row(CHILD, ages=(0, 25))) == []
    assert grid_faults(a_row(*ADULTS, ages=(40, None)), a_row(CHILD, ages=(0, 25))) == []


# ------------------------------------------------------------------------------------------------- rows by age


def test_two_rows_for_one_type_that_share_an_age_are_rejected() -> None:
    assert grid_faults(a_row(ages=(0, 18)), a_row(ages=(18, None))) == ["standard[1]"]


def test_two_equal_rows_are_ambiguous() -> None:
    assert grid_faults(a_row(), a_row(monthly_minor=1)) == ["standard[1]"]


def test_the_row_that_begins_later_is_named_in_whichever_order_rows_are_listed() -> None:
    assert grid_faults(a_row(ages=(18, None)), a_row(ages=(0, 18))) == ["standard[0]"]


def test_a_wide_row_collides_with_every_row_inside_it_and_hides_no_gap() -> None:
    rows = [a_row(ages=(0, 99)), a_row(ages=(10, 20)), a_row(ages=(30, 40))]
    assert grid_faults(*rows) == ["standard[1]", "standard[2]"]


def test_rows_that_collide_for_several_types_are_one_violation_that_names_them() -> None:
    pricing = a_module_pricing(a_grid(a_row(*ADULTS, CHILD, ages=(18, 59)), a_row(*ADULTS, ages=(59, None))))
    (violation,) = module_pricing_violations(pricing, AGE_GRID, "p")
    assert violation.description == "shares age 59 with row 0 for PRIMARY, PARTNER"


def test_a_gap_between_priced_ages_is_rejected() -> None:
    assert grid_faults(a_row(ages=(0, 17)), a_row(ages=(19, None))) == ["standard[1].min_age"]


def test_a_gap_for_one_type_only_is_rejected() -> None:
    rows = [a_row(PRIMARY, CHILD, ages=(0, 17)), a_row(PRIMARY, ages=(18, 20)), a_row(PRIMARY, CHILD, ages=(21, 30))]
    (violation,) = module_pricing_violations(a_module_pricing(a_grid(*rows)), AGE_GRID, "p")
    assert violation.field == "p.age_grid.standard[2].min_age"
    assert violation.description == "leaves a gap: no row covers age 18 for CHILD"


def test_a_max_age_below_the_min_age_is_reported_once_per_row_and_alone() -> None:
    rows = [a_row(ages=(0, 17)), a_row(ages=(30, 18)), a_row(ages=(31, 20)), a_row(ages=(40, None))]
    assert grid_faults(*rows) == ["standard[1].max_age", "standard[2].max_age"]


def test_a_row_that_names_a_type_twice_is_rejected() -> None:
    assert grid_faults(a_row(CHILD, CHILD)) == ["standard[0].beneficiary_types"]


def test_a_negative_amount_in_a_grid_is_rejected() -> None:
    assert grid_faults(a_row(monthly_minor=-1)) == ["standard[0].monthly_minor"]


def test_the_alsace_moselle_grid_is_checked_as_the_standard_one_is() -> None:
    rows = [a_row(ages=(0, 17), monthly_minor=-1), a_row(ages=(17, None))]
    assert grid_faults(alsace_moselle=rows) == ["alsace_moselle[0].monthly_minor", "alsace_moselle[1]"]


def test_an_alsace_moselle_grid_without_a_standard_one_is_rejected() -> None:
    assert faults(a_module_pricing(AgeGridPrice((), (a_row(),)))) == ["age_grid.standard"]


def test_rows_of_a_table_are_checked_for_each_product_type() -> None:
    rows = (
        StaticTableRow("CORE", 0, 17, 1),
        StaticTableRow("PLUS", 0, 17, -1),
        StaticTableRow("CORE", 17, 30, 1),
        StaticTableRow("PLUS", 19, 30, 1),
        StaticTableRow("OLD", 9, 8, 1),
    )
    found = version_pricing_violations(VersionPricing(Scheme.STATIC_TABLE, rows), "p")
    assert sorted(violation.field for violation in found) == [
        "p.static_table.rows[1].monthly_minor",
        "p.static_table.rows[2]",
        "p.static_table.rows[3].min_age",
        "p.static_table.rows[4].max_age",
    ]


small_rows = st.builds(
    StaticTableRow, st.just("CORE"), st.integers(0, 12), st.none() | st.integers(0, 12), st.just(1)
).filter(lambda row: row.max_age is None or row.max_age >= row.min_age)


@given(st.lists(small_rows, max_size=5))
def test_rows_are_rejected_exactly_where_an_age_is_priced_twice_or_left_out_in_between(
    rows: list[StaticTableRow],
) -> None:
    ages_of = [range(row.min_age, 15 if row.max_age is None else row.max_age + 1) for row in rows]
    times = Counter(age for ages in ages_of for age in ages)
    priced_twice = any(n > 1 for n in times.values())
    left_out = bool(times) and any(age not in times for age in range(min(times), max(times)))
    found = [v.description.split()[0] for v in table_violations(rows, "p")]
    assert ("shares" in found, "leaves" in found) == (priced_twice, left_out)


# ----------------------------------------------------------------------------------------------------- schemes


@pytest.mark.parametrize(
    ("price", "version", "field"),
    [
        (a_grid(), FAMILY_TIER, "age_grid"),
        (StaticTablePrice("CORE"), AGE_GRID, "static_table"),
        (FamilyTierPrice(1, 2), TABLE, "family_tier"),
    ],
)
def test_a_price_of_another_scheme_than_the_versions_is_rejected(
    price: ModulePrice, version: VersionPricing, field: str
) -> None:
    assert faults(a_module_pricing(price), version) == [field]


def test_a_module_with_pricing_in_a_version_without_is_rejected() -> None:
    assert faults(a_module_pricing(), None) == ["p"]


def test_a_product_type_without_a_row_is_rejected() -> None:
    assert faults(a_module_pricing(StaticTablePrice("LUXURY")), TABLE) == ["static_table.product_type"]


def test_free_children_cannot_be_combined_with_family_tiers() -> None:
    pricing = a_module_pricing(FamilyTierPrice(1, 2), free_children_from_rank=3)
    assert faults(pricing, FAMILY_TIER) == ["free_children_from_rank"]


def test_free_children_from_a_rank_below_one_are_rejected() -> None:
    assert faults(a_module_pricing(free_children_from_rank=0)) == ["free_children_from_rank"]


@pytest.mark.parametrize("name", ["single_minor", "family_minor", "couple_minor", "single_with_children_minor"])
def test_a_negative_tier_is_rejected(name: str) -> None:
    price = replace(FamilyTierPrice(1, 2, 3, 4), **{name: -1})
    assert faults(a_module_pricing(price), FAMILY_TIER) == [f"family_tier.{name}"]


# ----------------------------------------------------------------------------------------------------- charges


def test_two_charges_for_one_type_are_rejected() -> None:
    pricing = a_module_pricing(
        membership_fees=[MembershipFee(ADULTS, 1), MembershipFee((PARTNER, CHILD), 2)],
        social_fund_rates=[SocialFundRate((CHILD,), 1), SocialFundRate((CHILD,), 2)],
        participations=[a_participation(CHILD), a_participation(*EVERYONE)],
    )
    assert faults(pricing) == ["membership_fees[1]", "participations[1]", "social_fund_rates[1]"]


def test_two_charges_for_everyone_else_are_rejected() -> None:
    pricing = a_module_pricing(
        membership_fees=[MembershipFee((), 1), MembershipFee((), 1)],
        social_fund_rates=[SocialFundRate((), 1), SocialFundRate((), 1)],
        participations=[a_participation(), a_participation()],
    )
    assert faults(pricing) == ["membership_fees[1]", "participations[1]", "social_fund_rates[1]"]


def test_a_charge_that_names_a_type_twice_is_rejected() -> None:
    pricing = a_module_pricing(
        membership_fees=[MembershipFee((CHILD, CHILD), 1)],
        social_fund_rates=[SocialFundRate((CHILD, CHILD), 1)],
        participations=[a_participation(CHILD, CHILD)],
        discounts=[a_discount(flat_minor=1, types=[CHILD, CHILD])],
        taxes=[a_tax(types=[CHILD, CHILD])],
    )
    kinds = ["discounts", "membership_fees", "participations", "social_fund_rates", "taxes"]
    assert faults(pricing) == [f"{kind}[0].beneficiary_types" for kind in kinds]


def test_a_negative_fee_is_rejected() -> None:
    assert faults(a_module_pricing(membership_fees=[MembershipFee((), -1)])) == ["membership_fees[0].monthly_minor"]


@pytest.mark.parametrize("rate", [-1, 10_001])
def test_a_rate_outside_zero_to_ten_thousand_is_rejected(rate: int) -> None:
    pricing = a_module_pricing(
        social_fund_rates=[SocialFundRate((), rate)],
        participations=[a_participation(share_bp=rate)],
        discounts=[a_discount(percent_bp=rate)],
        taxes=[a_tax(rate_bp=rate)],
    )
    assert faults(pricing) == [
        "discounts[0].percent_bp",
        "participations[0].company_share_bp",
        "social_fund_rates[0].rate_bp",
        "taxes[0].rate_bp",
    ]


@pytest.mark.parametrize(("share", "cap"), [(5_000, None), (None, 100), (5_000, 100)])
def test_a_share_or_cap_together_with_a_flat_part_is_rejected(share: int | None, cap: int | None) -> None:
    pricing = a_module_pricing(participations=[a_participation(share_bp=share, cap_minor=cap, flat_minor=1)])
    assert faults(pricing) == ["participations[0].company_flat_minor"]


def test_a_cap_without_a_share_is_rejected() -> None:
    assert faults(a_module_pricing(participations=[a_participation(cap_minor=1)])) == [
        "participations[0].company_cap_minor"
    ]


def test_a_negative_cap_or_flat_part_is_rejected() -> None:
    participations = [a_participation(share_bp=1, cap_minor=-1), a_participation(CHILD, flat_minor=-1)]
    assert faults(a_module_pricing(participations=participations)) == [
        "participations[0].company_cap_minor",
        "participations[1].company_flat_minor",
    ]


def compounding(count: int, *, types: Sequence[MembershipType] = ()) -> list[Tax]:
    return [a_tax(rate_bp=10_000, base=TaxBase.NET_AND_EARLIER_TAXES, types=types)] * count


@pytest.mark.parametrize(
    ("price", "version"),
    [
        (a_grid(a_row(ages=(0, 59), monthly_minor=100), a_row(ages=(60, None), monthly_minor=10**11)), AGE_GRID),
        (a_grid(alsace_moselle=[a_row(monthly_minor=10**11)]), AGE_GRID),
        (StaticTablePrice("CORE"), TABLE),
        (FamilyTierPrice(1, 1, couple_minor=10**11), FAMILY_TIER),
        (FamilyTierPrice(1, 1, single_with_children_minor=10**11), FAMILY_TIER),
    ],
)
def test_taxes_on_taxes_that_can_exceed_the_maximum_are_rejected_for_any_row(
    price: ModulePrice, version: VersionPricing
) -> None:
    assert faults(a_module_pricing(price, taxes=compounding(50)), version) == ["taxes"]


def test_the_highest_monthly_cost_can_reach_the_maximum_and_not_exceed_it() -> None:
    """10^11 doubled six times, plus a fee of 56.25 x 10^9 doubled six times, is 10^13."""
    grid = a_grid(a_row(monthly_minor=10**11))
    up_to = a_module_pricing(grid, membership_fees=[MembershipFee((), 56_250_000_000)], taxes=compounding(6))
    assert faults(up_to) == []
    beyond = a_module_pricing(grid, membership_fees=[MembershipFee((), 56_250_000_001)], taxes=compounding(6))
    assert faults(beyond) == ["taxes"]


def test_the_highest_monthly_cost_includes_fee_and_social_fund_but_no_discount() -> None:
    grid = a_grid(a_row(monthly_minor=10**11))
    assert faults(a_module_pricing(grid, taxes=compounding(6))) == []
    with_fee = a_module_pricing(grid, membership_fees=[MembershipFee((), 10**11)], taxes=compounding(6))
    with_fund = a_module_pricing(grid, social_fund_rates=[SocialFundRate((), 10_000)], taxes=compounding(6))
    discounted = a_module_pricing(grid, discounts=[a_discount(percent_bp=10_000)], taxes=compounding(7))
    assert [faults(pricing) for pricing in (with_fee, with_fund, discounted)] == [["taxes"]] * 3


def test_taxes_for_people_without_a_price_row_are_allowed() -> None:
    grid = a_grid(a_row(*ADULTS, monthly_minor=10**11))
    assert faults(a_module_pricing(grid, taxes=compounding(50, types=[CHILD]))) == []
    assert faults(a_module_pricing(grid, taxes=compounding(50, types=[PARTNER]))) == ["taxes"]


def test_a_discount_of_a_percentage_and_a_flat_amount_is_rejected() -> None:
    pricing = a_module_pricing(discounts=[a_discount(percent_bp=1, flat_minor=1)])
    assert faults(pricing) == ["discounts[0].flat_minor"]


def test_a_discount_without_an_amount_is_rejected() -> None:
    assert faults(a_module_pricing(discounts=[a_discount()])) == ["discounts[0].amount"]


def test_a_negative_discount_is_rejected() -> None:
    assert faults(a_module_pricing(discounts=[a_discount(flat_minor=-1)])) == ["discounts[0].flat_minor"]


def test_a_discount_without_a_first_day_is_rejected() -> None:
    discount = a_discount(flat_minor=1, days=a_span(None, "2026-12-31"))
    assert faults(a_module_pricing(discounts=[discount])) == ["discounts[0].days.first_on"]


def test_all_violations_of_a_module_are_reported_together() -> None:
    pricing = a_module_pricing(
        a_grid(a_row(ages=(5, 4)), a_row(monthly_minor=-1)),
        free_children_from_rank=0,
        participations=[a_participation(cap_minor=1)],
        discounts=[a_discount(), a_discount(percent_bp=20_000)],
        taxes=[a_tax(rate_bp=-5)],
    )
    assert faults(pricing) == [
        "age_grid.standard[0].max_age",
        "age_grid.standard[1].monthly_minor",
        "discounts[0].amount",
        "discounts[1].percent_bp",
        "free_children_from_rank",
        "participations[0].company_cap_minor",
        "taxes[0].rate_bp",
    ]
