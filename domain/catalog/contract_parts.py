"""Describes the parts of a contract in words, each under a key, so that two states can be compared part by part.

Every value that a contract has is in exactly one part, except the order of lists, which has no effect.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion, Limit, LimitUnit, Module
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    EngineParameters,
    FamilyTierPrice,
    ModulePrice,
    ModulePricing,
    Participation,
    StaticTablePrice,
    VersionPricing,
)
from domain.catalog.wording import (
    ages_in_words,
    days_in_words,
    rate_in_words,
    rule_in_words,
    types_in_words,
)
from domain.currencies import amount_in_words


class ContractPart(StrEnum):
    FIELD = "FIELD"
    MODULE = "MODULE"
    RULE = "RULE"
    PRICE = "PRICE"
    LIMIT = "LIMIT"
    CAPABILITY = "CAPABILITY"


class PartKey(NamedTuple):
    """Identifies a part within a contract or a version. `name` is empty for a module itself."""

    part: ContractPart
    module_id: UUID | None
    name: str


Parts = dict[PartKey, str]
"""Values in words, by key, in the order of the contract."""

Named = Iterator[tuple[str, str]]


def contract_parts(contract: Contract) -> Parts:
    """Returns the fields of a contract itself, without its versions."""
    start = contract.term_start
    return _parts(
        ContractPart.FIELD,
        None,
        iter(
            [
                ("display_name", contract.display_name),
                ("country_code", contract.country_code),
                ("currency_code", contract.currency_code),
                ("time_zone", contract.time_zone),
                ("sponsor_id", contract.sponsor_id),
                ("term_start", f"month {start.month}, day {start.day}"),
            ]
        ),
    )


def version_parts(version: ContractVersion, currency_code: str) -> Parts:
    """Returns the fields of a version, including its days and modules."""
    fields = [("days", days_in_words(version.days)), ("max_backdating_days", str(version.max_backdating_days))]
    parts = _parts(ContractPart.FIELD, None, iter(fields))
    if version.engine_parameters:
        parts |= _parts(ContractPart.FIELD, None, _parameters(version.engine_parameters))
    rules = ((rule.code, rule_in_words(rule, currency_code)) for rule in version.rules)
    parts |= _parts(ContractPart.RULE, None, rules)
    if version.pricing:
        parts |= _parts(ContractPart.PRICE, None, _version_pricing(version.pricing, currency_code))
    for module in version.modules:
        parts |= _module_parts(module, currency_code)
    return parts


def _parts(part: ContractPart, module_id: UUID | None, named: Named) -> Parts:
    """Returns the values that aren't empty. Values with the same name are joined."""
    parts: Parts = {}
    for name, words in named:
        key = PartKey(part, module_id, name)
        if words:
            parts[key] = f"{parts[key]}; {words}" if key in parts else words
    return parts


def _module_parts(module: Module, currency: str) -> Parts:
    of = module.module_id
    months = module.commitment_months
    fields = [
        ("slot", module.slot or ""),
        ("service_type", module.service_type.value),
        ("membership_types", types_in_words(module.membership_types)),
        ("commitment_months", "" if months is None else str(months)),
        ("network_tier", module.network_tier),
    ]
    rules = ((rule.code, rule_in_words(rule, currency)) for rule in module.rules)
    parts = {PartKey(ContractPart.MODULE, of, ""): f'"{module.display_name}"' if module.display_name else "no name"}
    parts |= _parts(ContractPart.FIELD, of, iter(fields))
    parts |= _parts(ContractPart.RULE, of, rules)
    parts |= _parts(ContractPart.LIMIT, of, ((limit.code, _limit(limit, currency)) for limit in module.limits))
    parts |= _parts(ContractPart.CAPABILITY, of, ((code, "offered") for code in module.capabilities))
    if module.pricing:
        parts |= _parts(ContractPart.PRICE, of, _module_pricing(module.pricing, currency))
    return parts


def _limit(limit: Limit, currency: str) -> str:
    def amount(value: int | None) -> str:
        if value is None:
            return "no limit"
        return amount_in_words(value, currency) if limit.unit is LimitUnit.MONEY else f"{value} visits"

    unit = "money" if limit.unit is LimitUnit.MONEY else "visits"
    return f"{amount(limit.individual_amount)} per member, {amount(limit.family_amount)} per family, in {unit}"


def _parameters(parameters: EngineParameters) -> Named:
    for name in EngineParameters.__slots__:
        value = getattr(parameters, name)
        yield name, "" if value is None else str(value)


def _version_pricing(pricing: VersionPricing, currency: str) -> Named:
    yield "scheme", pricing.scheme.value
    for row in pricing.static_table:
        yield (
            f"{row.product_type}, {ages_in_words(row.min_age, row.max_age)}",
            amount_in_words(row.monthly_minor, currency),
        )


def _module_pricing(pricing: ModulePricing, currency: str) -> Named:
    if pricing.price:
        yield from _price(pricing.price, currency)
    rank = pricing.free_children_from_rank
    yield "free_children_from_rank", "" if rank is None else str(rank)
    for fee in pricing.membership_fees:
        yield f"membership fee for {_types(fee.beneficiary_types)}", amount_in_words(fee.monthly_minor, currency)
    for rate in pricing.social_fund_rates:
        yield f"social fund for {_types(rate.beneficiary_types)}", rate_in_words(rate.rate_bp)
    for share in pricing.participations:
        yield f"participation for {_types(share.beneficiary_types)}", _participation(share, currency)
    for discount in pricing.discounts:
        off = "" if discount.percent_bp is None else rate_in_words(discount.percent_bp)
        off += "" if discount.flat_minor is None else amount_in_words(discount.flat_minor, currency)
        types = types_in_words(discount.beneficiary_types)
        yield f"discount {discount.discount_id}", f"{off} for {types}, {days_in_words(discount.days)}"
    for tax in pricing.taxes:
        types = types_in_words(tax.beneficiary_types)
        yield f"tax {tax.code}", f"{rate_in_words(tax.rate_bp)} of {tax.base} for {types}"


def _types(types: tuple[str, ...]) -> str:
    """Returns the beneficiary types of a row. A row without types applies to all types that no other row lists."""
    return ", ".join(types) or "all others"


def _price(price: ModulePrice, currency: str) -> Named:
    match price:
        case AgeGridPrice(standard, alsace_moselle):
            yield "kind", "age grid"
            yield from _grid("", standard, currency)
            yield from _grid("Alsace-Moselle, ", alsace_moselle, currency)
        case StaticTablePrice(product_type):
            yield "kind", "static table"
            yield "product_type", product_type
        case FamilyTierPrice():
            yield "kind", "family tier"
            for name in FamilyTierPrice.__slots__:
                minor = getattr(price, name)
                yield name.removesuffix("_minor"), "" if minor is None else amount_in_words(minor, currency)


def _grid(regime: str, rows: tuple[AgeGridRow, ...], currency: str) -> Named:
    for row in rows:
        name = f"{regime}{types_in_words(row.beneficiary_types)}, {ages_in_words(row.min_age, row.max_age)}"
        yield name, amount_in_words(row.monthly_minor, currency)


def _participation(share: Participation, currency: str) -> str:
    paid = [] if share.company_share_bp is None else [f"{rate_in_words(share.company_share_bp)} by the company"]
    if share.company_cap_minor is not None:
        paid.append(f"at most {amount_in_words(share.company_cap_minor, currency)} by the company")
    if share.company_flat_minor is not None:
        paid.append(f"flat {amount_in_words(share.company_flat_minor, currency)} by the company")
    return ", ".join([*paid, f"the rest by {share.remainder_payer}, {share.collection_method}"])
