"""The price of a month on a day: people, the modules they are on, and a contract version become components.

Who is priced, and by which parameters, is decided in `inquiries.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import ContractVersion, Module
from domain.errors import ModuleNotInVersion
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary, BeneficiarySpec, beneficiary
from domain.pricing.charging import Split, charged, split
from domain.pricing.costs import BilledEntity, Component, ContributionType
from domain.pricing.prices import CollectionMethod, EngineParameters
from domain.pricing.schemes import scheme_costs


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
    _refuse_unlisted(basis, specs)
    has_partner = any(spec.beneficiary_type == MembershipType.PARTNER for spec in specs)
    found: list[tuple[int, int, list[Component]]] = []
    for place, module in enumerate(basis.version.modules):
        on_it = [person for person in people if module.module_id in specs[person.index].module_ids]
        if not on_it:
            continue
        costs = scheme_costs(module, basis.version.pricing, on_it, basis.on)
        for person, cost in zip(on_it, costs, strict=True):
            its = list(_components_of(basis, module, person, cost, specs[person.index], has_partner))
            found.append((person.index, place, its))
    found.sort(key=lambda entry: entry[:2])
    return [component for _, _, its in found for component in its]


def _refuse_unlisted(basis: PricingBasis, specs: Sequence[BeneficiarySpec]) -> None:
    listed: set[UUID] = {module.module_id for module in basis.version.modules}
    for spec in specs:
        for module_id in spec.module_ids:
            if module_id not in listed:
                raise ModuleNotInVersion(module_id, basis.on)


def _components_of(
    basis: PricingBasis, module: Module, person: Beneficiary, cost: int, spec: BeneficiarySpec, has_partner: bool
) -> Iterator[Component]:
    """One for each amount that is not 0; a single one of 0 where all are, so that nobody vanishes."""
    assert module.pricing is not None  # noqa: S101 (the scheme has priced it)
    whole = charged(module.pricing, cost, person.beneficiary_type, basis.on, basis.rounding)
    parts = split(module.pricing, whole, person.beneficiary_type, basis.rounding, has_partner=has_partner)
    billed = [entry for entry in _billed(parts) if entry[3]]
    for contribution, entity, collection, amount in billed or [
        (ContributionType.COST, parts.payer, parts.collection_method, 0)
    ]:
        yield Component(
            person.index,
            person.beneficiary_type,
            module.module_id,
            module.service_type,
            contribution,
            entity,
            collection,
            spec.enrollment_on(module.module_id),
            basis.currency_code,
            amount,
        )


def _billed(parts: Split) -> Iterator[tuple[ContributionType, BilledEntity, CollectionMethod | None, int]]:
    for (contribution, company), (_, remainder) in zip(parts.company.parts(), parts.remainder.parts(), strict=True):
        yield contribution, BilledEntity.COMPANY, None, company
        yield contribution, parts.payer, parts.collection_method, remainder
