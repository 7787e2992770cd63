"""Changes of cost that share the pricing of modules, compared with pricing the whole policy for each change."""

from datetime import date
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.catalog.contract import Contract
from domain.catalog.prices import FamilyTierPrice, ModulePricing, Scheme, VersionPricing
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts
from domain.membership import MembershipType
from domain.pricing.changes import CostChanges, Enrolled, cost_change
from domain.pricing.inquiries import Policy
from tests.support.builders import (
    a_contract,
    a_grid,
    a_module,
    a_module_pricing,
    a_participation,
    a_row,
    a_span,
    a_version,
    an_id,
)

NAMES = ("base", "plus", "option", "extra")
TYPES = {
    UUID(int=1): MembershipType.PRIMARY,
    UUID(int=2): MembershipType.PARTNER,
    UUID(int=3): MembershipType.CHILD,
    UUID(int=4): MembershipType.CHILD,
    UUID(int=5): MembershipType.CHILD,
}
ON = date(2026, 6, 1)
KEYS = [EnrollmentKey(member_id, an_id(name)) for member_id in TYPES for name in NAMES]

amounts = st.integers(100, 9_999)
everyone = amounts.map(lambda amount: a_grid(a_row(monthly_minor=amount)))
by_type = st.tuples(amounts, amounts, amounts).map(
    lambda each: a_grid(
        *(a_row(kind, monthly_minor=amount) for kind, amount in zip(MembershipType, each, strict=False))
    )
)
without_children = amounts.map(
    lambda amount: a_grid(a_row(MembershipType.PRIMARY, MembershipType.PARTNER, monthly_minor=amount))
)
grids = st.one_of(everyone, by_type, everyone, by_type, without_children)
tiers = st.builds(FamilyTierPrice, amounts, amounts)


def pricings(prices: SearchStrategy[Any]) -> SearchStrategy[ModulePricing | None]:
    """Draws the pricing of a module, which sometimes has no price."""
    partner_pays = a_participation(MembershipType.CHILD, share_bp=3_000, remainder_payer=MembershipType.PARTNER)
    priced = st.builds(
        lambda price, free_from, pays: a_module_pricing(
            price, free_children_from_rank=free_from, participations=[partner_pays] if pays else []
        ),
        prices,
        st.sampled_from([None, 2]),
        st.booleans(),
    )
    return st.sampled_from(range(12)).flatmap(lambda n: priced if n else st.none())


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    scheme, prices = draw(st.sampled_from([(Scheme.AGE_GRID, grids), (Scheme.FAMILY_TIER, tiers)]))
    modules = [a_module(name, pricing=draw(pricings(prices))) for name in NAMES]
    pricing = draw(st.sampled_from([VersionPricing(scheme)] * 7 + [None]))
    # A country without defaults lacks the parameters that prices need.
    country = draw(st.sampled_from(["FR"] * 7 + ["US"]))
    return a_contract(a_version(*modules, days=a_span(), pricing=pricing), country_code=country)


enrollments = st.frozensets(st.sampled_from(KEYS))
births = st.dates(date(1960, 1, 1), date(2025, 12, 31)) | st.none()


@settings(max_examples=300, deadline=None)
@given(contracts(), st.tuples(*[births] * len(TYPES)), enrollments, st.lists(enrollments, max_size=4))
def test_each_cost_change_equals_pricing_the_whole_policy(
    contract: Contract,
    born: tuple[date | None, ...],
    enrolled: frozenset[EnrollmentKey],
    others: list[frozenset[EnrollmentKey]],
) -> None:
    facts = {member_id: Facts(born_on=born_on) for member_id, born_on in zip(TYPES, born, strict=True)}
    policy = Policy(contract, UUID(int=9), UUID(int=1), facts)
    costs = CostChanges(policy, enrolled, TYPES, ON)
    for after in others:
        assert costs.by(after - enrolled, enrolled - after) == cost_change(
            policy, Enrolled(enrolled, TYPES), Enrolled(after, TYPES), ON
        )
