"""FAMILY_TIER (CA): the cost depends on which family members are on the module; one person carries all of it."""

from collections.abc import Sequence
from enum import StrEnum

from domain.catalog.contract import Module
from domain.catalog.prices import FamilyTierPrice, VersionPricing
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.schemes.rows import PriceRow


class Tier(StrEnum):
    SINGLE = "single"
    COUPLE = "couple"
    SINGLE_WITH_CHILDREN = "single_with_children"
    FAMILY = "family"


Situation = tuple[Tier, bool]
"""The tier, and whether another person carries its cost."""


def situations(module: Module, people: Sequence[Beneficiary]) -> list[Situation]:
    """Returns the tier for everyone. The primary, or else the first in spec order, carries its cost."""
    holder = next((p for p in people if p.beneficiary_type is MembershipType.PRIMARY), people[0])
    tier = _tier(people)
    return [(tier, person is not holder) for person in people]


def row(module: Module, pricing: VersionPricing, person: Beneficiary, situation: Situation) -> PriceRow | None:
    """Returns the price of the tier, or that of FAMILY if the tier has none."""
    tier, is_free = situation
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
    """Returns the tier of a family, not counting pets."""
    adults = sum(person.is_adult for person in people)
    children = sum(person.beneficiary_type is MembershipType.CHILD for person in people)
    if adults + children <= 1:
        return Tier.SINGLE
    if adults == 2 and not children:
        return Tier.COUPLE
    if children and adults <= 1:
        return Tier.SINGLE_WITH_CHILDREN
    return Tier.FAMILY
