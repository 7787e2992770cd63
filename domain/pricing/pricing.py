"""Computes the components of a monthly cost from people, their modules, and a contract version.

`inquiries.py` decides who is priced and with which parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import ContractVersion
from domain.catalog.prices import EngineParameters
from domain.days import to_day
from domain.errors import ModuleNotInVersion
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary, BeneficiarySpec, beneficiary
from domain.pricing.costs import Component
from domain.pricing.tariffs import tariffs_of


@dataclass(frozen=True, slots=True)
class PricingBasis:
    """What everybody's price on one day is based on."""

    version: ContractVersion
    currency_code: str
    on: date
    ages: EngineParameters
    rounding: Rounding


def beneficiaries(basis: PricingBasis, specs: Sequence[BeneficiarySpec]) -> tuple[Beneficiary, ...]:
    """Returns the specs with their priced ages, in the same order."""
    return tuple(beneficiary(spec, i, basis.on, basis.ages) for i, spec in enumerate(specs))


def components(
    basis: PricingBasis,
    specs: Sequence[BeneficiarySpec],
    people: Sequence[Beneficiary],
    *,
    has_partner: bool | None = None,
) -> list[Component]:
    """Returns components in order of beneficiary, module (in the contract's order), contribution and payer.

    Every beneficiary has at least one component on each module. Pass `has_partner` if `specs` doesn't list everybody
    on the policy. Raises ModuleNotInVersion, PriceMissing.
    """
    day = to_day(basis.on)
    tariff = tariffs_of(basis.version).on(day, basis.currency_code, basis.rounding)
    if has_partner is None:
        has_partner = any(spec.beneficiary_type == MembershipType.PARTNER for spec in specs)
    found: list[list[Component]] = [[] for _ in specs]
    for module, indexes in sorted(_by_module(basis, specs).items()):
        module_id = basis.version.modules[module].module_id
        situations = tariff.situations(module, [people[i] for i in indexes])
        for i, situation in zip(indexes, situations, strict=True):
            price = tariff.price(module, people[i], situation, day, has_partner=has_partner)
            enrollment_id = specs[i].enrollment_on(module_id)
            found[i] += [Component(i, enrollment_id, charge) for charge in price.charges]
    return [component for of_one in found for component in of_one]


def _by_module(basis: PricingBasis, specs: Sequence[BeneficiarySpec]) -> dict[int, list[int]]:
    """Returns the indexes of the people on each module, by the index of the module, in spec order."""
    modules: dict[UUID, int] = {module.module_id: i for i, module in enumerate(basis.version.modules)}
    found: dict[int, list[int]] = {}
    for i, spec in enumerate(specs):
        for module_id in dict.fromkeys(spec.module_ids):
            if module_id not in modules:
                raise ModuleNotInVersion(module_id, basis.on)
            found.setdefault(modules[module_id], []).append(i)
    return found
