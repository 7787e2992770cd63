"""AGE_GRID (BE, FR): by beneficiary type and age, from the module's grids."""

from collections.abc import Sequence
from datetime import date

from domain.catalog.contract import Module
from domain.errors import PriceMissing
from domain.members import HealthRegime
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import AgeGridPrice, AgeGridRow, VersionPricing
from domain.pricing.schemes.rows import free_children, row_amount


def costs(module: Module, pricing: VersionPricing, people: Sequence[Beneficiary], on: date) -> list[int]:
    """Free children need a matching row all the same. Raises PriceMissing."""
    free = free_children(people, module.pricing.free_children_from_rank if module.pricing else None)
    amounts = []
    for person in people:
        rows = [row for row in _grid(module, person, on) if person.beneficiary_type in row.beneficiary_types]
        amount = row_amount(rows, person, module.module_id, on)
        amounts.append(0 if person.index in free else amount)
    return amounts


def _grid(module: Module, person: Beneficiary, on: date) -> tuple[AgeGridRow, ...]:
    price = module.pricing.price if module.pricing else None
    if not isinstance(price, AgeGridPrice):
        raise PriceMissing("no grid", person.beneficiary_type, module.module_id, person.age, on)
    if person.regime == HealthRegime.ALSACE_MOSELLE and price.alsace_moselle:
        return price.alsace_moselle
    return price.standard
