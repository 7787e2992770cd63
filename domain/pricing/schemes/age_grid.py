"""AGE_GRID (BE, FR): by beneficiary type and age, from the module's grids."""

from domain.catalog.contract import Module
from domain.members import HealthRegime
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import AgeGridPrice, VersionPricing
from domain.pricing.schemes.rows import PriceRow, row_for_age


def row(module: Module, pricing: VersionPricing, person: Beneficiary, is_free: bool) -> PriceRow | None:
    """Free children need a matching row all the same."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, AgeGridPrice):
        return None
    if person.regime is HealthRegime.ALSACE_MOSELLE and price.alsace_moselle:
        table, grid = "alsace_moselle", price.alsace_moselle
    else:
        table, grid = "standard", price.standard
    rows = (row for row in grid if person.beneficiary_type in row.beneficiary_types)
    return row_for_age(table, rows, person.age, is_free)
