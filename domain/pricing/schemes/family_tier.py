"""FAMILY_TIER (CA): by the make-up of the family on the module; one person costs it all."""

from collections.abc import Sequence
from enum import StrEnum

from domain.catalog.contract import Module
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import FamilyTierPrice, VersionPricing
from domain.pricing.schemes.rows import PriceRow


class Tier(StrEnum):
    SINGLE = "single"
    COUPLE = "couple"
    SINGLE_WITH_CHILDREN = "single_with_children"
    FAMILY = "family"


Place = tuple[Tier, bool]
"""The tier, and whether somebody else costs it."""


def places(module: Module, people: Sequence[Beneficiary]) -> list[Place]:
    """The primary, or else the first in spec order, costs the tier's price, everyone else 0."""
    holder = next((p for p in people if p.beneficiary_type is MembershipType.PRIMARY), people[0])
    tier = _tier(people)
    return [(tier, person is not holder) for person in people]


def row(module: Module, pricing: VersionPricing, person: Beneficiary, place: Place) -> PriceRow | None:
    """Where a tier has no price, the family's serves."""
    tier, is_free = place
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, FamilyTierPrice):
        return None
    own = {
        Tier.SINGLE: price.single_minor,
        Tier.COUPLE: price.couple_minor,
        Tier.SINGLE_WITH_CHILDREN: price.single_with_children_minor,
        Tier.FAMILY: price.family_minor,
    }[tier]
    if own is None:
        return PriceRow(Tier.FAMILY, None, None, price.family_minor, is_free)
    return PriceRow(tier, None, None, own, is_free)


def _tier(people: Sequence[Beneficiary]) -> Tier:
    """Pets are not counted."""
    adults = sum(person.is_adult for person in people)
    children = sum(person.beneficiary_type is MembershipType.CHILD for person in people)
    if adults + children <= 1:
        return Tier.SINGLE
    if adults == 2 and not children:
        return Tier.COUPLE
    if children and adults <= 1:
        return Tier.SINGLE_WITH_CHILDREN
    return Tier.FAMILY
