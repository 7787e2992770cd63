"""Costs: components, each an amount a month that somebody is billed, and what they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.catalog.contract import ServiceType
from domain.membership import MembershipType
from domain.pricing.prices import CollectionMethod


class ContributionType(StrEnum):
    COST = "COST"
    MEMBERSHIP_FEE = "MEMBERSHIP_FEE"
    SOCIAL_FUND = "SOCIAL_FUND"
    DISCOUNT = "DISCOUNT"
    TAXES = "TAXES"


class BilledEntity(StrEnum):
    COMPANY = "COMPANY"
    PRIMARY = "PRIMARY"
    PARTNER = "PARTNER"


@dataclass(frozen=True, slots=True)
class Component:
    """An amount a month, in minor units. `beneficiary_index` is the place in spec order.

    `collection_method` is None for what the company is billed; `enrollment_id` where the person is enrolled.
    """

    beneficiary_index: int
    beneficiary_type: MembershipType
    module_id: UUID
    service_type: ServiceType
    contribution_type: ContributionType
    billed_entity: BilledEntity
    collection_method: CollectionMethod | None
    enrollment_id: UUID | None
    currency_code: str
    monthly_minor: int


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units a month."""

    untaxed_minor: int = 0
    taxes_minor: int = 0

    @property
    def taxed_minor(self) -> int:
        return self.untaxed_minor + self.taxes_minor

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.untaxed_minor - other.untaxed_minor, self.taxes_minor - other.taxes_minor)


def amounts_of(components: Iterable[Component]) -> Amounts:
    """What components add up to."""
    untaxed = taxes = 0
    for component in components:
        if component.contribution_type is ContributionType.TAXES:
            taxes += component.monthly_minor
        else:
            untaxed += component.monthly_minor
    return Amounts(untaxed, taxes)


@dataclass(frozen=True, slots=True)
class PayerTotals:
    """What each payer is billed, and all together."""

    company: Amounts = Amounts()
    primary: Amounts = Amounts()
    partner: Amounts = Amounts()

    @property
    def overall(self) -> Amounts:
        return Amounts(
            self.company.untaxed_minor + self.primary.untaxed_minor + self.partner.untaxed_minor,
            self.company.taxes_minor + self.primary.taxes_minor + self.partner.taxes_minor,
        )

    def __sub__(self, other: "PayerTotals") -> "PayerTotals":
        return PayerTotals(self.company - other.company, self.primary - other.primary, self.partner - other.partner)


def payer_totals(components: Sequence[Component]) -> PayerTotals:
    """Components by whom they are billed to."""
    return PayerTotals(*(amounts_of(c for c in components if c.billed_entity == entity) for entity in BilledEntity))


class ComponentsMalformed(ValueError):
    """Components that cannot be one cost."""


@dataclass(frozen=True, slots=True)
class InsuranceCost:
    """What a month costs. Components are in order of beneficiary, module, contribution and payer."""

    components: tuple[Component, ...]
    currency_code: str
    totals: PayerTotals

    def by_beneficiary(self) -> dict[int, Amounts]:
        """By place in spec order, in that order."""
        indexes = sorted({c.beneficiary_index for c in self.components})
        return {i: amounts_of(c for c in self.components if c.beneficiary_index == i) for i in indexes}

    def by_module(self) -> dict[UUID, Amounts]:
        """In the order in which modules first appear."""
        modules = dict.fromkeys(c.module_id for c in self.components)
        return {module: amounts_of(c for c in self.components if c.module_id == module) for module in modules}


def insurance_cost(components: Iterable[Component]) -> InsuranceCost:
    """Joins components to one cost. Raises ComponentsMalformed for none, for several currencies, and for one that a
    person is billed without a collection method."""
    joined = tuple(components)
    currencies = {component.currency_code for component in joined}
    if len(currencies) != 1:
        raise ComponentsMalformed(f"{len(joined)} components in {len(currencies)} currencies")
    for component in joined:
        if component.billed_entity != BilledEntity.COMPANY and component.collection_method is None:
            raise ComponentsMalformed(f"{component.billed_entity} is billed without a collection method")
    return InsuranceCost(joined, currencies.pop(), payer_totals(joined))
