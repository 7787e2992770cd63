"""STATIC_TABLE (ES): the cost depends on product type and age, and is found in the version's table."""

from domain.catalog.contract import Module
from domain.catalog.prices import StaticTablePrice, VersionPricing
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.schemes.rows import PriceRow, row_for_age


def row(module: Module, pricing: VersionPricing, person: Beneficiary, is_free: bool) -> PriceRow | None:
    """Returns the matching row. A free child needs one, too."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, StaticTablePrice):
        return None
    rows = (row for row in pricing.static_table if row.product_type == price.product_type)
    return row_for_age(price.product_type, rows, person.age, is_free)
