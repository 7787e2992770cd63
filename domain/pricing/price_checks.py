"""What pricing data may not be published: told when a contract is, not when a price is needed (`pricing.md`).

Paths are those of `affilia.catalog.v1.ModulePricing` and `VersionPricing`. Rows by age have their checks in
`age_row_checks.py`. Missing SINGLE and FAMILY prices, and a discount's last day before its first, are refused before
mapping (`server/checking.py`): neither can be said with these values.
"""

from collections.abc import Iterator, Sequence

from domain.days import UNBOUNDED_START
from domain.errors import FieldViolation
from domain.membership import MembershipType
from domain.pricing.age_row_checks import grid_violations, table_violations
from domain.pricing.prices import (
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

WHOLE_BP = 10_000
Charge = MembershipFee | SocialFundRate | Participation

SCHEME_OF: dict[type[ModulePrice], Scheme] = {
    AgeGridPrice: Scheme.AGE_GRID,
    StaticTablePrice: Scheme.STATIC_TABLE,
    FamilyTierPrice: Scheme.FAMILY_TIER,
}


def version_pricing_violations(pricing: VersionPricing, path: str) -> Iterator[FieldViolation]:
    """What is wrong with a version's own prices: its table."""
    yield from table_violations(pricing.static_table, f"{path}.static_table.rows")


def module_pricing_violations(
    pricing: ModulePricing, version: VersionPricing | None, path: str
) -> Iterator[FieldViolation]:
    """What is wrong with a module's prices and charges, given its version's scheme.

    Discounts may share an id, and taxes a code: these are names for reports, and all that match apply, in order,
    whatever they are called, so that nothing is ambiguous.
    """
    if version is None:
        yield FieldViolation(path, "stands in a version without pricing")
    elif pricing.price is not None:
        yield from _price(pricing.price, version, path)
    yield from _free_children(pricing.free_children_from_rank, version, path)
    yield from _charges(pricing, path)
    for i, discount in enumerate(pricing.discounts):
        yield from _discount(discount, f"{path}.discounts[{i}]")
    for i, tax in enumerate(pricing.taxes):
        yield from _tax(tax, f"{path}.taxes[{i}]")


def _price(price: ModulePrice, version: VersionPricing, path: str) -> Iterator[FieldViolation]:
    scheme = SCHEME_OF[type(price)]
    if scheme != version.scheme:
        yield FieldViolation(f"{path}.{scheme.lower()}", f"does not fit the version's scheme {version.scheme}")
        return
    match price:
        case AgeGridPrice(standard, alsace_moselle):
            yield from grid_violations(standard, f"{path}.age_grid.standard")
            yield from grid_violations(alsace_moselle, f"{path}.age_grid.alsace_moselle")
            if alsace_moselle and not standard:
                yield FieldViolation(f"{path}.age_grid.standard", "is missing beside the Alsace-Moselle grid")
        case StaticTablePrice(product_type):
            if all(row.product_type != product_type for row in version.static_table):
                yield FieldViolation(f"{path}.static_table.product_type", f"{product_type} has no row in the table")
        case FamilyTierPrice(single, family, couple, single_with_children):
            yield from _amount(single, f"{path}.family_tier.single_minor")
            yield from _amount(family, f"{path}.family_tier.family_minor")
            yield from _amount(couple, f"{path}.family_tier.couple_minor")
            yield from _amount(single_with_children, f"{path}.family_tier.single_with_children_minor")


def _free_children(rank: int | None, version: VersionPricing | None, path: str) -> Iterator[FieldViolation]:
    if rank is None:
        return
    if rank < 1:
        yield FieldViolation(f"{path}.free_children_from_rank", "is below 1")
    if version and version.scheme == Scheme.FAMILY_TIER:
        yield FieldViolation(f"{path}.free_children_from_rank", "does not go with FAMILY_TIER")


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
    """At most one charge names a type, and at most one is for everybody else."""
    seen: set[MembershipType | None] = set()
    for i, charge in enumerate(charges):
        yield from _repeated_types(charge.beneficiary_types, f"{path}[{i}].beneficiary_types")
        kinds: list[MembershipType | None] = [*dict.fromkeys(charge.beneficiary_types)] or [None]
        if again := [str(kind or "everyone else") for kind in kinds if kind in seen]:
            yield FieldViolation(f"{path}[{i}]", f"is not the first one for {', '.join(again)}")
        seen.update(kinds)


def _participation(participation: Participation, path: str) -> Iterator[FieldViolation]:
    share, cap = participation.company_share_bp, participation.company_cap_minor
    flat = participation.company_flat_minor
    yield from _rate(share, f"{path}.company_share_bp")
    yield from _amount(cap, f"{path}.company_cap_minor")
    yield from _amount(flat, f"{path}.company_flat_minor")
    if flat is not None and (share is not None or cap is not None):
        yield FieldViolation(f"{path}.company_flat_minor", "does not go together with a share or a cap")
    elif cap is not None and share is None:
        yield FieldViolation(f"{path}.company_cap_minor", "needs a share")


def _discount(discount: Discount, path: str) -> Iterator[FieldViolation]:
    yield from _repeated_types(discount.beneficiary_types, f"{path}.beneficiary_types")
    yield from _rate(discount.percent_bp, f"{path}.percent_bp")
    yield from _amount(discount.flat_minor, f"{path}.flat_minor")
    if discount.percent_bp is not None and discount.flat_minor is not None:
        yield FieldViolation(f"{path}.flat_minor", "does not go together with a percentage")
    if discount.percent_bp is None and discount.flat_minor is None:
        yield FieldViolation(f"{path}.amount", "needs a percentage or a flat amount")
    if discount.days.start == UNBOUNDED_START:
        yield FieldViolation(f"{path}.days.first_on", "is required")


def _tax(tax: Tax, path: str) -> Iterator[FieldViolation]:
    yield from _repeated_types(tax.beneficiary_types, f"{path}.beneficiary_types")
    yield from _rate(tax.rate_bp, f"{path}.rate_bp")


def _repeated_types(types: Sequence[MembershipType], path: str) -> Iterator[FieldViolation]:
    if len(set(types)) < len(types):
        yield FieldViolation(path, "names a type twice")


def _amount(minor: int | None, path: str) -> Iterator[FieldViolation]:
    if minor is not None and minor < 0:
        yield FieldViolation(path, "is negative")


def _rate(rate_bp: int | None, path: str) -> Iterator[FieldViolation]:
    if rate_bp is not None and not 0 <= rate_bp <= WHOLE_BP:
        yield FieldViolation(path, f"{rate_bp} is outside 0 to {WHOLE_BP}")
