"""Converts the contracts, prices and people of pricing and premium cases to messages."""

from typing import Any

from affilia.catalog.v1 import contract_pb2, member_pb2, pricing_pb2
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.type.v1 import membership_type_pb2, year_month_pb2
from tests.scenarios.enrollment_messages import Ids, date, membership_types, span


def contract(case: dict[str, Any], contract_id: str, modules: Ids) -> contract_pb2.Contract:
    return contract_pb2.Contract(
        contract_id=contract_id,
        country_code=case["country"],
        currency_code=case["currency"],
        time_zone="UTC",
        sponsor_id="sponsor",
        versions=[version(v, modules) for v in case["versions"]],
    )


def version(case: dict[str, Any], modules: Ids) -> contract_pb2.ContractVersion:
    return contract_pb2.ContractVersion(
        days=span(case["start"], case["end"]),
        max_backdating_days=36_500,
        modules=[module(m, case["scheme"], modules) for m in case["modules"]],
        pricing=_scheme(case),
        engine_parameters=parameters(case.get("parameters")),
    )


def _scheme(case: dict[str, Any]) -> pricing_pb2.VersionPricing:
    if case["scheme"] == "AGE_GRID":
        return pricing_pb2.VersionPricing(age_grid=pricing_pb2.AgeGridScheme())
    if case["scheme"] == "FAMILY_TIER":
        return pricing_pb2.VersionPricing(family_tier=pricing_pb2.FamilyTierScheme())
    rows = [
        pricing_pb2.StaticTableRow(
            product_type=row["product_type"],
            min_age=row["min_age"],
            max_age=row["max_age"],
            monthly_minor=row["amount"],
        )
        for row in case["table"]
    ]
    return pricing_pb2.VersionPricing(static_table=pricing_pb2.StaticTableScheme(rows=rows))


def given_parameters(step: dict[str, Any], case: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the engine parameters of a request: those of the step, even if null or empty, or else the case's."""
    return step["parameters"] if "parameters" in step else case.get("parameters")


def parameters(case: dict[str, Any] | None) -> pricing_pb2.EngineParameters | None:
    """Returns None if nothing is set. A "normalization" of null is set, and means none."""
    if case is None:
        return None
    return pricing_pb2.EngineParameters(
        age_strategy=_value(pricing_pb2.AgeStrategy, "AGE_STRATEGY", case.get("age_strategy")),
        rounding=rounding(case.get("rounding")),
        prorata=_value(pricing_pb2.ProrataStrategy, "PRORATA_STRATEGY", case.get("prorata")),
        default_age_child=case.get("default_age_child"),
        default_age_other=case.get("default_age_other"),
        age_normalization=_value(pricing_pb2.AgeNormalization, "AGE_NORMALIZATION", case["normalization"] or "NONE")
        if "normalization" in case
        else pricing_pb2.AGE_NORMALIZATION_UNSPECIFIED,
    )


def rounding(name: str | None) -> Any:
    return _value(pricing_pb2.RoundingStrategy, "ROUNDING_STRATEGY", name)


def _value(enum: Any, prefix: str, name: str | None) -> Any:
    return enum.Value(f"{prefix}_{name or 'UNSPECIFIED'}")


def module(case: dict[str, Any], scheme: str, modules: Ids) -> contract_pb2.Module:
    return contract_pb2.Module(
        module_id=modules[case["id"]],
        service_type=contract_pb2.ServiceType.Value(f"SERVICE_TYPE_{case['service_type']}"),
        pricing=module_pricing(case, scheme),
    )


def module_pricing(case: dict[str, Any], scheme: str) -> pricing_pb2.ModulePricing:
    pricing = pricing_pb2.ModulePricing(
        free_children_from_rank=case.get("free_children_from_rank"),
        membership_fees=[
            pricing_pb2.MembershipFee(beneficiary_types=membership_types(c["types"]), monthly_minor=c["amount"])
            for c in case.get("membership_fee", ())
        ],
        social_fund_rates=[
            pricing_pb2.SocialFundRate(beneficiary_types=membership_types(c["types"]), rate_bp=c["rate"])
            for c in case.get("social_fund_rate", ())
        ],
        participations=[_participation(c) for c in case.get("participation", ())],
        discounts=[
            pricing_pb2.Discount(
                discount_id=d["id"],
                percent_bp=d["percent"],
                flat_minor=d["flat"],
                beneficiary_types=membership_types(d["types"]),
                days=span(d["first"], d["last"]),
            )
            for d in case.get("discounts", ())
        ],
        taxes=[
            pricing_pb2.Tax(
                code=t["code"],
                rate_bp=t["rate"],
                base=pricing_pb2.TaxBase.Value(f"TAX_BASE_{t['base']}"),
                beneficiary_types=membership_types(t["types"]),
            )
            for t in case.get("taxes", ())
        ],
    )
    match scheme:
        case "AGE_GRID":
            grids = case["grids"]
            pricing.age_grid.CopyFrom(
                pricing_pb2.AgeGridPrice(
                    standard=_rows(grids.get("STANDARD", ())), alsace_moselle=_rows(grids.get("ALSACE_MOSELLE", ()))
                )
            )
        case "STATIC_TABLE":
            pricing.static_table.product_type = case["product_type"]
        case _:
            tiers = {f"{name.lower()}_minor": amount for name, amount in case["tiers"].items()}
            pricing.family_tier.CopyFrom(pricing_pb2.FamilyTierPrice(**tiers))
    return pricing


def _rows(rows: Any) -> list[pricing_pb2.AgeGridRow]:
    return [
        pricing_pb2.AgeGridRow(
            beneficiary_types=membership_types(row["types"]),
            min_age=row["min_age"],
            max_age=row["max_age"],
            monthly_minor=row["amount"],
        )
        for row in rows
    ]


def _participation(case: dict[str, Any]) -> pricing_pb2.Participation:
    return pricing_pb2.Participation(
        beneficiary_types=membership_types(case["types"]),
        company_share_bp=case["company_share"],
        company_cap_minor=case["company_cap"],
        company_flat_minor=case["company_flat"],
        remainder_payer=_value(pricing_pb2.RemainderPayer, "REMAINDER_PAYER", case["remainder_payer"]),
        collection_method=_value(pricing_pb2.CollectionMethod, "COLLECTION_METHOD", case["collection_method"]),
    )


def spec(case: dict[str, Any], modules: Ids) -> insurance_cost_pb2.BeneficiarySpec:
    born = case.get("date_of_birth")
    return insurance_cost_pb2.BeneficiarySpec(
        beneficiary_type=membership_type_pb2.MembershipType.Value(f"MEMBERSHIP_TYPE_{case['beneficiary_type']}"),
        age=case.get("age"),
        date_of_birth=date(born) if born else None,
        regime=_value(member_pb2.HealthRegime, "HEALTH_REGIME", case.get("regime")),
        module_ids=[modules[name] for name in case.get("modules") or ()],
    )


def months(first: str, last: str) -> year_month_pb2.MonthSpan:
    """Returns a month from a text such as 2026-03."""
    (first_year, first_month), (last_year, last_month) = (map(int, text.split("-")) for text in (first, last))
    return year_month_pb2.MonthSpan(
        first=year_month_pb2.YearMonth(year=first_year, month=first_month),
        last=year_month_pb2.YearMonth(year=last_year, month=last_month),
    )
