"""Computes what people cost on their modules, from a contract version.

`inquiries.py` decides who is priced and with which parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from domain.catalog.contract import ContractVersion
from domain.catalog.prices import EngineParameters
from domain.days import to_day
from domain.errors import ModuleNotInVersion
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary, BeneficiarySpec, beneficiary
from domain.pricing.insurance_cost import PricedModule
from domain.pricing.tariffs import Tariffs, tariffs_of


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


def priced_modules(
    basis: PricingBasis,
    specs: Sequence[BeneficiarySpec],
    people: Sequence[Beneficiary],
    *,
    has_partner: bool | None = None,
) -> list[PricedModule]:
    """Returns the price of everybody on each of their modules, in order of beneficiary and module (in the contract's
    order).

    Pass `has_partner` if `specs` doesn't list everybody on the policy. Raises ModuleNotInVersion, PriceMissing.
    """
    day, tariffs = to_day(basis.on), tariffs_of(basis.version)
    tariff = tariffs.on(day, basis.currency_code, basis.rounding)
    if has_partner is None:
        has_partner = any(spec.beneficiary_type is MembershipType.PARTNER for spec in specs)
    found: list[list[PricedModule]] = [[] for _ in specs]
    for module, indexes in sorted(_by_module(basis, specs, tariffs).items()):
        module_id = tariffs.modules[module].module_id
        situations = tariff.situations(module, [people[i] for i in indexes])
        for i, situation in zip(indexes, situations, strict=True):
            price = tariff.price(module, people[i], situation, day, has_partner=has_partner)
            found[i].append(PricedModule(i, specs[i].enrollment_on(module_id), module_id, price))
    return [each for of_one in found for each in of_one]


def _by_module(basis: PricingBasis, specs: Sequence[BeneficiarySpec], tariffs: Tariffs) -> dict[int, list[int]]:
    """Returns the indexes of the people on each module, by the index of the module, in spec order."""
    found: dict[int, list[int]] = {}
    for i, spec in enumerate(specs):
        for module_id in spec.module_ids:
            module = tariffs.numbers.get(module_id)
            if module is None:
                raise ModuleNotInVersion(module_id, basis.on)
            indexes = found.setdefault(module, [])
            if not indexes or indexes[-1] != i:  # a spec can name a module twice
                indexes.append(i)
    return found
