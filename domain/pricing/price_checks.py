"""What pricing data may not be published: told when a contract is, not when a price is needed (`pricing.md`).

Paths are those of `affilia.catalog.v1.ModulePricing` and `VersionPricing`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from domain.days import UNBOUNDED_START
from domain.errors import FieldViolation
from domain.membership import EVERY_MEMBERSHIP_TYPE, MembershipType
from domain.pricing.prices import (
    AgeGridPrice,
    AgeGridRow,
    Discount,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    Scheme,
    SocialFundRate,
    StaticTablePrice,
    StaticTableRow,
    VersionPricing,
)

WHOLE_BP = 10_000
AgeRow = AgeGridRow | StaticTableRow
Charge = MembershipFee | SocialFundRate | Participation

SCHEME_OF: dict[type[ModulePrice], Scheme] = {
    AgeGridPrice: Scheme.AGE_GRID,
    StaticTablePrice: Scheme.STATIC_TABLE,
    FamilyTierPrice: Scheme.FAMILY_TIER,
}


def version_pricing_violations(pricing: VersionPricing, path: str) -> Iterator[FieldViolation]:
    """What is wrong with a version's own prices: its table."""
    rows = [(i, row) for i, row in enumerate(pricing.static_table)]
    by_product: dict[str, list[tuple[int, AgeRow]]] = defaultdict(list)
    for i, row in rows:
        by_product[row.product_type].append((i, row))
    yield from _amounts([row for _, row in rows], f"{path}.static_table.rows")
    for product, of_product in by_product.items():
        yield from _ages(of_product, f"{path}.static_table.rows", f"product type {product}")


def module_pricing_violations(
    pricing: ModulePricing, version: VersionPricing | None, path: str
) -> Iterator[FieldViolation]:
    """What is wrong with a module's prices and charges, given its version's scheme."""
    if version is None:
        yield FieldViolation(path, "stands in a version without pricing")
    elif pricing.price is not None:
        yield from _price(pricing.price, version, path)
    rank = pricing.free_children_from_rank
    if rank is not None:
        if rank < 1:
            yield FieldViolation(f"{path}.free_children_from_rank", "is below 1")
        if version and version.scheme == Scheme.FAMILY_TIER:
            yield FieldViolation(f"{path}.free_children_from_rank", "does not go with FAMILY_TIER")
    yield from _one_each(pricing.membership_fees, f"{path}.membership_fees")
    yield from _one_each(pricing.social_fund_rates, f"{path}.social_fund_rates")
    yield from _one_each(pricing.participations, f"{path}.participations")
    yield from _amounts(pricing.membership_fees, f"{path}.membership_fees")
    for i, rate in enumerate(pricing.social_fund_rates):
        yield from _rate(rate.rate_bp, f"{path}.social_fund_rates[{i}].rate_bp")
    for i, participation in enumerate(pricing.participations):
        yield from _participation(participation, f"{path}.participations[{i}]")
    for i, discount in enumerate(pricing.discounts):
        yield from _discount(discount, f"{path}.discounts[{i}]")
    for i, tax in enumerate(pricing.taxes):
        yield from _rate(tax.rate_bp, f"{path}.taxes[{i}].rate_bp")


def _price(price: ModulePrice, version: VersionPricing, path: str) -> Iterator[FieldViolation]:
    scheme = SCHEME_OF[type(price)]
    if scheme != version.scheme:
        yield FieldViolation(
            f"{path}.{scheme.lower()}", f"does not fit the version's scheme {version.scheme}"
        )
        return
    match price:
        case AgeGridPrice(standard, alsace_moselle):
            for name, grid in (("standard", standard), ("alsace_moselle", alsace_moselle)):
                yield from _amounts(grid, f"{path}.age_grid.{name}")
                yield from _grid(grid, f"{path}.age_grid.{name}")
            if alsace_moselle and not standard:
                yield FieldViolation(f"{path}.age_grid.standard", "is missing beside the Alsace-Moselle grid")
        case StaticTablePrice(product_type):
            if all(row.product_type != product_type for row in version.static_table):
                yield FieldViolation(
                    f"{path}.static_table.product_type", f"{product_type} has no row in the table"
                )
        case FamilyTierPrice(single, family, couple, single_with_children):
            named = {
                "single_minor": single,
                "family_minor": family,
                "couple_minor": couple,
                "single_with_children_minor": single_with_children,
            }
            for name, amount in named.items():
                if amount is not None and amount < 0:
                    yield FieldViolation(f"{path}.family_tier.{name}", "is negative")


def _grid(grid: Sequence[AgeGridRow], path: str) -> Iterator[FieldViolation]:
    for i, row in enumerate(grid):
        yield from _repeated_types(row.beneficiary_types, f"{path}[{i}].beneficiary_types")
    for kind in EVERY_MEMBERSHIP_TYPE:
        rows: list[tuple[int, AgeRow]] = [
            (i, row) for i, row in enumerate(grid) if kind in row.beneficiary_types
        ]
        yield from _ages(rows, path, str(kind))


def _ages(rows: list[tuple[int, AgeRow]], path: str, of: str) -> Iterator[FieldViolation]:
    """Rows for one kind of beneficiary or product: ages in order, none twice, none left out in between."""
    for i, row in rows:
        if row.max_age is not None and row.max_age < row.min_age:
            yield FieldViolation(f"{path}[{i}].max_age", "is below min_age")
            return
    in_order = sorted(rows, key=lambda numbered: (numbered[1].min_age, numbered[0]))
    for (_, row), (j, following) in pairwise(in_order):
        if row.max_age is None or following.min_age <= row.max_age:
            yield FieldViolation(
                f"{path}[{j}]", f"age {following.min_age} of {of} stands in another row, too"
            )
        elif following.min_age > row.max_age + 1:
            yield FieldViolation(
                f"{path}[{j}].min_age", f"leaves a hole for {of}: no row for age {row.max_age + 1}"
            )


def _amounts(rows: Iterable[AgeRow | MembershipFee], path: str) -> Iterator[FieldViolation]:
    for i, row in enumerate(rows):
        if row.monthly_minor < 0:
            yield FieldViolation(f"{path}[{i}].monthly_minor", "is negative")


def _rate(rate_bp: int | None, path: str) -> Iterator[FieldViolation]:
    if rate_bp is not None and not 0 <= rate_bp <= WHOLE_BP:
        yield FieldViolation(path, f"{rate_bp} is outside 0 to {WHOLE_BP}")


def _one_each(charges: Sequence[Charge], path: str) -> Iterator[FieldViolation]:
    """At most one charge names a type, and at most one is for everybody else."""
    seen: set[MembershipType | None] = set()
    for i, charge in enumerate(charges):
        yield from _repeated_types(charge.beneficiary_types, f"{path}[{i}].beneficiary_types")
        for kind in dict.fromkeys(charge.beneficiary_types or (None,)):
            if kind in seen:
                yield FieldViolation(f"{path}[{i}]", f"is the second one for {kind or 'all'}")
            seen.add(kind)


def _repeated_types(types: Sequence[MembershipType], path: str) -> Iterator[FieldViolation]:
    if len(set(types)) < len(types):
        yield FieldViolation(path, "names a type twice")


def _participation(participation: Participation, path: str) -> Iterator[FieldViolation]:
    share, cap = participation.company_share_bp, participation.company_cap_minor
    flat = participation.company_flat_minor
    yield from _rate(share, f"{path}.company_share_bp")
    if flat is not None and (share is not None or cap is not None):
        yield FieldViolation(f"{path}.company_flat_minor", "does not go together with a share or a cap")
    elif cap is not None and share is None:
        yield FieldViolation(f"{path}.company_cap_minor", "needs a share")
    for name, amount in (("company_cap_minor", cap), ("company_flat_minor", flat)):
        if amount is not None and amount < 0:
            yield FieldViolation(f"{path}.{name}", "is negative")


def _discount(discount: Discount, path: str) -> Iterator[FieldViolation]:
    yield from _rate(discount.percent_bp, f"{path}.percent_bp")
    if discount.percent_bp is not None and discount.flat_minor is not None:
        yield FieldViolation(f"{path}.flat_minor", "does not go together with a percentage")
    if discount.percent_bp is None and discount.flat_minor is None:
        yield FieldViolation(f"{path}.amount", "needs a percentage or a flat amount")
    if discount.flat_minor is not None and discount.flat_minor < 0:
        yield FieldViolation(f"{path}.flat_minor", "is negative")
    if discount.days.start == UNBOUNDED_START:
        yield FieldViolation(f"{path}.days.first_on", "is required")
