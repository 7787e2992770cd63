"""STATIC_TABLE (ES): by product type and age, from the version's table."""

from domain.catalog.contract import Module
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import StaticTablePrice, VersionPricing
from domain.pricing.schemes.rows import PriceRow, row_for_age


def row(module: Module, pricing: VersionPricing, person: Beneficiary, is_free: bool) -> PriceRow | None:
    """Free children need a matching row all the same."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, StaticTablePrice):
        return None
    rows = (row for row in pricing.static_table if row.product_type == price.product_type)
    return row_for_age(price.product_type, rows, person.age, is_free)
