"""The price of a month on a day: people, the modules they are on, and a contract version become components.

Who is priced, and by which parameters, is decided in `inquiries.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import ContractVersion
from domain.days import to_day
from domain.errors import ModuleNotInVersion
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary, BeneficiarySpec, beneficiary
from domain.pricing.costs import Component
from domain.pricing.prices import EngineParameters
from domain.pricing.tariffs import tariff_on


@dataclass(frozen=True, slots=True)
class PricingBasis:
    """What everybody is priced by on one day."""

    version: ContractVersion
    currency_code: str
    on: date
    ages: EngineParameters
    rounding: Rounding


def beneficiaries(basis: PricingBasis, specs: Sequence[BeneficiarySpec]) -> tuple[Beneficiary, ...]:
    """Specs as they are priced, in the order given."""
    return tuple(beneficiary(spec, i, basis.on, basis.ages) for i, spec in enumerate(specs))


def components(basis: PricingBasis, specs: Sequence[BeneficiarySpec], people: Sequence[Beneficiary]) -> list[Component]:
    """In order of beneficiary, module (as the contract lists them), contribution and payer; every beneficiary has at
    least one on each module. Raises ModuleNotInVersion, PriceMissing."""
    day = to_day(basis.on)
    tariff = tariff_on(basis.version, basis.currency_code, day, basis.rounding)
    has_partner = any(spec.beneficiary_type == MembershipType.PARTNER for spec in specs)
    found: list[list[Component]] = [[] for _ in specs]
    for module, on_it in sorted(_by_module(basis, specs).items()):
        module_id = basis.version.modules[module].module_id
        for i, place in zip(on_it, tariff.places(module, [people[i] for i in on_it]), strict=True):
            price = tariff.price(module, people[i], place, day, has_partner=has_partner)
            enrollment_id = specs[i].enrollment_on(module_id)
            found[i] += [Component(i, enrollment_id, amount) for amount in price.amounts]
    return [component for its in found for component in its]


def _by_module(basis: PricingBasis, specs: Sequence[BeneficiarySpec]) -> dict[int, list[int]]:
    """Who is on each module, both by place, in spec order."""
    places: dict[UUID, int] = {module.module_id: i for i, module in enumerate(basis.version.modules)}
    found: dict[int, list[int]] = {}
    for i, spec in enumerate(specs):
        for module_id in dict.fromkeys(spec.module_ids):
            if module_id not in places:
                raise ModuleNotInVersion(module_id, basis.on)
            found.setdefault(places[module_id], []).append(i)
    return found
