"""Costs: components, each an amount a month that somebody is billed, and what they add up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
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


class MonthlyAmount(NamedTuple):
    """What one payer is billed for one thing a month, in minor units; equal ones are the same price.

    `collection_method` is None for what the company is billed.
    """

    contribution_type: ContributionType
    billed_entity: BilledEntity
    collection_method: CollectionMethod | None
    beneficiary_type: MembershipType
    service_type: ServiceType
    module_id: UUID
    currency_code: str
    monthly_minor: int


class Component(NamedTuple):
    """An amount a month for somebody. `beneficiary_index` is the place in spec order; `enrollment_id` where the person
    is enrolled."""

    beneficiary_index: int
    enrollment_id: UUID | None
    amount: MonthlyAmount


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
    for _, _, amount in components:
        if amount.contribution_type is ContributionType.TAXES:
            taxes += amount.monthly_minor
        else:
            untaxed += amount.monthly_minor
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
    return PayerTotals(
        *(amounts_of(c for c in components if c.amount.billed_entity is entity) for entity in BilledEntity)
    )


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
        modules = dict.fromkeys(c.amount.module_id for c in self.components)
        return {module: amounts_of(c for c in self.components if c.amount.module_id == module) for module in modules}


def insurance_cost(components: Iterable[Component]) -> InsuranceCost:
    """Joins components to one cost. Raises ComponentsMalformed for none, for several currencies, and for one that a
    person is billed without a collection method."""
    joined = tuple(components)
    currencies = {component.amount.currency_code for component in joined}
    if len(currencies) != 1:
        raise ComponentsMalformed(f"{len(joined)} components in {len(currencies)} currencies")
    for _, _, amount in joined:
        if amount.billed_entity != BilledEntity.COMPANY and amount.collection_method is None:
            raise ComponentsMalformed(f"{amount.billed_entity} is billed without a collection method")
    return InsuranceCost(joined, currencies.pop(), payer_totals(joined))
