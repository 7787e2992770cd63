"""Maps pricing data."""

from collections.abc import Iterable
from typing import Any

from affilia.catalog.v1 import pricing_pb2 as pb
from domain.catalog.prices import (
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
from domain.membership import MembershipType
from domain.money import Rounding
from server.mapping.dates import span_from_proto, span_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.optional_fields import optional

COLLECTION_METHODS = EnumMapping(
    pb.CollectionMethod.DESCRIPTOR, CollectionMethod, unspecified=CollectionMethod.DIRECT_BILLING
)
REMAINDER_PAYERS = EnumMapping(
    pb.RemainderPayer.DESCRIPTOR,
    (MembershipType.PRIMARY, MembershipType.PARTNER),
    unspecified=MembershipType.PRIMARY,
)
TAX_BASES = EnumMapping(pb.TaxBase.DESCRIPTOR, TaxBase)
AGE_STRATEGIES = EnumMapping(pb.AgeStrategy.DESCRIPTOR, AgeStrategy)
ROUNDING_STRATEGIES = EnumMapping(pb.RoundingStrategy.DESCRIPTOR, Rounding)
PRORATA_STRATEGIES = EnumMapping(pb.ProrataStrategy.DESCRIPTOR, ProrataStrategy)
AGE_NORMALIZATIONS = EnumMapping(pb.AgeNormalization.DESCRIPTOR, AgeNormalization)


def _types_from_proto(numbers: Iterable[int]) -> tuple[MembershipType, ...]:
    return tuple(MEMBERSHIP_TYPES.from_proto(number) for number in numbers)


def _types_to_proto(types: Iterable[MembershipType]) -> list[Any]:
    return [MEMBERSHIP_TYPES.to_proto(kind) for kind in types]


def version_pricing_from_proto(pricing: pb.VersionPricing) -> VersionPricing:
    match pricing.WhichOneof("scheme"):
        case "static_table":
            rows = pricing.static_table.rows
            return VersionPricing(Scheme.STATIC_TABLE, tuple(static_table_row_from_proto(row) for row in rows))
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
            rows = [static_table_row_to_proto(row) for row in pricing.static_table]
            return pb.VersionPricing(static_table=pb.StaticTableScheme(rows=rows))


def static_table_row_from_proto(row: pb.StaticTableRow) -> StaticTableRow:
    return StaticTableRow(row.product_type, row.min_age, optional(row, "max_age"), row.monthly_minor)


def static_table_row_to_proto(row: StaticTableRow) -> pb.StaticTableRow:
    return pb.StaticTableRow(
        product_type=row.product_type, min_age=row.min_age, max_age=row.max_age, monthly_minor=row.monthly_minor
    )


def module_pricing_from_proto(pricing: pb.ModulePricing) -> ModulePricing:
    return ModulePricing(
        price=_price_from_proto(pricing),
        free_children_from_rank=optional(pricing, "free_children_from_rank"),
        membership_fees=tuple(membership_fee_from_proto(item) for item in pricing.membership_fees),
        social_fund_rates=tuple(social_fund_rate_from_proto(item) for item in pricing.social_fund_rates),
        participations=tuple(participation_from_proto(item) for item in pricing.participations),
        discounts=tuple(discount_from_proto(item) for item in pricing.discounts),
        taxes=tuple(tax_from_proto(item) for item in pricing.taxes),
    )


def module_pricing_to_proto(pricing: ModulePricing) -> pb.ModulePricing:
    proto = pb.ModulePricing(
        free_children_from_rank=pricing.free_children_from_rank,
        membership_fees=[membership_fee_to_proto(item) for item in pricing.membership_fees],
        social_fund_rates=[social_fund_rate_to_proto(item) for item in pricing.social_fund_rates],
        participations=[participation_to_proto(item) for item in pricing.participations],
        discounts=[discount_to_proto(item) for item in pricing.discounts],
        taxes=[tax_to_proto(item) for item in pricing.taxes],
    )
    match pricing.price:
        case AgeGridPrice():
            proto.age_grid.CopyFrom(age_grid_price_to_proto(pricing.price))
        case StaticTablePrice():
            proto.static_table.CopyFrom(static_table_price_to_proto(pricing.price))
        case FamilyTierPrice():
            proto.family_tier.CopyFrom(family_tier_price_to_proto(pricing.price))
    return proto


def _price_from_proto(pricing: pb.ModulePricing) -> ModulePrice | None:
    match pricing.WhichOneof("price"):
        case "age_grid":
            return age_grid_price_from_proto(pricing.age_grid)
        case "static_table":
            return static_table_price_from_proto(pricing.static_table)
        case "family_tier":
            return family_tier_price_from_proto(pricing.family_tier)
        case _:
            return None


def age_grid_price_from_proto(price: pb.AgeGridPrice) -> AgeGridPrice:
    return AgeGridPrice(
        tuple(age_grid_row_from_proto(row) for row in price.standard),
        tuple(age_grid_row_from_proto(row) for row in price.alsace_moselle),
    )


def age_grid_price_to_proto(price: AgeGridPrice) -> pb.AgeGridPrice:
    return pb.AgeGridPrice(
        standard=[age_grid_row_to_proto(row) for row in price.standard],
        alsace_moselle=[age_grid_row_to_proto(row) for row in price.alsace_moselle],
    )


def age_grid_row_from_proto(row: pb.AgeGridRow) -> AgeGridRow:
    return AgeGridRow(
        _types_from_proto(row.beneficiary_types), row.min_age, optional(row, "max_age"), row.monthly_minor
    )


def age_grid_row_to_proto(row: AgeGridRow) -> pb.AgeGridRow:
    return pb.AgeGridRow(
        beneficiary_types=_types_to_proto(row.beneficiary_types),
        min_age=row.min_age,
        max_age=row.max_age,
        monthly_minor=row.monthly_minor,
    )


def static_table_price_from_proto(price: pb.StaticTablePrice) -> StaticTablePrice:
    return StaticTablePrice(price.product_type)


def static_table_price_to_proto(price: StaticTablePrice) -> pb.StaticTablePrice:
    return pb.StaticTablePrice(product_type=price.product_type)


def family_tier_price_from_proto(price: pb.FamilyTierPrice) -> FamilyTierPrice:
    return FamilyTierPrice(
        price.single_minor,
        price.family_minor,
        optional(price, "couple_minor"),
        optional(price, "single_with_children_minor"),
    )


def family_tier_price_to_proto(price: FamilyTierPrice) -> pb.FamilyTierPrice:
    return pb.FamilyTierPrice(
        single_minor=price.single_minor,
        family_minor=price.family_minor,
        couple_minor=price.couple_minor,
        single_with_children_minor=price.single_with_children_minor,
    )


def membership_fee_from_proto(item: pb.MembershipFee) -> MembershipFee:
    return MembershipFee(_types_from_proto(item.beneficiary_types), item.monthly_minor)


def membership_fee_to_proto(item: MembershipFee) -> pb.MembershipFee:
    return pb.MembershipFee(beneficiary_types=_types_to_proto(item.beneficiary_types), monthly_minor=item.monthly_minor)


def social_fund_rate_from_proto(item: pb.SocialFundRate) -> SocialFundRate:
    return SocialFundRate(_types_from_proto(item.beneficiary_types), item.rate_bp)


def social_fund_rate_to_proto(item: SocialFundRate) -> pb.SocialFundRate:
    return pb.SocialFundRate(beneficiary_types=_types_to_proto(item.beneficiary_types), rate_bp=item.rate_bp)


def participation_from_proto(item: pb.Participation) -> Participation:
    return Participation(
        _types_from_proto(item.beneficiary_types),
        optional(item, "company_share_bp"),
        optional(item, "company_cap_minor"),
        optional(item, "company_flat_minor"),
        REMAINDER_PAYERS.from_proto(item.remainder_payer),
        COLLECTION_METHODS.from_proto(item.collection_method),
    )


def participation_to_proto(item: Participation) -> pb.Participation:
    return pb.Participation(
        beneficiary_types=_types_to_proto(item.beneficiary_types),
        company_share_bp=item.company_share_bp,
        company_cap_minor=item.company_cap_minor,
        company_flat_minor=item.company_flat_minor,
        remainder_payer=REMAINDER_PAYERS.to_proto(item.remainder_payer),
        collection_method=COLLECTION_METHODS.to_proto(item.collection_method),
    )


def discount_from_proto(item: pb.Discount) -> Discount:
    return Discount(
        item.discount_id,
        optional(item, "percent_bp"),
        optional(item, "flat_minor"),
        _types_from_proto(item.beneficiary_types),
        span_from_proto(item.days),
    )


def discount_to_proto(item: Discount) -> pb.Discount:
    proto = pb.Discount(
        discount_id=item.discount_id,
        beneficiary_types=_types_to_proto(item.beneficiary_types),
        days=span_to_proto(item.days),
    )
    if item.percent_bp is not None:
        proto.percent_bp = item.percent_bp
    if item.flat_minor is not None:
        proto.flat_minor = item.flat_minor
    return proto


def tax_from_proto(item: pb.Tax) -> Tax:
    return Tax(item.code, item.rate_bp, TAX_BASES.from_proto(item.base), _types_from_proto(item.beneficiary_types))


def tax_to_proto(item: Tax) -> pb.Tax:
    return pb.Tax(
        code=item.code,
        rate_bp=item.rate_bp,
        base=TAX_BASES.to_proto(item.base),
        beneficiary_types=_types_to_proto(item.beneficiary_types),
    )


def engine_parameters_from_proto(parameters: pb.EngineParameters) -> EngineParameters:
    return EngineParameters(
        AGE_STRATEGIES.given(parameters.age_strategy),
        ROUNDING_STRATEGIES.given(parameters.rounding),
        PRORATA_STRATEGIES.given(parameters.prorata),
        optional(parameters, "default_age_child"),
        optional(parameters, "default_age_other"),
        AGE_NORMALIZATIONS.given(parameters.age_normalization),
        optional(parameters, "cut_off_day"),
    )


def engine_parameters_to_proto(parameters: EngineParameters) -> pb.EngineParameters:
    proto = pb.EngineParameters(
        default_age_child=parameters.default_age_child,
        default_age_other=parameters.default_age_other,
        cut_off_day=parameters.cut_off_day,
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
