"""Schemes: how beneficiaries on a module get their cost. One file each, behind one function.

A scheme is told the module, the version's pricing, and everyone on the module in spec order; it answers with the
monthly cost of each, in the same order. Another scheme is another file here, a line in `SCHEMES`, and its data in
`prices.py`.
"""

from collections.abc import Callable, Sequence
from datetime import date

from domain.catalog.contract import Module
from domain.errors import PriceMissing
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.prices import Scheme, VersionPricing
from domain.pricing.schemes import age_grid, family_tier, static_table

CostsOf = Callable[[Module, VersionPricing, Sequence[Beneficiary], date], list[int]]

SCHEMES: dict[Scheme, CostsOf] = {
    Scheme.AGE_GRID: age_grid.costs,
    Scheme.STATIC_TABLE: static_table.costs,
    Scheme.FAMILY_TIER: family_tier.costs,
}


def scheme_costs(module: Module, pricing: VersionPricing | None, people: Sequence[Beneficiary], on: date) -> list[int]:
    """The cost C of everyone on a module, in their order. Raises PriceMissing."""
    if pricing is None or module.pricing is None:
        first = people[0]
        raise PriceMissing("no pricing data", first.beneficiary_type, module.module_id, first.age, on)
    return SCHEMES[pricing.scheme](module, pricing, people, on)
