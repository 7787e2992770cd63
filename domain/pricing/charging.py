"""Computes what one beneficiary costs on one module, and who pays which part of it.

Every rate, flat amount and cap that is applied is recorded as a step, so that each amount can be explained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

from domain.catalog.prices import (
    CollectionMethod,
    Discount,
    MembershipFee,
    ModulePricing,
    Participation,
    SocialFundRate,
    Tax,
    TaxBase,
)
from domain.days import Day
from domain.membership import MembershipType
from domain.money import Rounding, basis_points, round_ratio
from domain.pricing.costs import BilledEntity, ContributionType

T = TypeVar("T", MembershipFee, SocialFundRate, Participation)


class StepKind(StrEnum):
    """What a step computes: a part of the whole price, or of the company's share."""

    MEMBERSHIP_FEE = "MEMBERSHIP_FEE"
    SOCIAL_FUND = "SOCIAL_FUND"
    DISCOUNT = "DISCOUNT"
    TAX = "TAX"
    COMPANY_SHARE = "COMPANY_SHARE"
    COMPANY_CAP = "COMPANY_CAP"
    COMPANY_FLAT = "COMPANY_FLAT"
    COMPANY_TAX = "COMPANY_TAX"


class Step(NamedTuple):
    """`minor` is `rate_bp` ten-thousandths of `of_minor`, rounded. Both are None if the amount is given as it is.

    `code` is the discount or the tax, or the contribution of which a share is taken. For a cap, `of_minor` is the
    amount before the cap.
    """

    kind: StepKind
    code: str
    of_minor: int | None
    rate_bp: int | None
    minor: int


Steps = list[Step]


@dataclass(frozen=True, slots=True)
class Contributions:
    """The parts of a monthly price in minor units. The discount is 0 or negative."""

    cost: int
    fee: int = 0
    social_fund: int = 0
    discount: int = 0
    taxes: int = 0

    @property
    def net(self) -> int:
        return self.cost + self.fee + self.social_fund + self.discount

    def parts(self) -> Iterator[tuple[ContributionType, int]]:
        """Yields the parts in the order of components."""
        yield ContributionType.COST, self.cost
        yield ContributionType.MEMBERSHIP_FEE, self.fee
        yield ContributionType.SOCIAL_FUND, self.social_fund
        yield ContributionType.DISCOUNT, self.discount
        yield ContributionType.TAXES, self.taxes


@dataclass(frozen=True, slots=True)
class Split:
    """The company's share, the remainder, and who is billed the remainder, and how."""

    company: Contributions
    remainder: Contributions
    payer: BilledEntity
    collection_method: CollectionMethod


def contributions_of(
    pricing: ModulePricing, cost: int, kind: MembershipType, on: Day, rounding: Rounding, steps: Steps
) -> Contributions:
    """Returns the parts of a price: the scheme's cost, fee, social fund and discounts, with taxes."""
    fee = _of_type(pricing.membership_fees, kind)
    if fee:
        steps.append(Step(StepKind.MEMBERSHIP_FEE, "", None, None, fee.monthly_minor))
    fund = _of_type(pricing.social_fund_rates, kind)
    social_fund = 0
    if fund:
        social_fund = basis_points(cost, fund.rate_bp, rounding)
        steps.append(Step(StepKind.SOCIAL_FUND, "", cost, fund.rate_bp, social_fund))
    discount = -_discounted(pricing.discounts, cost, kind, on, rounding, steps)
    untaxed = Contributions(cost, fee.monthly_minor if fee else 0, social_fund, discount)
    return _taxed(untaxed, pricing.taxes, kind, rounding, StepKind.TAX, steps)


def split(
    pricing: ModulePricing,
    whole: Contributions,
    kind: MembershipType,
    rounding: Rounding,
    steps: Steps,
    *,
    has_partner: bool,
) -> Split:
    """Splits a price between its payers. Without a participation, the primary is billed directly for everything."""
    participation = _of_type(pricing.participations, kind)
    if participation is None:
        return Split(Contributions(0), whole, BilledEntity.PRIMARY, CollectionMethod.DIRECT_BILLING)
    company = _company_part(participation, whole, rounding, steps)
    company = _taxed(company, pricing.taxes, kind, rounding, StepKind.COMPANY_TAX, steps)
    remainder = Contributions(*(part - share for part, share in zip(_values(whole), _values(company), strict=True)))
    partner_pays = participation.remainder_payer == MembershipType.PARTNER and has_partner
    payer = BilledEntity.PARTNER if partner_pays else BilledEntity.PRIMARY
    return Split(company, remainder, payer, participation.collection_method)


def _values(parts: Contributions) -> tuple[int, ...]:
    return parts.cost, parts.fee, parts.social_fund, parts.discount, parts.taxes


def _of_type(items: Sequence[T], kind: MembershipType) -> T | None:
    """Returns the item that names a beneficiary type, or else the one that names none and applies to all others."""
    named = next((item for item in items if kind in item.beneficiary_types), None)
    return named or next((item for item in items if not item.beneficiary_types), None)


def _discounted(
    discounts: Sequence[Discount], cost: int, kind: MembershipType, on: Day, rounding: Rounding, steps: Steps
) -> int:
    """Returns the sum of the active discounts, at most the cost."""
    taken = 0
    for discount in discounts:
        if (not discount.beneficiary_types or kind in discount.beneficiary_types) and discount.days.holds(on):
            if discount.percent_bp is None:
                amount = discount.flat_minor or 0
            else:
                amount = basis_points(cost, discount.percent_bp, rounding)
            before, taken = taken, min(cost, taken + amount)
            of_minor = None if discount.percent_bp is None else cost
            steps.append(Step(StepKind.DISCOUNT, discount.discount_id, of_minor, discount.percent_bp, before - taken))
    return taken


def _taxed(
    untaxed: Contributions,
    taxes: Sequence[Tax],
    kind: MembershipType,
    rounding: Rounding,
    step: StepKind,
    steps: Steps,
) -> Contributions:
    """Returns the contributions with the taxes on their net amount."""
    net, total = untaxed.net, 0
    for tax in taxes:
        if not tax.beneficiary_types or kind in tax.beneficiary_types:
            base = net + total if tax.base == TaxBase.NET_AND_EARLIER_TAXES else net
            amount = basis_points(base, tax.rate_bp, rounding)
            total += amount
            steps.append(Step(step, tax.code, base, tax.rate_bp, amount))
    return Contributions(untaxed.cost, untaxed.fee, untaxed.social_fund, untaxed.discount, total)


def _company_part(
    participation: Participation, whole: Contributions, rounding: Rounding, steps: Steps
) -> Contributions:
    """Returns the company's share without taxes."""
    if participation.company_flat_minor is not None:
        flat = min(participation.company_flat_minor, whole.cost + whole.discount)
        steps.append(Step(StepKind.COMPANY_FLAT, ContributionType.COST.value, None, None, flat))
        return Contributions(flat)
    share = participation.company_share_bp or 0

    def part(contribution: ContributionType, amount: int) -> int:
        minor = basis_points(amount, share, rounding)
        if amount:
            steps.append(Step(StepKind.COMPANY_SHARE, contribution.value, amount, share, minor))
        return minor

    cost = part(ContributionType.COST, whole.cost)
    fee = part(ContributionType.MEMBERSHIP_FEE, whole.fee)
    fund = part(ContributionType.SOCIAL_FUND, whole.social_fund)
    discount = part(ContributionType.DISCOUNT, whole.discount)
    cap = participation.company_cap_minor
    if cap is not None and cost > cap:
        steps.append(Step(StepKind.COMPANY_CAP, ContributionType.COST.value, cost, None, cap))
        cost = cap
        cut = round_ratio(whole.discount * cost, whole.cost, rounding)
        steps.append(Step(StepKind.COMPANY_CAP, ContributionType.DISCOUNT.value, discount, None, cut))
        discount = cut
    return Contributions(cost, fee, fund, discount)
