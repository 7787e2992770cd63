"""Which months of which modules an amendment or a change of facts can reprice."""

from dataclasses import replace
from datetime import date

import pytest

from domain.catalog.contract import Contract, ContractVersion, Module, ServiceType, TermStart
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    Discount,
    EngineParameters,
    ModulePricing,
    Scheme,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.days import NO_DAYS, Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.differences import Difference, DifferenceKind
from domain.identity import derived_id
from domain.members import Facts, HealthRegime, HealthRegimeSpan
from domain.money import Rounding
from domain.premiums.months import Month, month_of
from domain.premiums.repricing import Repriced, RepricingFacts, first_changed_month, repriced, repricing_facts

ONE, TWO = derived_id("module", "1"), derived_id("module", "2")


def month(year: int, number: int) -> Month:
    return month_of(date(year, number, 1))


def priced(minor: int = 100, *discounts: Discount, taxes: tuple[Tax, ...] = ()) -> ModulePricing:
    return ModulePricing(AgeGridPrice((AgeGridRow((), 0, None, minor),)), None, (), (), (), discounts, taxes)


def module(module_id: object, pricing: ModulePricing | None) -> Module:
    return Module(module_id, "", None, ServiceType.BASE, (), None, (), (), (), "", pricing)  # type: ignore[arg-type]


def version(first: date, last: date | None, one: ModulePricing | None, two: ModulePricing | None) -> ContractVersion:
    modules = (module(ONE, one), module(TWO, two))
    return ContractVersion(Span.between(first, last), 30, (), modules, VersionPricing(Scheme.AGE_GRID), None)


def contract(*versions: ContractVersion) -> Contract:
    return Contract(derived_id("contract", "1"), "", "FR", "EUR", "UTC", "", TermStart(), versions)


PAST = version(date(2024, 1, 1), date(2024, 12, 31), priced(), priced())
NOW = version(date(2025, 1, 1), None, priced(), priced())
BEFORE = contract(PAST, NOW)


def test_an_equal_contract_changes_nothing() -> None:
    assert repriced(BEFORE, contract(PAST, NOW)) == ()


def test_rules_limits_and_names_change_nothing() -> None:
    renamed = replace(NOW, max_backdating_days=5, modules=tuple(replace(m, display_name="New") for m in NOW.modules))
    assert repriced(BEFORE, replace(contract(PAST, renamed), display_name="New")) == ()


def test_a_price_changes_its_module_in_the_days_of_its_version() -> None:
    old = version(date(2024, 1, 1), date(2024, 12, 31), priced(), priced(200))
    assert repriced(BEFORE, contract(old, NOW)) == (Repriced(TWO, month(2024, 1), month(2025, 1)),)
    new = version(date(2025, 1, 1), None, priced(200), priced())
    assert repriced(BEFORE, contract(PAST, new)) == (Repriced(ONE, month(2025, 1), None),)


def test_a_tax_and_a_missing_price_change_their_module() -> None:
    tax = Tax("T", 100, TaxBase.NET, ())
    taxed = version(date(2025, 1, 1), None, priced(taxes=(tax,)), None)
    assert repriced(BEFORE, contract(PAST, taxed)) == (
        *sorted((Repriced(ONE, month(2025, 1), None), Repriced(TWO, month(2025, 1), None))),
    )


@pytest.mark.parametrize(
    "changed",
    [
        replace(NOW, engine_parameters=EngineParameters(rounding=Rounding.ARITHMETIC)),
        replace(NOW, pricing=VersionPricing(Scheme.STATIC_TABLE)),
        replace(NOW, pricing=None),
    ],
)
def test_what_all_prices_of_a_version_depend_on_changes_every_module(changed: ContractVersion) -> None:
    assert repriced(BEFORE, contract(PAST, changed)) == (Repriced(None, month(2025, 1), None),)


def test_parameters_that_equal_the_countrys_change_nothing() -> None:
    explicit = replace(NOW, engine_parameters=EngineParameters(rounding=Rounding.BANKERS))
    assert repriced(BEFORE, contract(PAST, explicit)) == ()
    assert repriced(BEFORE, replace(BEFORE, country_code="ES")) == (Repriced(None, month(2024, 1), None),)


def test_a_discount_changes_only_the_months_in_which_it_differs() -> None:
    def discounted(last: date) -> Contract:
        discount = Discount("D", 1_000, None, (), Span.between(date(2025, 3, 10), last))
        return contract(PAST, version(date(2025, 1, 1), None, priced(100, discount), priced()))

    march = discounted(date(2025, 4, 20))
    assert repriced(BEFORE, march) == (Repriced(ONE, month(2025, 3), month(2025, 5)),)
    assert repriced(march, discounted(date(2025, 6, 30))) == (Repriced(ONE, month(2025, 4), month(2025, 7)),)


def test_a_version_that_is_split_without_a_change_changes_nothing() -> None:
    first = replace(NOW, days=Span.between(date(2025, 1, 1), date(2025, 6, 30)))
    second = replace(NOW, days=Span.between(date(2025, 7, 1), None))
    assert repriced(BEFORE, contract(PAST, first, second)) == ()
    assert repriced(BEFORE, contract(PAST, first)) == (Repriced(None, month(2025, 7), None),)


def test_dates_of_birth_reprice_every_month_and_regimes_only_their_own_days_on_the_members_own_policy() -> None:
    regime = HealthRegimeSpan(Span.between(date(2025, 5, 20), None), HealthRegime.ALSACE_MOSELLE)
    assert repricing_facts(Facts(), Facts()) is None
    assert repricing_facts(Facts(), Facts(born_on=date(1990, 1, 1))) == RepricingFacts(0, as_primary=False)
    assert repricing_facts(Facts(), Facts(health_regimes=(regime,))) == RepricingFacts(month(2025, 5), as_primary=True)


def test_a_revision_changes_months_from_the_first_day_gained_or_lost() -> None:
    gained, lost = (Days.between(date(2025, start, 15), None) for start in (7, 4))
    change = Difference(ONE, TWO, (DifferenceKind.EXTENDED,), gained, lost)
    assert first_changed_month([change], (), ()) == month(2025, 4)
    assert first_changed_month([], (), ()) is None


def test_a_corrected_type_changes_months_from_the_first_enrolled_day_without_any_change_of_days() -> None:
    member, other = derived_id("member", "1"), derived_id("member", "2")
    state = {
        EnrollmentKey(member, ONE): Days.between(date(2025, 3, 2), None),
        EnrollmentKey(other, ONE): Days.between(date(2024, 1, 1), None),
    }
    change = Difference(member, ONE, (), NO_DAYS, NO_DAYS)
    assert first_changed_month([change], [member], (state, state)) == month(2025, 3)
