"""Checks that the prices of a module can't lead to amounts that exceed what messages and columns can hold.

Each single amount has a maximum (`pricing.proto`), but taxes on earlier taxes multiply amounts. So the highest monthly
cost of one person on a module is computed as pricing would, without discounts.
"""

from collections.abc import Iterator
from dataclasses import replace

from domain.catalog.prices import AgeGridPrice, FamilyTierPrice, ModulePricing, StaticTablePrice, VersionPricing
from domain.errors import FieldViolation
from domain.membership import EVERY_MEMBERSHIP_TYPE, MembershipType
from domain.money import MAX_MONTHLY_MINOR, Rounding
from domain.pricing.charging import contributions_of

ANY_DAY = 1


def amount_violations(pricing: ModulePricing, version: VersionPricing, path: str) -> Iterator[FieldViolation]:
    """Yields a violation if a module's prices can lead to an amount that is too large."""
    highest, kind = max((_highest_monthly(pricing, version, kind), kind) for kind in EVERY_MEMBERSHIP_TYPE)
    if highest > MAX_MONTHLY_MINOR:
        yield FieldViolation(
            f"{path}.taxes" if pricing.taxes else path,
            f"must not let the monthly cost of a {kind}, with taxes, exceed {MAX_MONTHLY_MINOR} minor units;"
            f" it can reach {highest}",
        )


def _highest_monthly(pricing: ModulePricing, version: VersionPricing, kind: MembershipType) -> int:
    """Returns the highest monthly cost of one person of a type, with taxes and without discounts; 0 without a price.

    The highest price row gives the highest cost, because every step grows with its input. ARITHMETIC never rounds to
    less than BANKERS does.
    """
    listed = max(_listed(pricing, version, kind), default=None)
    if listed is None:
        return 0
    whole = contributions_of(replace(pricing, discounts=()), listed, kind, ANY_DAY, Rounding.ARITHMETIC, [])
    return whole.net + whole.taxes


def _listed(pricing: ModulePricing, version: VersionPricing, kind: MembershipType) -> Iterator[int]:
    """Yields the prices of all rows that can apply to a type."""
    match pricing.price:
        case AgeGridPrice(standard, alsace_moselle):
            yield from (row.monthly_minor for row in (*standard, *alsace_moselle) if kind in row.beneficiary_types)
        case StaticTablePrice(product_type):
            yield from (row.monthly_minor for row in version.static_table if row.product_type == product_type)
        case FamilyTierPrice(single, family, couple, single_with_children):
            yield from (tier for tier in (single, family, couple, single_with_children) if tier is not None)
