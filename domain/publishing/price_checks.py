"""Checks pricing data when a contract is published, not when a price is needed.

Paths are those of `affilia.catalog.v1.ModulePricing` and `VersionPricing`. `age_row_checks.py` checks rows by age,
`amount_checks.py` what amounts can grow to. Missing SINGLE and FAMILY prices, and a discount's last day before its
first, are rejected before mapping (`server/checking.py`): these values can't express them.
"""

from collections.abc import Iterator, Sequence

from domain.catalog.prices import (
    AgeGridPrice,
    Discount,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    Scheme,
    SocialFundRate,
    StaticTablePrice,
    Tax,
    VersionPricing,
)
from domain.days import UNBOUNDED_START
from domain.errors import FieldViolation
from domain.membership import MembershipType
from domain.publishing.age_row_checks import grid_violations, table_violations
from domain.publishing.amount_checks import amount_violations

WHOLE_BP = 10_000
Charge = MembershipFee | SocialFundRate | Participation

SCHEME_OF: dict[type[ModulePrice], Scheme] = {
    AgeGridPrice: Scheme.AGE_GRID,
    StaticTablePrice: Scheme.STATIC_TABLE,
    FamilyTierPrice: Scheme.FAMILY_TIER,
}


def version_pricing_violations(pricing: VersionPricing, path: str) -> Iterator[FieldViolation]:
    """Yields what is wrong with a version's own prices: its table."""
    yield from table_violations(pricing.static_table, f"{path}.static_table.rows")


def module_pricing_violations(
    pricing: ModulePricing, version: VersionPricing | None, path: str
) -> Iterator[FieldViolation]:
    """Yields what is wrong with a module's prices and charges, given its version's scheme.

    Discounts can share an id, and taxes a code. These are only names for reports: everything that matches applies, in
    order.
    """
    if version is None:
        yield FieldViolation(path, "can't be set because the version has no pricing")
    elif pricing.price is not None:
        yield from _price(pricing.price, version, path)
    yield from _free_children(pricing.free_children_from_rank, version, path)
    yield from _charges(pricing, path)
    for i, discount in enumerate(pricing.discounts):
        yield from _discount(discount, f"{path}.discounts[{i}]")
    for i, tax in enumerate(pricing.taxes):
        yield from _tax(tax, f"{path}.taxes[{i}]")
    if version:
        yield from amount_violations(pricing, version, path)


def _price(price: ModulePrice, version: VersionPricing, path: str) -> Iterator[FieldViolation]:
    scheme = SCHEME_OF[type(price)]
    if scheme != version.scheme:
        yield FieldViolation(f"{path}.{scheme.lower()}", f"doesn't match the version's scheme {version.scheme}")
        return
    match price:
        case AgeGridPrice(standard, alsace_moselle):
            yield from grid_violations(standard, f"{path}.age_grid.standard")
            yield from grid_violations(alsace_moselle, f"{path}.age_grid.alsace_moselle")
            if alsace_moselle and not standard:
                yield FieldViolation(f"{path}.age_grid.standard", "is required if the Alsace-Moselle grid is set")
        case StaticTablePrice(product_type):
            if all(row.product_type != product_type for row in version.static_table):
                yield FieldViolation(
                    f"{path}.static_table.product_type",
                    f"must be a product type of the version's table, got {product_type}",
                )
        case FamilyTierPrice(single, family, couple, single_with_children):
            yield from _amount(single, f"{path}.family_tier.single_minor")
            yield from _amount(family, f"{path}.family_tier.family_minor")
            yield from _amount(couple, f"{path}.family_tier.couple_minor")
            yield from _amount(single_with_children, f"{path}.family_tier.single_with_children_minor")


def _free_children(rank: int | None, version: VersionPricing | None, path: str) -> Iterator[FieldViolation]:
    if rank is None:
        return
    if rank < 1:
        yield FieldViolation(f"{path}.free_children_from_rank", f"must be at least 1, got {rank}")
    if version and version.scheme == Scheme.FAMILY_TIER:
        yield FieldViolation(f"{path}.free_children_from_rank", "can't be combined with the scheme FAMILY_TIER")


def _charges(pricing: ModulePricing, path: str) -> Iterator[FieldViolation]:
    yield from _one_each(pricing.membership_fees, f"{path}.membership_fees")
    yield from _one_each(pricing.social_fund_rates, f"{path}.social_fund_rates")
    yield from _one_each(pricing.participations, f"{path}.participations")
    for i, fee in enumerate(pricing.membership_fees):
        yield from _amount(fee.monthly_minor, f"{path}.membership_fees[{i}].monthly_minor")
    for i, rate in enumerate(pricing.social_fund_rates):
        yield from _rate(rate.rate_bp, f"{path}.social_fund_rates[{i}].rate_bp")
    for i, participation in enumerate(pricing.participations):
        yield from _participation(participation, f"{path}.participations[{i}]")


def _one_each(charges: Sequence[Charge], path: str) -> Iterator[FieldViolation]:
    """Yields types named by more than one item, and items beyond the first that apply to everyone else."""
    seen: set[MembershipType | None] = set()
    for i, charge in enumerate(charges):
        yield from _repeated_types(charge.beneficiary_types, f"{path}[{i}].beneficiary_types")
        kinds: list[MembershipType | None] = [*dict.fromkeys(charge.beneficiary_types)] or [None]
        if again := [str(kind or "everyone else") for kind in kinds if kind in seen]:
            yield FieldViolation(f"{path}[{i}]", f"is a second item for {', '.join(again)}; only one is allowed")
        seen.update(kinds)


def _participation(participation: Participation, path: str) -> Iterator[FieldViolation]:
    share, cap = participation.company_share_bp, participation.company_cap_minor
    flat = participation.company_flat_minor
    yield from _rate(share, f"{path}.company_share_bp")
    yield from _amount(cap, f"{path}.company_cap_minor")
    yield from _amount(flat, f"{path}.company_flat_minor")
    if flat is not None and (share is not None or cap is not None):
        yield FieldViolation(f"{path}.company_flat_minor", "can't be combined with a share or a cap")
    elif cap is not None and share is None:
        yield FieldViolation(f"{path}.company_cap_minor", "requires company_share_bp")


def _discount(discount: Discount, path: str) -> Iterator[FieldViolation]:
    yield from _repeated_types(discount.beneficiary_types, f"{path}.beneficiary_types")
    yield from _rate(discount.percent_bp, f"{path}.percent_bp")
    yield from _amount(discount.flat_minor, f"{path}.flat_minor")
    if discount.percent_bp is not None and discount.flat_minor is not None:
        yield FieldViolation(f"{path}.flat_minor", "can't be combined with percent_bp")
    if discount.percent_bp is None and discount.flat_minor is None:
        yield FieldViolation(f"{path}.amount", "requires percent_bp or flat_minor")
    if discount.days.start == UNBOUNDED_START:
        yield FieldViolation(f"{path}.days.first_on", "is required")


def _tax(tax: Tax, path: str) -> Iterator[FieldViolation]:
    yield from _repeated_types(tax.beneficiary_types, f"{path}.beneficiary_types")
    yield from _rate(tax.rate_bp, f"{path}.rate_bp")


def _repeated_types(types: Sequence[MembershipType], path: str) -> Iterator[FieldViolation]:
    if len(set(types)) < len(types):
        yield FieldViolation(path, "must not repeat a type")


def _amount(minor: int | None, path: str) -> Iterator[FieldViolation]:
    if minor is not None and minor < 0:
        yield FieldViolation(path, f"must be at least 0, got {minor}")


def _rate(rate_bp: int | None, path: str) -> Iterator[FieldViolation]:
    if rate_bp is not None and not 0 <= rate_bp <= WHOLE_BP:
        yield FieldViolation(path, f"must be between 0 and {WHOLE_BP}, got {rate_bp}")
