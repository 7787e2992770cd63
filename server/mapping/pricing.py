"""Pricing data on the wire."""

from collections.abc import Iterable
from typing import Any

from affilia.catalog.v1 import pricing_pb2 as pb

from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.prices import (
    AgeGridPrice,
    AgeGridRow,
    AgeNormalization,
    AgeStrategy,
    CollectionMethod,
    Discount,
    EngineParameters,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    ProrataStrategy,
    Scheme,
    SocialFundRate,
    StaticTablePrice,
    StaticTableRow,
    Tax,
    TaxBase,
    VersionPricing,
)
from server.mapping.dates import span_from_proto, span_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping

COLLECTION_METHODS = EnumMapping(
    pb.CollectionMethod.DESCRIPTOR, CollectionMethod, unspecified=CollectionMethod.DIRECT_BILLING
)
TAX_BASES = EnumMapping(pb.TaxBase.DESCRIPTOR, TaxBase)
AGE_STRATEGIES = EnumMapping(pb.AgeStrategy.DESCRIPTOR, AgeStrategy)
ROUNDING_STRATEGIES = EnumMapping(pb.RoundingStrategy.DESCRIPTOR, Rounding)
PRORATA_STRATEGIES = EnumMapping(pb.ProrataStrategy.DESCRIPTOR, ProrataStrategy)
AGE_NORMALIZATIONS = EnumMapping(pb.AgeNormalization.DESCRIPTOR, AgeNormalization)


def _optional(message: Any, field: str) -> Any:
    """A scalar with presence; None where it is unset."""
    return getattr(message, field) if message.HasField(field) else None


def _types_from_proto(numbers: Iterable[int]) -> tuple[MembershipType, ...]:
    return tuple(MEMBERSHIP_TYPES.from_proto(number) for number in numbers)


def _types_to_proto(types: Iterable[MembershipType]) -> list[Any]:
    return [MEMBERSHIP_TYPES.to_proto(kind) for kind in types]


def version_pricing_from_proto(pricing: pb.VersionPricing) -> VersionPricing:
    match pricing.WhichOneof("scheme"):
        case "static_table":
            rows = tuple(
                StaticTableRow(row.product_type, row.min_age, _optional(row, "max_age"), row.monthly_minor)
                for row in pricing.static_table.rows
            )
            return VersionPricing(Scheme.STATIC_TABLE, rows)
        case "family_tier":
            return VersionPricing(Scheme.FAMILY_TIER)
        case _:
            return VersionPricing(Scheme.AGE_GRID)


def version_pricing_to_proto(pricing: VersionPricing) -> pb.VersionPricing:
    match pricing.scheme:
        case Scheme.AGE_GRID:
            return pb.VersionPricing(age_grid=pb.AgeGridScheme())
        case Scheme.FAMILY_TIER:
            return pb.VersionPricing(family_tier=pb.FamilyTierScheme())
        case Scheme.STATIC_TABLE:
            rows = [
                pb.StaticTableRow(
                    product_type=row.product_type,
                    min_age=row.min_age,
                    max_age=row.max_age,
                    monthly_minor=row.monthly_minor,
                )
                for row in pricing.static_table
            ]
            return pb.VersionPricing(static_table=pb.StaticTableScheme(rows=rows))


def module_pricing_from_proto(pricing: pb.ModulePricing) -> ModulePricing:
    return ModulePricing(
        price=_price_from_proto(pricing),
        free_children_from_rank=_optional(pricing, "free_children_from_rank"),
        membership_fees=tuple(
            MembershipFee(_types_from_proto(fee.beneficiary_types), fee.monthly_minor)
            for fee in pricing.membership_fees
        ),
        social_fund_rates=tuple(
            SocialFundRate(_types_from_proto(rate.beneficiary_types), rate.rate_bp)
            for rate in pricing.social_fund_rates
        ),
        participations=tuple(participation_from_proto(item) for item in pricing.participations),
        discounts=tuple(discount_from_proto(item) for item in pricing.discounts),
        taxes=tuple(
            Tax(
                tax.code,
                tax.rate_bp,
                TAX_BASES.from_proto(tax.base),
                _types_from_proto(tax.beneficiary_types),
            )
            for tax in pricing.taxes
        ),
    )


def module_pricing_to_proto(pricing: ModulePricing) -> pb.ModulePricing:
    proto = pb.ModulePricing(
        free_children_from_rank=pricing.free_children_from_rank,
        membership_fees=[
            pb.MembershipFee(
                beneficiary_types=_types_to_proto(fee.beneficiary_types), monthly_minor=fee.monthly_minor
            )
            for fee in pricing.membership_fees
        ],
        social_fund_rates=[
            pb.SocialFundRate(beneficiary_types=_types_to_proto(rate.beneficiary_types), rate_bp=rate.rate_bp)
            for rate in pricing.social_fund_rates
        ],
        participations=[participation_to_proto(item) for item in pricing.participations],
        discounts=[discount_to_proto(item) for item in pricing.discounts],
        taxes=[
            pb.Tax(
                code=tax.code,
                rate_bp=tax.rate_bp,
                base=TAX_BASES.to_proto(tax.base),
                beneficiary_types=_types_to_proto(tax.beneficiary_types),
            )
            for tax in pricing.taxes
        ],
    )
    match pricing.price:
        case AgeGridPrice(standard, alsace_moselle):
            proto.age_grid.SetInParent()
            proto.age_grid.standard.extend(_grid_row_to_proto(row) for row in standard)
            proto.age_grid.alsace_moselle.extend(_grid_row_to_proto(row) for row in alsace_moselle)
        case StaticTablePrice(product_type):
            proto.static_table.product_type = product_type
        case FamilyTierPrice(single, family, couple, single_with_children):
            proto.family_tier.CopyFrom(
                pb.FamilyTierPrice(
                    single_minor=single,
                    family_minor=family,
                    couple_minor=couple,
                    single_with_children_minor=single_with_children,
                )
            )
    return proto


def _price_from_proto(pricing: pb.ModulePricing) -> ModulePrice | None:
    match pricing.WhichOneof("price"):
        case "age_grid":
            grid = pricing.age_grid
            return AgeGridPrice(
                tuple(_grid_row_from_proto(row) for row in grid.standard),
                tuple(_grid_row_from_proto(row) for row in grid.alsace_moselle),
            )
        case "static_table":
            return StaticTablePrice(pricing.static_table.product_type)
        case "family_tier":
            tiers = pricing.family_tier
            return FamilyTierPrice(
                tiers.single_minor,
                tiers.family_minor,
                _optional(tiers, "couple_minor"),
                _optional(tiers, "single_with_children_minor"),
            )
        case _:
            return None


def _grid_row_from_proto(row: pb.AgeGridRow) -> AgeGridRow:
    return AgeGridRow(
        _types_from_proto(row.beneficiary_types), row.min_age, _optional(row, "max_age"), row.monthly_minor
    )


def _grid_row_to_proto(row: AgeGridRow) -> pb.AgeGridRow:
    return pb.AgeGridRow(
        beneficiary_types=_types_to_proto(row.beneficiary_types),
        min_age=row.min_age,
        max_age=row.max_age,
        monthly_minor=row.monthly_minor,
    )


def participation_from_proto(item: pb.Participation) -> Participation:
    by_partner = item.remainder_payer == pb.REMAINDER_PAYER_PARTNER
    return Participation(
        _types_from_proto(item.beneficiary_types),
        _optional(item, "company_share_bp"),
        _optional(item, "company_cap_minor"),
        _optional(item, "company_flat_minor"),
        MembershipType.PARTNER if by_partner else MembershipType.PRIMARY,
        COLLECTION_METHODS.from_proto(item.collection_method),
    )


def participation_to_proto(item: Participation) -> pb.Participation:
    by_partner = item.remainder_payer == MembershipType.PARTNER
    return pb.Participation(
        beneficiary_types=_types_to_proto(item.beneficiary_types),
        company_share_bp=item.company_share_bp,
        company_cap_minor=item.company_cap_minor,
        company_flat_minor=item.company_flat_minor,
        remainder_payer=pb.REMAINDER_PAYER_PARTNER if by_partner else pb.REMAINDER_PAYER_PRIMARY,
        collection_method=COLLECTION_METHODS.to_proto(item.collection_method),
    )


def discount_from_proto(item: pb.Discount) -> Discount:
    return Discount(
        item.discount_id,
        _optional(item, "percent_bp"),
        _optional(item, "flat_minor"),
        _types_from_proto(item.beneficiary_types),
        span_from_proto(item.days),
    )


def discount_to_proto(item: Discount) -> pb.Discount:
    return pb.Discount(
        discount_id=item.discount_id,
        percent_bp=item.percent_bp,
        flat_minor=item.flat_minor,
        beneficiary_types=_types_to_proto(item.beneficiary_types),
        days=span_to_proto(item.days),
    )


def engine_parameters_from_proto(parameters: pb.EngineParameters) -> EngineParameters:
    return EngineParameters(
        AGE_STRATEGIES.given(parameters.age_strategy),
        ROUNDING_STRATEGIES.given(parameters.rounding),
        PRORATA_STRATEGIES.given(parameters.prorata),
        _optional(parameters, "default_age_child"),
        _optional(parameters, "default_age_other"),
        AGE_NORMALIZATIONS.given(parameters.age_normalization),
    )


def engine_parameters_to_proto(parameters: EngineParameters) -> pb.EngineParameters:
    proto = pb.EngineParameters(
        default_age_child=parameters.default_age_child, default_age_other=parameters.default_age_other
    )
    if parameters.age_strategy:
        proto.age_strategy = AGE_STRATEGIES.to_proto(parameters.age_strategy)
    if parameters.rounding:
        proto.rounding = ROUNDING_STRATEGIES.to_proto(parameters.rounding)
    if parameters.prorata:
        proto.prorata = PRORATA_STRATEGIES.to_proto(parameters.prorata)
    if parameters.age_normalization:
        proto.age_normalization = AGE_NORMALIZATIONS.to_proto(parameters.age_normalization)
    return proto
