"""MID_MONTH: a month is owed in full if the run of days holds the cut-off day, otherwise nothing."""

from datetime import date
from uuid import UUID

import pytest

from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    AgeNormalization,
    AgeStrategy,
    EngineParameters,
    ModulePricing,
    ProrataStrategy,
    Scheme,
    VersionPricing,
)
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts
from domain.membership import MembershipType
from domain.money import Rounding
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import PremiumEntry, premium_entries
from domain.premiums.months import month_of
from domain.pricing.inquiries import Policy
from domain.pricing.parameters import resolved
from tests.support.builders import a_contract, a_module, a_version

MEMBER, GROUP = UUID(int=11), UUID(int=99)
MARCH = month_of(date(2026, 3, 1))


def entries(
    first: int, last: int, cut_off_day: int | None, prices: tuple[int, int] = (6_000, 6_000), change: int = 10
) -> list[PremiumEntry]:
    """Returns the entries of March 2026 for cover on some of its days; the second price applies from `change` on."""
    parameters = EngineParameters(
        AgeStrategy.KEEP_EXACT_BIRTHDAY,
        Rounding.ARITHMETIC,
        ProrataStrategy.MID_MONTH,
        17,
        25,
        AgeNormalization.NONE,
        cut_off_day,
    )
    spans = (
        Span.between(date(2020, 1, 1), date(2026, 3, change - 1)),
        Span.between(date(2026, 3, change), None),
    )
    versions = [
        a_version(
            a_module(
                "base",
                pricing=ModulePricing(
                    AgeGridPrice((AgeGridRow(tuple(MembershipType), 0, None, price),)), None, (), (), (), (), ()
                ),
            ),
            days=days,
            pricing=VersionPricing(Scheme.AGE_GRID),
            engine_parameters=parameters,
        )
        for price, days in zip(prices, spans, strict=True)
    ]
    contract = a_contract(*versions)
    key = EnrollmentKey(MEMBER, versions[0].modules[0].module_id)
    enrolled = {key: Days.between(date(2026, 3, first), date(2026, 3, last))}
    policy = Policy(contract, GROUP, MEMBER, {MEMBER: Facts(born_on=date(1980, 1, 1))})
    return premium_entries(InsuredPolicy(policy, enrolled, {MEMBER: MembershipType.PRIMARY}, None), MARCH, MARCH)


def owed(found: list[PremiumEntry]) -> list[int]:
    return [sum(entry.owed_minor) for entry in found]


@pytest.mark.parametrize(("first", "last", "minor"), [(15, 31, 6_000), (16, 31, 0), (1, 14, 0), (1, 15, 6_000)])
@pytest.mark.parametrize("cut_off_day", [15, None])
def test_a_month_is_owed_in_full_if_its_cover_holds_the_cut_off_day(
    first: int, last: int, minor: int, cut_off_day: int | None
) -> None:
    assert owed(entries(first, last, cut_off_day)) == [minor]


@pytest.mark.parametrize("cut_off_day", range(1, 29))
@pytest.mark.parametrize("change", [2, 15, 28, 31])
def test_a_month_that_is_covered_whole_owes_the_price_of_its_cut_off_day(cut_off_day: int, change: int) -> None:
    found = entries(1, 31, cut_off_day, (6_000, 7_000), change)
    assert owed(found) == ([6_000, 0] if cut_off_day < change else [0, 7_000])
    assert {entry.divisor for entry in found} == {31}


def test_the_cut_off_day_of_a_request_precedes_that_of_a_version() -> None:
    version = EngineParameters(prorata=ProrataStrategy.MID_MONTH, cut_off_day=20)
    assert resolved(EngineParameters(cut_off_day=10), version).cut_off_day == 10
    assert resolved(EngineParameters(), version).cut_off_day == 20
