"""Schemes: how beneficiaries on a module get their cost. One file each, behind two functions.

`places` is told everyone on a module in spec order, and says of each, in the same order, what the others make of the
cost: whether the child is free, which tier the family is. It must not look at ages. `row` says where somebody's cost
stands, by beneficiary type, age and regime, and by that place; None: nowhere. So whoever is equal in these has an equal
cost, which is looked up once. Another scheme is another file here, a line in `SCHEMES`, and its data in `prices.py`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.catalog.contract import Module
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import Scheme, VersionPricing
from domain.pricing.schemes import age_grid, family_tier, static_table
from domain.pricing.schemes.rows import PriceRow, are_free


@dataclass(frozen=True, slots=True)
class SchemeFunctions:
    places: Callable[[Module, Sequence[Beneficiary]], Sequence[Hashable]]
    row: Callable[[Module, VersionPricing, Beneficiary, Any], PriceRow | None]


SCHEMES: dict[Scheme, SchemeFunctions] = {
    Scheme.AGE_GRID: SchemeFunctions(are_free, age_grid.row),
    Scheme.STATIC_TABLE: SchemeFunctions(are_free, static_table.row),
    Scheme.FAMILY_TIER: SchemeFunctions(family_tier.places, family_tier.row),
}
