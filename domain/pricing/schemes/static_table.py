"""STATIC_TABLE (ES): by product type and age, from the version's table."""

from collections.abc import Sequence
from datetime import date

from domain.catalog.contract import Module
from domain.errors import PriceMissing
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import StaticTablePrice, VersionPricing
from domain.pricing.schemes.rows import free_children, row_amount


def costs(module: Module, pricing: VersionPricing, people: Sequence[Beneficiary], on: date) -> list[int]:
    """Free children need a matching row all the same. Raises PriceMissing."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, StaticTablePrice):
        first = people[0]
        raise PriceMissing("no product type", first.beneficiary_type, module.module_id, first.age, on)
    rows = [row for row in pricing.static_table if row.product_type == price.product_type]
    free = free_children(people, module.pricing.free_children_from_rank if module.pricing else None)
    amounts = [row_amount(rows, person, module.module_id, on) for person in people]
    return [0 if person.index in free else amount for person, amount in zip(people, amounts, strict=True)]
