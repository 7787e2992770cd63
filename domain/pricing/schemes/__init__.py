"""Schemes: how the cost of each beneficiary on a module is determined. Each scheme is one file with two functions.

`situations` receives everyone on a module in spec order. It returns, in the same order, the family situation of each:
how the others affect the cost, such as whether a child is free, or the tier of the family. It must not depend on ages.

`row` returns the price row of one person. It may depend only on type, age, regime and situation, so that people who
are equal in these share one price. It returns None if no row matches.

A new scheme needs a file here, a line in `SCHEMES`, and its data in `domain/catalog/prices.py`.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.catalog.contract import Module
from domain.catalog.prices import Scheme, VersionPricing
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.schemes import age_grid, family_tier, static_table
from domain.pricing.schemes.rows import PriceRow, are_free


@dataclass(frozen=True, slots=True)
class SchemeFunctions:
    situations: Callable[[Module, Sequence[Beneficiary]], Sequence[Hashable]]
    row: Callable[[Module, VersionPricing, Beneficiary, Any], PriceRow | None]


SCHEMES: dict[Scheme, SchemeFunctions] = {
    Scheme.AGE_GRID: SchemeFunctions(are_free, age_grid.row),
    Scheme.STATIC_TABLE: SchemeFunctions(are_free, static_table.row),
    Scheme.FAMILY_TIER: SchemeFunctions(family_tier.situations, family_tier.row),
}
