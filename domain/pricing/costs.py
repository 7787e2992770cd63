"""Costs: monthly charges, the components of a cost, and their totals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import ServiceType
from domain.catalog.prices import CollectionMethod
from domain.errors import AmountTooLarge
from domain.membership import MembershipType
from domain.money import MAX_MINOR


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


class Charge(NamedTuple):
    """The monthly amount that one payer is billed for one contribution, in minor units.

    `collection_method` is None if the company is billed.
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
    """A charge for one beneficiary. `beneficiary_index` is the index in spec order; `enrollment_id` is None if the
    person isn't enrolled."""

    beneficiary_index: int
    enrollment_id: UUID | None
    charge: Charge


@dataclass(frozen=True, slots=True)
class Amounts:
    """Monthly amounts in minor units."""

    untaxed_minor: int = 0
    taxes_minor: int = 0

    @property
    def taxed_minor(self) -> int:
        return self.untaxed_minor + self.taxes_minor

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.untaxed_minor + other.untaxed_minor, self.taxes_minor + other.taxes_minor)

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(self.untaxed_minor - other.untaxed_minor, self.taxes_minor - other.taxes_minor)


def amounts_of(components: Iterable[Component]) -> Amounts:
    """Returns the sum of components."""
    untaxed = taxes = 0
    for _, _, charge in components:
        if charge.contribution_type is ContributionType.TAXES:
            taxes += charge.monthly_minor
        else:
            untaxed += charge.monthly_minor
    return Amounts(untaxed, taxes)


@dataclass(frozen=True, slots=True)
class PayerTotals:
    """What each payer is billed, and the overall total."""

    company: Amounts = Amounts()
    primary: Amounts = Amounts()
    partner: Amounts = Amounts()

    @property
    def overall(self) -> Amounts:
        return Amounts(
            self.company.untaxed_minor + self.primary.untaxed_minor + self.partner.untaxed_minor,
            self.company.taxes_minor + self.primary.taxes_minor + self.partner.taxes_minor,
        )

    def __add__(self, other: "PayerTotals") -> "PayerTotals":
        return PayerTotals(self.company + other.company, self.primary + other.primary, self.partner + other.partner)

    def __sub__(self, other: "PayerTotals") -> "PayerTotals":
        return PayerTotals(self.company - other.company, self.primary - other.primary, self.partner - other.partner)


def payer_totals(components: Sequence[Component]) -> PayerTotals:
    """Returns the sum of components for each billed entity."""
    return PayerTotals(
        *(amounts_of(c for c in components if c.charge.billed_entity is entity) for entity in BilledEntity)
    )


class ComponentsMalformed(ValueError):
    """Components that can't be combined to one cost."""


@dataclass(frozen=True, slots=True)
class InsuranceCost:
    """A monthly cost. Components are in order of beneficiary, module, contribution and payer."""

    components: tuple[Component, ...]
    currency_code: str
    totals: PayerTotals

    def by_beneficiary(self) -> dict[int, Amounts]:
        """Returns the sums by index in spec order, in that order."""
        indexes = sorted({c.beneficiary_index for c in self.components})
        return {i: amounts_of(c for c in self.components if c.beneficiary_index == i) for i in indexes}

    def by_module(self) -> dict[UUID, Amounts]:
        """Returns the sums by module, in the order in which modules first appear."""
        modules = dict.fromkeys(c.charge.module_id for c in self.components)
        return {module: amounts_of(c for c in self.components if c.charge.module_id == module) for module in modules}


def insurance_cost(components: Iterable[Component]) -> InsuranceCost:
    """Combines components to one cost.

    Raises ComponentsMalformed if there are none, if they have several currencies, or if a person is billed without a
    collection method. Raises AmountTooLarge if a total exceeds what a response can hold.
    """
    joined = tuple(components)
    currencies = {component.charge.currency_code for component in joined}
    if len(currencies) != 1:
        raise ComponentsMalformed(f"{len(joined)} components in {len(currencies)} currencies")
    for _, _, charge in joined:
        if charge.billed_entity != BilledEntity.COMPANY and charge.collection_method is None:
            raise ComponentsMalformed(f"{charge.billed_entity} is billed without a collection method")
    totals = payer_totals(joined)
    # Each payer's part, and each difference between two totals, is less than twice the overall total.
    if totals.overall.taxed_minor > MAX_MINOR // 2:
        raise AmountTooLarge("The total monthly cost", MAX_MINOR // 2)
    return InsuranceCost(joined, currencies.pop(), totals)
