"""AGE_GRID (BE, FR): the cost depends on beneficiary type and age, and is found in the module's grids."""

from domain.catalog.contract import Module
from domain.catalog.prices import AgeGridPrice, VersionPricing
from domain.members import HealthRegime
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.schemes.rows import PriceRow, row_for_age


def row(module: Module, pricing: VersionPricing, person: Beneficiary, is_free: bool) -> PriceRow | None:
    """Returns the matching row. A free child needs one, too."""
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, AgeGridPrice):
        return None
    if person.regime is HealthRegime.ALSACE_MOSELLE and price.alsace_moselle:
        table, grid = "alsace_moselle", price.alsace_moselle
    else:
        table, grid = "standard", price.standard
    rows = (row for row in grid if person.beneficiary_type in row.beneficiary_types)
    return row_for_age(table, rows, person.age, is_free)
