"""FAMILY_TIER (CA): by the make-up of the family on the module; one person costs it all."""

from collections.abc import Sequence
from datetime import date

from domain.catalog.contract import Module
from domain.errors import PriceMissing
from domain.membership import MembershipType
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import FamilyTierPrice, VersionPricing


def costs(module: Module, pricing: VersionPricing, people: Sequence[Beneficiary], on: date) -> list[int]:
    """The primary, or else the first in spec order, costs the tier's price, everyone else 0. Raises PriceMissing."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, FamilyTierPrice):
        first = people[0]
        raise PriceMissing("no tiers", first.beneficiary_type, module.module_id, first.age, on)
    holder = next((p for p in people if p.beneficiary_type == MembershipType.PRIMARY), people[0])
    tier = _tier(price, people)
    return [tier if person is holder else 0 for person in people]


def _tier(price: FamilyTierPrice, people: Sequence[Beneficiary]) -> int:
    """Pets are not counted; where a tier has no price, the family's serves."""
    adults = sum(person.is_adult for person in people)
    children = sum(person.beneficiary_type == MembershipType.CHILD for person in people)
    if adults + children <= 1:
        return price.single_minor
    if adults == 2 and not children:
        return price.family_minor if price.couple_minor is None else price.couple_minor
    if children and adults <= 1:
        lone = price.single_with_children_minor
        return price.family_minor if lone is None else lone
    return price.family_minor
