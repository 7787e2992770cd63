"""What one beneficiary is charged on one module, and who pays which part of it (`pricing.md`, the computation)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from domain.days import to_day
from domain.membership import MembershipType
from domain.money import Rounding, basis_points, round_ratio
from domain.pricing.costs import BilledEntity, ContributionType
from domain.pricing.prices import (
    CollectionMethod,
    Discount,
    MembershipFee,
    ModulePricing,
    Participation,
    SocialFundRate,
    Tax,
    TaxBase,
)

T = TypeVar("T", MembershipFee, SocialFundRate, Participation)


@dataclass(frozen=True, slots=True)
class Charges:
    """Minor units a month; the discount is 0 or negative."""

    cost: int
    fee: int = 0
    social_fund: int = 0
    discount: int = 0
    taxes: int = 0

    @property
    def net(self) -> int:
        return self.cost + self.fee + self.social_fund + self.discount

    def parts(self) -> Iterator[tuple[ContributionType, int]]:
        """In the order of components."""
        yield ContributionType.COST, self.cost
        yield ContributionType.MEMBERSHIP_FEE, self.fee
        yield ContributionType.SOCIAL_FUND, self.social_fund
        yield ContributionType.DISCOUNT, self.discount
        yield ContributionType.TAXES, self.taxes


@dataclass(frozen=True, slots=True)
class Split:
    """The company's part, the rest, and who is billed the rest, how."""

    company: Charges
    remainder: Charges
    payer: BilledEntity
    collection_method: CollectionMethod


def charged(pricing: ModulePricing, cost: int, kind: MembershipType, on: date, rounding: Rounding) -> Charges:
    """Steps 2 to 5, from the scheme's cost on."""
    fee = _of_type(pricing.membership_fees, kind)
    fund = _of_type(pricing.social_fund_rates, kind)
    untaxed = Charges(
        cost,
        fee.monthly_minor if fee else 0,
        basis_points(cost, fund.rate_bp, rounding) if fund else 0,
        -_discounted(pricing.discounts, cost, kind, on, rounding),
    )
    return _taxed(untaxed, pricing.taxes, kind, rounding)


def split(
    pricing: ModulePricing, whole: Charges, kind: MembershipType, rounding: Rounding, *, has_partner: bool
) -> Split:
    """Step 6. Without a participation the primary pays all, billed directly."""
    participation = _of_type(pricing.participations, kind)
    company = _company_part(participation, whole, rounding)
    company = _taxed(company, pricing.taxes, kind, rounding)
    remainder = Charges(*(part - its for part, its in zip(_values(whole), _values(company), strict=True)))
    if participation is None:
        return Split(company, remainder, BilledEntity.PRIMARY, CollectionMethod.DIRECT_BILLING)
    partner_pays = participation.remainder_payer == MembershipType.PARTNER and has_partner
    payer = BilledEntity.PARTNER if partner_pays else BilledEntity.PRIMARY
    return Split(company, remainder, payer, participation.collection_method)


def _values(charges: Charges) -> tuple[int, ...]:
    return charges.cost, charges.fee, charges.social_fund, charges.discount, charges.taxes


def _of_type(charges: Sequence[T], kind: MembershipType) -> T | None:
    """The one that names a type, else the one for everybody."""
    named = next((charge for charge in charges if kind in charge.beneficiary_types), None)
    return named or next((charge for charge in charges if not charge.beneficiary_types), None)


def _discounted(discounts: Sequence[Discount], cost: int, kind: MembershipType, on: date, rounding: Rounding) -> int:
    """The sum of the active discounts, never more than the cost."""
    taken = 0
    for discount in discounts:
        if (not discount.beneficiary_types or kind in discount.beneficiary_types) and discount.days.holds(to_day(on)):
            if discount.percent_bp is None:
                amount = discount.flat_minor or 0
            else:
                amount = basis_points(cost, discount.percent_bp, rounding)
            taken = min(cost, taken + amount)
    return taken


def _taxed(charges: Charges, taxes: Sequence[Tax], kind: MembershipType, rounding: Rounding) -> Charges:
    """With the taxes on their net."""
    net, total = charges.net, 0
    for tax in taxes:
        if not tax.beneficiary_types or kind in tax.beneficiary_types:
            base = net + total if tax.base == TaxBase.NET_AND_EARLIER_TAXES else net
            total += basis_points(base, tax.rate_bp, rounding)
    return Charges(charges.cost, charges.fee, charges.social_fund, charges.discount, total)


def _company_part(participation: Participation | None, whole: Charges, rounding: Rounding) -> Charges:
    """Without taxes."""
    if participation is None:
        return Charges(0)
    if participation.company_flat_minor is not None:
        return Charges(min(participation.company_flat_minor, whole.cost + whole.discount))
    share = participation.company_share_bp or 0
    cost = basis_points(whole.cost, share, rounding)
    discount = basis_points(whole.discount, share, rounding)
    cap = participation.company_cap_minor
    if cap is not None and cost > cap:
        cost = cap
        discount = round_ratio(whole.discount * cost, whole.cost, rounding)
    return Charges(
        cost, basis_points(whole.fee, share, rounding), basis_points(whole.social_fund, share, rounding), discount
    )
