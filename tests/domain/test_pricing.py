"""Prices, compared with the documented computation in exact fractions, and invariants for any contract."""

from datetime import date
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.contract import ContractVersion, Module
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    AgeNormalization,
    AgeStrategy,
    CollectionMethod,
    Discount,
    EngineParameters,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    Scheme,
    SocialFundRate,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.days import Span
from domain.errors import AmountTooLarge, CannotBePriced, ModuleNotInVersion, PriceMissing
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import MAX_MINOR, MAX_MONTHLY_MINOR, Rounding
from domain.pricing.beneficiaries import QUOTE_AGES, BeneficiarySpec, priced_age
from domain.pricing.costs import ContributionType
from domain.pricing.insurance_cost import Component, insurance_cost
from domain.pricing.pricing import PricingBasis, beneficiaries, priced_modules
from domain.pricing.tariffs import Price
from domain.publishing.amount_checks import amount_violations
from tests.support.builders import a_module, a_version

PRIMARY, PARTNER, CHILD, PET = (
    MembershipType.PRIMARY,
    MembershipType.PARTNER,
    MembershipType.CHILD,
    MembershipType.PET,
)
ON = date(2026, 3, 15)
EVERYONE = tuple(MembershipType)


def module_of(price: ModulePrice | None, **charges: object) -> Module:
    empty: dict[str, object] = {
        "free_children_from_rank": None,
        "membership_fees": (),
        "social_fund_rates": (),
        "participations": (),
        "discounts": (),
        "taxes": (),
    }
    return a_module(pricing=ModulePricing(price, **{**empty, **charges}))  # type: ignore[arg-type]


def flat(amount: int) -> AgeGridPrice:
    """Returns a grid with one amount for everyone at any age."""
    return AgeGridPrice((AgeGridRow(EVERYONE, 0, None, amount),))


def basis_of(
    module: Module, rounding: Rounding = Rounding.ARITHMETIC, scheme: Scheme = Scheme.AGE_GRID
) -> PricingBasis:
    version: ContractVersion = a_version(module, pricing=VersionPricing(scheme))
    return PricingBasis(version, "EUR", ON, QUOTE_AGES, rounding)


def priced(basis: PricingBasis, *specs: BeneficiarySpec) -> list[Component]:
    module_ids = tuple(module.module_id for module in basis.version.modules)
    on_all = [
        BeneficiarySpec(s.beneficiary_type, s.age, s.born_on, s.regime, s.module_ids or module_ids) for s in specs
    ]
    found = priced_modules(basis, on_all, beneficiaries(basis, on_all))
    return list(insurance_cost(found, basis.currency_code).components)


def amounts(found: list[Component]) -> list[tuple[str, str, int]]:
    return [(a.contribution_type.value, a.billed_entity.value, a.monthly_minor) for _, _, a in found]


# ------------------------------------------------------------------------------------------------ the page, literally


def rounded(exact: Fraction, strategy: Rounding) -> int:
    low = floor(exact)
    if exact - low != Fraction(1, 2):
        return low if exact - low < Fraction(1, 2) else low + 1
    if strategy == Rounding.BANKERS:
        return low if low % 2 == 0 else low + 1
    return low + 1 if exact >= 0 else low


LARGEST = 10**11
"""The largest amount that a field accepts."""

minor = st.integers(0, 100_000) | st.integers(0, LARGEST) | st.just(LARGEST)
bp = st.integers(0, 10_000)
types = st.sampled_from(EVERYONE)
some_types = st.lists(types, max_size=3, unique=True).map(tuple)
participations = st.one_of(
    st.builds(
        lambda share, cap, payer, method: Participation((), share, cap, None, payer, method),
        bp,
        st.none() | minor,
        st.sampled_from([PRIMARY, PARTNER]),
        st.sampled_from(CollectionMethod),
    ),
    st.builds(
        lambda amount, payer, method: Participation((), None, None, amount, payer, method),
        minor,
        st.sampled_from([PRIMARY, PARTNER]),
        st.sampled_from(CollectionMethod),
    ),
)
discounts = st.lists(
    st.builds(
        lambda percent, amount, kinds, span: Discount(
            "D", percent if amount is None else None, amount, kinds, Span.between(*span)
        ),
        bp,
        st.none() | minor,
        some_types,
        st.sampled_from(
            [(date(2026, 1, 1), None), (ON, ON), (date(2026, 1, 1), date(2026, 3, 14)), (date(2026, 3, 16), None)]
        ),
    ),
    max_size=3,
).map(tuple)
few_taxes = st.lists(st.builds(Tax, st.just("T"), bp, st.sampled_from(TaxBase), some_types), max_size=3).map(tuple)
compounding = st.builds(
    lambda count, rate, kinds: (Tax("T", rate, TaxBase.NET_AND_EARLIER_TAXES, kinds),) * count,
    st.integers(1, 50),
    bp | st.just(10_000),
    some_types,
)
taxes = few_taxes | compounding


@given(minor, minor, bp, st.none() | participations, discounts, taxes, types, st.booleans(), st.sampled_from(Rounding))
def test_prices_agree_with_the_documented_computation(
    cost: int,
    fee: int,
    fund: int,
    participation: Participation | None,
    given_discounts: tuple[Discount, ...],
    given_taxes: tuple[Tax, ...],
    kind: MembershipType,
    partner_too: bool,
    rounding: Rounding,
) -> None:
    module = module_of(
        flat(cost),
        membership_fees=(MembershipFee((), fee),),
        social_fund_rates=(SocialFundRate((), fund),),
        participations=(participation,) if participation else (),
        discounts=given_discounts,
        taxes=given_taxes,
    )

    def share(amount: int, rate: int) -> int:
        return rounded(Fraction(amount * rate, 10_000), rounding)

    def taxed(net: int, kind: MembershipType = kind, rounding: Rounding = rounding) -> int:
        total = 0
        for tax in given_taxes:
            if not tax.beneficiary_types or kind in tax.beneficiary_types:
                base = net + (total if tax.base == TaxBase.NET_AND_EARLIER_TAXES else 0)
                total += rounded(Fraction(base * tax.rate_bp, 10_000), rounding)
        return total

    untaxed = cost + fee + rounded(Fraction(cost * fund, 10_000), Rounding.ARITHMETIC)
    highest = max(untaxed + taxed(untaxed, each, Rounding.ARITHMETIC) for each in EVERYONE)
    assert module.pricing
    refused = list(amount_violations(module.pricing, VersionPricing(Scheme.AGE_GRID), "pricing"))
    assert bool(refused) == (highest > MAX_MONTHLY_MINOR)
    if refused:
        return

    social = share(cost, fund)
    off = 0
    for d in given_discounts:
        if (not d.beneficiary_types or kind in d.beneficiary_types) and d.days.first_on <= ON <= (d.days.last_on or ON):  # type: ignore[operator]
            off = min(cost, off + (d.flat_minor if d.percent_bp is None else share(cost, d.percent_bp)))  # type: ignore[operator]
    whole = [cost, fee, social, -off, taxed(cost + fee + social - off)]
    if participation is None:
        company = [0, 0, 0, 0]
    elif participation.company_flat_minor is not None:
        company = [min(participation.company_flat_minor, cost - off), 0, 0, 0]
    else:
        rate, cap = participation.company_share_bp or 0, participation.company_cap_minor
        company = [share(part, rate) for part in whole[:4]]
        if cap is not None and company[0] > cap:
            company[0] = cap
            company[3] = rounded(Fraction(-off * cap, cost), rounding)
    company.append(taxed(sum(company)))
    payer = "PARTNER" if participation and participation.remainder_payer == PARTNER else "PRIMARY"
    if not (partner_too or kind == PARTNER):
        payer = "PRIMARY"
    expected = []
    for contribution, all_of_it, company_part in zip(ContributionType, whole, company, strict=True):
        expected += [
            (contribution.value, "COMPANY", company_part),
            (contribution.value, payer, all_of_it - company_part),
        ]
    nonzero = [entry for entry in expected if entry[2]]
    specs = [BeneficiarySpec(kind, 40)] + [BeneficiarySpec(PARTNER, 40)] * partner_too
    found = [c for c in priced(basis_of(module, rounding), *specs) if c.beneficiary_index == 0]
    assert all(abs(c.charge.monthly_minor) <= 3 * MAX_MONTHLY_MINOR for c in found)
    assert amounts(found) == (nonzero or [("COST", payer, 0)])
    assert sum(c.charge.monthly_minor for c in found) == sum(whole)


@given(
    st.lists(
        st.tuples(types, st.none() | st.integers(0, 100), st.none() | st.dates(date(1940, 1, 1), ON)),
        min_size=1,
        max_size=6,
    ),
    st.none() | st.integers(1, 4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_beneficiaries_matters_only_among_equals(
    people: list[tuple[MembershipType, int | None, date | None]], free_from: int | None, draw: "object"
) -> None:
    """Spec order only decides between equal ranks, and who carries the cost of a tier without a primary."""
    module = module_of(
        AgeGridPrice((AgeGridRow(EVERYONE, 0, 17, 1_000), AgeGridRow(EVERYONE, 18, None, 3_000))),
        free_children_from_rank=free_from,
    )
    specs = [BeneficiarySpec(*person) for person in people]
    shuffled = list(specs)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    both = [
        sorted(
            (specs_of[c.beneficiary_index].age or -1, c.charge.beneficiary_type.value, c.charge.monthly_minor)
            for c in found
        )
        for specs_of, found in (
            (specs, priced(basis_of(module), *specs)),
            (shuffled, priced(basis_of(module), *shuffled)),
        )
    ]
    assert sum(amount for *_, amount in both[0]) == sum(amount for *_, amount in both[1]) or free_from
    if free_from is None:
        assert both[0] == both[1]


# ------------------------------------------------------------------------------------------------ schemes


def test_the_alsace_moselle_grid_applies_to_its_regime_if_the_module_has_one() -> None:
    rows = (AgeGridRow(EVERYONE, 0, None, 500),)
    with_grid, without = module_of(AgeGridPrice(flat(900).standard, rows)), module_of(flat(900))
    alsatian = BeneficiarySpec(PRIMARY, 40, regime=HealthRegime.ALSACE_MOSELLE)
    assert [priced(basis_of(m), alsatian)[0].charge.monthly_minor for m in (with_grid, without)] == [500, 900]


@pytest.mark.parametrize(
    ("family", "tier"),
    [
        ([PRIMARY], 1),
        ([CHILD], 1),
        ([PET], 1),
        ([PRIMARY, PET], 1),
        ([PRIMARY, PARTNER], 2),
        ([PRIMARY, MembershipType.ASCENDANT], 2),
        ([PRIMARY, CHILD], 3),
        ([CHILD, CHILD], 3),
        ([PRIMARY, PARTNER, CHILD], 4),
        ([PRIMARY, PARTNER, MembershipType.ASCENDANT], 4),
    ],
)
def test_tiers(family: list[MembershipType], tier: int) -> None:
    module = module_of(FamilyTierPrice(1, 4, 2, 3))
    found = priced(basis_of(module, scheme=Scheme.FAMILY_TIER), *(BeneficiarySpec(kind) for kind in reversed(family)))
    holder = len(family) - 1 if PRIMARY in family else 0
    assert [c.charge.monthly_minor for c in found] == [tier if i == holder else 0 for i in range(len(family))]


def test_a_tier_without_a_price_has_the_price_of_the_family() -> None:
    module = module_of(FamilyTierPrice(1, 4))
    for family in ([PRIMARY, PARTNER], [PRIMARY, CHILD]):
        found = priced(basis_of(module, scheme=Scheme.FAMILY_TIER), *(BeneficiarySpec(kind) for kind in family))
        assert found[0].charge.monthly_minor == 4


def test_free_children_are_those_of_unknown_age_and_then_the_youngest() -> None:
    module = module_of(flat(700), free_children_from_rank=3, membership_fees=(MembershipFee((), 5),))
    children = [
        BeneficiarySpec(CHILD),
        BeneficiarySpec(CHILD, born_on=date(2015, 1, 1)),
        BeneficiarySpec(CHILD, age=11),
        BeneficiarySpec(CHILD, born_on=date(2020, 1, 1)),
    ]
    found = priced(basis_of(module), *children)
    costs = {
        c.beneficiary_index: c.charge.monthly_minor
        for c in found
        if c.charge.contribution_type == ContributionType.COST
    }
    assert costs == {1: 700, 2: 700}
    assert sum(c.charge.contribution_type == ContributionType.MEMBERSHIP_FEE for c in found) == 4


def test_a_free_child_needs_a_price_row() -> None:
    module = module_of(AgeGridPrice((AgeGridRow(EVERYONE, 18, None, 700),)), free_children_from_rank=1)
    with pytest.raises(PriceMissing) as missing:
        priced(basis_of(module), BeneficiarySpec(CHILD, 5))
    assert missing.value.facts == {
        "beneficiary_type": "CHILD",
        "module_id": str(module.module_id),
        "age": "5",
        "date": "2026-03-15",
    }


# ------------------------------------------------------------------------------------------------ ages


@pytest.mark.parametrize(
    ("strategy", "born", "on", "age"),
    [
        (AgeStrategy.KEEP_EXACT_BIRTHDAY, date(2000, 3, 15), date(2026, 3, 14), 25),
        (AgeStrategy.KEEP_EXACT_BIRTHDAY, date(2000, 2, 29), date(2026, 2, 28), 25),
        (AgeStrategy.KEEP_EXACT_BIRTHDAY, date(2000, 2, 29), date(2026, 3, 1), 26),
        (AgeStrategy.MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH, date(2000, 3, 15), date(2026, 3, 1), 26),
        (AgeStrategy.MOVE_BIRTHDAY_TO_FIRST_DAY_OF_MONTH, date(2000, 3, 15), date(2026, 2, 28), 25),
        (AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR, date(2000, 3, 15), date(2023, 12, 31), 22),
        (AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR, date(2000, 1, 1), date(2024, 1, 1), 23),
        (AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR, date(2026, 3, 1), date(2026, 3, 15), 0),
        (AgeStrategy.MOVE_BIRTHDAY_TO_JAN_OF_NEXT_YEAR, date(9999, 3, 1), date(9999, 12, 31), 0),
    ],
)
def test_ages_are_counted_from_the_effective_birth_date(strategy: AgeStrategy, born: date, on: date, age: int) -> None:
    assert priced_age(PRIMARY, born, on, EngineParameters(strategy, age_normalization=AgeNormalization.NONE)) == age


@pytest.mark.parametrize(
    ("kind", "born", "age"),
    [(CHILD, None, 25), (CHILD, date(2020, 1, 1), 17), (CHILD, date(2000, 1, 1), 26), (PARTNER, date(2005, 1, 1), 25)],
)
def test_legacy_belgian_ages(kind: MembershipType, born: date | None, age: int) -> None:
    legacy = EngineParameters(AgeStrategy.KEEP_EXACT_BIRTHDAY, None, None, 17, 25, AgeNormalization.LEGACY_BELGIAN)
    assert priced_age(kind, born, ON, legacy) == age


# ------------------------------------------------------------------------------------------------ errors, joining


def test_a_module_without_prices_cannot_be_priced() -> None:
    for module in (module_of(None), a_module(), module_of(FamilyTierPrice(1, 2))):
        with pytest.raises(CannotBePriced):
            priced(basis_of(module), BeneficiarySpec(PRIMARY))


def test_a_module_that_the_version_does_not_list_is_reported() -> None:
    stranger = module_of(flat(1)).module_id.__class__(int=7)
    with pytest.raises(ModuleNotInVersion):
        priced(basis_of(module_of(flat(1))), BeneficiarySpec(PRIMARY, module_ids=(stranger,)))


def test_a_stored_contract_with_an_amount_above_the_maximum_cannot_be_priced() -> None:
    """The result is an error with a reason for one person, as for a missing price, not a defect."""
    compounded = (Tax("T", 10_000, TaxBase.NET_AND_EARLIER_TAXES, ()),) * 50
    module = module_of(flat(1_000), taxes=compounded)
    with pytest.raises(AmountTooLarge) as too_large:
        priced(basis_of(module), BeneficiarySpec(PRIMARY, 40))
    assert too_large.value.facts == {
        "max_minor": str(MAX_MONTHLY_MINOR),
        "beneficiary_type": "PRIMARY",
        "module_id": str(module.module_id),
        "date": str(ON),
    }


def test_totals_above_the_maximum_are_an_error() -> None:
    basis = basis_of(module_of(flat(LARGEST)))
    specs = [BeneficiarySpec(PRIMARY, 40, module_ids=(basis.version.modules[0].module_id,))]
    (each,) = priced_modules(basis, specs, beneficiaries(basis, specs))
    (charge,) = each.price.charges
    quarter = Price((charge._replace(monthly_minor=MAX_MINOR // 4),), each.price.derivation)
    half = each._replace(price=quarter)
    assert insurance_cost([half, half], "EUR").totals.overall.taxed_minor == MAX_MINOR // 4 * 2
    with pytest.raises(AmountTooLarge):
        insurance_cost([half, half, half], "EUR")


def test_a_cost_of_nobody_is_rejected() -> None:
    with pytest.raises(ValueError, match="nobody"):
        insurance_cost([], "EUR")
