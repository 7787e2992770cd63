"""The reasons why premium entries start: all that apply, and none if nothing changes."""

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalog.contract import Contract
from domain.catalog.prices import AgeNormalization, AgeStrategy, Discount, EngineParameters, Scheme, VersionPricing
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts, HealthRegime, HealthRegimeSpan
from domain.membership import MembershipType
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import premium_entries
from domain.premiums.months import month_of
from domain.pricing.inquiries import Policy
from tests.domain.premium_model import entries_by_days
from tests.domain.test_premiums import (
    CHILD,
    FIRST,
    FIRST_ON,
    GROUP,
    LAST,
    LAST_ON,
    PRIMARY,
    TYPES,
    contracts,
    several_days,
)
from tests.support.builders import (
    a_contract,
    a_discount,
    a_grid,
    a_module,
    a_module_pricing,
    a_row,
    a_span,
    a_version,
    an_id,
)

BASE = an_id("base")
AT_BIRTHDAYS = EngineParameters(age_strategy=AgeStrategy.KEEP_EXACT_BIRTHDAY, age_normalization=AgeNormalization.NONE)

regimes = st.lists(
    st.builds(
        lambda begin, regime: HealthRegimeSpan(Span.between(begin, LAST_ON), regime),
        st.dates(date(2026, 1, 1), LAST_ON),
        st.sampled_from(HealthRegime),
    ),
    max_size=1,
).map(tuple)


@settings(max_examples=150, deadline=None)
@given(contracts(), st.dates(date(2008, 1, 1), date(2024, 12, 31)), regimes, several_days, several_days, several_days)
def test_every_entry_has_the_reasons_of_the_day_by_day_model(
    contract: Contract, born: date, recorded: tuple[HealthRegimeSpan, ...], one: Days, two: Days, three: Days
) -> None:
    base, option = (module.module_id for module in contract.versions[0].modules)
    enrolled = {EnrollmentKey(PRIMARY, base): one, EnrollmentKey(CHILD, base): two, EnrollmentKey(CHILD, option): three}
    facts = {PRIMARY: Facts(date(1980, 5, 5), health_regimes=recorded), CHILD: Facts(born)}
    insured = InsuredPolicy(Policy(contract, GROUP, PRIMARY, facts), enrolled, TYPES)
    found = {
        (e.enrollment_id, date.fromordinal(e.days.start)): set(e.reasons) for e in premium_entries(insured, FIRST, LAST)
    }
    assert found == entries_by_days(insured, FIRST_ON, LAST_ON)


def contract_of(*versions: tuple[Span, tuple[Discount, ...]], at_forty: int = 200) -> Contract:
    """Returns a contract whose versions have the same grid, with a higher price from age 40 on, and their own
    discounts.
    """
    grid = a_grid(a_row(ages=(0, 39), monthly_minor=100), a_row(ages=(40, None), monthly_minor=at_forty))
    return a_contract(
        *(
            a_version(
                a_module(pricing=a_module_pricing(grid, discounts=discounts)),
                days=days,
                pricing=VersionPricing(Scheme.AGE_GRID),
                engine_parameters=AT_BIRTHDAYS,
            )
            for days, discounts in versions
        )
    )


def explained(contract: Contract, born: str, first: str, last: str, *facts: HealthRegimeSpan) -> list[tuple[str, str]]:
    """Returns first days and reasons of the entries of the primary, who is enrolled from 2026 on."""
    policy = Policy(contract, GROUP, PRIMARY, {PRIMARY: Facts(date.fromisoformat(born), health_regimes=facts)})
    insured = InsuredPolicy(policy, {EnrollmentKey(PRIMARY, BASE): Days.of(a_span("2026-01-01"))}, TYPES)
    months = (month_of(date.fromisoformat(f"{month}-01")) for month in (first, last))
    return [
        (str(date.fromordinal(entry.days.start)), " ".join(sorted(entry.reasons)))
        for entry in premium_entries(insured, *months)
    ]


FOREVER = a_span("2020-01-01")
TWO_VERSIONS = (a_span("2020-01-01", "2026-02-14"), ()), (a_span("2026-02-15"), ())
FOR_CHILDREN = a_discount(percent_bp=1_000, types=[MembershipType.CHILD])


def test_a_birthday_on_the_first_day_of_a_version_is_reported_beside_the_version() -> None:
    reported = explained(contract_of(*TWO_VERSIONS), "1986-02-15", "2026-02", "2026-02")
    assert reported == [("2026-02-01", "RANGE_START"), ("2026-02-15", "AGE_CHANGED CONTRACT_VERSION")]


def test_a_birthday_on_the_first_day_of_a_discount_is_reported_beside_the_discount() -> None:
    contract = contract_of((FOREVER, (replace(FOR_CHILDREN, days=a_span("2026-02-15")),)))
    reported = explained(contract, "1986-02-15", "2026-02", "2026-03")
    assert reported == [
        ("2026-02-01", "RANGE_START"),
        ("2026-02-15", "AGE_CHANGED DISCOUNT_STARTED"),
        ("2026-03-01", ""),
    ]


def test_a_birthday_that_changes_no_price_is_not_reported() -> None:
    reported = explained(contract_of(*TWO_VERSIONS), "1990-02-15", "2026-02", "2026-03")
    assert reported == [("2026-02-01", "RANGE_START"), ("2026-03-01", "")]


def test_a_discount_for_others_is_not_reported() -> None:
    for begins in ("2026-03-01", "2026-03-15"):
        contract = contract_of((FOREVER, (replace(FOR_CHILDREN, days=a_span(begins)),)))
        reported = explained(contract, "1990-05-05", "2026-02", "2026-04")
        assert reported == [("2026-02-01", "RANGE_START"), ("2026-03-01", ""), ("2026-04-01", "")]


def test_a_version_with_the_same_prices_is_not_reported() -> None:
    contract = contract_of((a_span("2020-01-01", "2026-02-28"), ()), (a_span("2026-03-01"), ()))
    reported = explained(contract, "1990-05-05", "2026-02", "2026-04")
    assert reported == [("2026-02-01", "RANGE_START"), ("2026-03-01", ""), ("2026-04-01", "")]


def test_a_month_is_explained_by_its_own_version_even_if_the_price_continues() -> None:
    contract = contract_of((a_span("2020-01-01", "2026-02-28"), ()), (a_span("2026-03-01"), ()))
    policy = Policy(contract, GROUP, PRIMARY, {PRIMARY: Facts(date(1990, 5, 5))})
    insured = InsuredPolicy(policy, {EnrollmentKey(PRIMARY, BASE): Days.of(a_span("2026-01-01"))}, TYPES)
    entries = premium_entries(insured, month_of(date(2026, 2, 1)), month_of(date(2026, 3, 1)))
    assert [e.basis.price.derivation.version_from for e in entries] == [date(2020, 1, 1), date(2026, 3, 1)]


def test_a_discount_that_starts_after_its_version_is_not_reported() -> None:
    discounts = (replace(FOR_CHILDREN, days=a_span("2026-03-15")),)
    contract = contract_of((a_span("2020-01-01", "2026-02-28"), discounts), (a_span("2026-03-01"), ()))
    reported = explained(contract, "1986-03-15", "2026-03", "2026-03")
    assert reported == [("2026-03-01", "CONTRACT_VERSION RANGE_START"), ("2026-03-15", "AGE_CHANGED")]


def test_recording_the_same_regime_again_is_not_a_change() -> None:
    again = HealthRegimeSpan(a_span("2026-03-15"), HealthRegime.STANDARD)
    reported = explained(contract_of((FOREVER, ())), "1986-03-15", "2026-03", "2026-03", again)
    assert reported == [("2026-03-01", "RANGE_START"), ("2026-03-15", "AGE_CHANGED")]
