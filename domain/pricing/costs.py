"""Costs: monthly charges and their sums, by payer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import ServiceType
from domain.catalog.prices import CollectionMethod
from domain.membership import MembershipType


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


class Sums(NamedTuple):
    """What each payer is billed, in minor units, as plain numbers: sums of many prices are added up in them."""

    company_untaxed: int
    company_taxes: int
    primary_untaxed: int
    primary_taxes: int
    partner_untaxed: int
    partner_taxes: int

    @property
    def taxed_minor(self) -> int:
        """The sum for all payers."""
        return sum(self)

    @property
    def by_payer(self) -> PayerTotals:
        return PayerTotals(
            Amounts(self.company_untaxed, self.company_taxes),
            Amounts(self.primary_untaxed, self.primary_taxes),
            Amounts(self.partner_untaxed, self.partner_taxes),
        )


NOTHING = Sums(0, 0, 0, 0, 0, 0)


def sums_of(charges: Iterable[Charge]) -> Sums:
    """Returns the sums of charges."""
    sums = dict.fromkeys(((entity, taxes) for entity in BilledEntity for taxes in (False, True)), 0)
    for charge in charges:
        sums[charge.billed_entity, charge.contribution_type is ContributionType.TAXES] += charge.monthly_minor
    return Sums(*sums.values())


def total(sums: Sequence[Sums]) -> Sums:
    """Returns the total of sums."""
    return Sums(*map(sum, zip(*sums, strict=True))) if sums else NOTHING
