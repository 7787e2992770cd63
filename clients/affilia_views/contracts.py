"""Describes what a contract offers: its versions side by side, prices as tables, and limits."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from affilia.catalog.v1 import contract_pb2, pricing_pb2
from affilia.catalog.v1.contract_pb2 import Contract, ContractVersion, Limit, Module
from affilia.catalog.v1.pricing_pb2 import Discount, ModulePricing, Participation
from affilia_client.dates import span_from_proto
from affilia_views.days import format_span
from affilia_views.money import money
from affilia_views.rules import types_words
from affilia_views.words import enum_word

PRICE_TITLES = ("price", "for", "age", "monthly")
EVERYONE = "everyone"


def version_on(contract: Contract, on: date) -> ContractVersion | None:
    """Returns the version in force on a day, or None."""
    for version in contract.versions:
        first, last = span_from_proto(version.days)
        if (first is None or first <= on) and (last is None or on <= last):
            return version
    return None


def versions_side_by_side(contract: Contract) -> list[list[str]]:
    """Returns a row for each module, with how it changes between versions.

    If there are several versions, there is also a row for everything else.
    """
    modules = {module.module_id: module.display_name for version in contract.versions for module in version.modules}
    listed = [{module.module_id: module for module in version.modules} for version in contract.versions]
    rows = [
        [name or module_id, *_cells([version.get(module_id) for version in listed])]
        for module_id, name in modules.items()
    ]
    if len(contract.versions) < 2:
        return rows
    return [*rows, ["everything else", *_cells([_without_modules(version) for version in contract.versions])]]


def _without_modules(version: ContractVersion) -> ContractVersion:
    rest = ContractVersion()
    rest.CopyFrom(version)
    rest.ClearField("modules")
    rest.ClearField("days")
    return rest


def _cells(parts: Sequence[Any]) -> Iterator[str]:
    """Yields how a part of a contract differs from the previous version that has it."""
    previous = None
    for part in parts:
        if part is None:
            yield "-"
            continue
        yield "offered" if previous is None else "the same" if part == previous else "changed"
        previous = part


def module_words(module: Module) -> str:
    """Returns a module with its slot, the types that can enroll, and its commitment."""
    types = types_words(module.membership_types)
    parts = [
        enum_word(contract_pb2.ServiceType, module.service_type),
        f"slot {module.slot}" if module.slot else "no slot",
        f"only {types}" if types else "",
        f"committed for {module.commitment_months} months" if module.HasField("commitment_months") else "",
        f"network {module.network_tier}" if module.network_tier else "",
    ]
    return ", ".join(filter(None, parts))


def limit_words(limit: Limit, currency_code: str) -> str:
    """Returns a limit, such as `benefit OPTICAL: 300.00 EUR for each member`."""

    def amount(number: int) -> str:
        in_money = limit.unit == contract_pb2.LIMIT_UNIT_MONEY
        return money(number, currency_code) if in_money else f"{number} visits"

    name = " ".join(filter(None, (enum_word(contract_pb2.LimitKind, limit.kind).replace("-", " "), limit.benefit)))
    amounts = [f"{amount(limit.individual_amount)} for each member"] if limit.HasField("individual_amount") else []
    amounts += [f"{amount(limit.family_amount)} for the family"] if limit.HasField("family_amount") else []
    return f"{name}: {', '.join(amounts)}"


def price_rows(module: Module, version: ContractVersion, currency_code: str) -> list[list[str]]:
    """Returns the prices of a module as rows with PRICE_TITLES. Empty if it has none."""
    pricing = module.pricing
    match pricing.WhichOneof("price"):
        case "age_grid":
            tables = (("standard", pricing.age_grid.standard), ("Alsace-Moselle", pricing.age_grid.alsace_moselle))
            return [
                [name, types_words(row.beneficiary_types), _ages(row), money(row.monthly_minor, currency_code)]
                for name, rows in tables
                for row in rows
            ]
        case "static_table":
            product = pricing.static_table.product_type
            return [
                [product, EVERYONE, _ages(row), money(row.monthly_minor, currency_code)]
                for row in version.pricing.static_table.rows
                if row.product_type == product
            ]
        case "family_tier":
            tiers = (
                ("single", "single_minor"),
                ("couple", "couple_minor"),
                ("single with children", "single_with_children_minor"),
                ("family", "family_minor"),
            )
            return [
                [name, "the whole family", "", money(getattr(pricing.family_tier, field), currency_code)]
                for name, field in tiers
                if pricing.family_tier.HasField(field)  # type: ignore[arg-type]
            ]
    return []


def _ages(row: Any) -> str:
    return f"{row.min_age} to {row.max_age}" if row.HasField("max_age") else f"from {row.min_age}"


def price_notes(pricing: ModulePricing, currency_code: str) -> list[str]:
    """Returns surcharges and discounts on the prices of a module, and who pays, one line each."""
    free = pricing.free_children_from_rank
    return [
        *([f"children are free from child number {free} on"] if pricing.HasField("free_children_from_rank") else []),
        *(
            f"membership fee: {money(fee.monthly_minor, currency_code)} a month{_for(fee)}"
            for fee in pricing.membership_fees
        ),
        *(f"social fund: {_percent(rate.rate_bp)}{_for(rate)}" for rate in pricing.social_fund_rates),
        *(f"discount {_discount(each, currency_code)}" for each in pricing.discounts),
        *(f"tax {tax.code}: {_percent(tax.rate_bp)}{_for(tax)}" for tax in pricing.taxes),
        *(_participation(each, currency_code) for each in pricing.participations),
    ]


def _discount(discount: Discount, currency_code: str) -> str:
    is_share = discount.WhichOneof("amount") == "percent_bp"
    amount = _percent(discount.percent_bp) if is_share else money(discount.flat_minor, currency_code)
    return f"{discount.discount_id}: {amount}{_for(discount)}, {format_span(discount.days)}"


def _participation(participation: Participation, currency_code: str) -> str:
    parts = [
        f"{_percent(participation.company_share_bp)}" if participation.HasField("company_share_bp") else "",
        f"{money(participation.company_flat_minor, currency_code)}"
        if participation.HasField("company_flat_minor")
        else "",
        f"at most {money(participation.company_cap_minor, currency_code)}"
        if participation.HasField("company_cap_minor")
        else "",
    ]
    company = ", ".join(filter(None, parts)) or "nothing"
    payer = enum_word(pricing_pb2.RemainderPayer, participation.remainder_payer)
    rest = f"; the {payer} pays the rest" if participation.remainder_payer else ""
    return f"the company pays {company}{_for(participation)}{rest}"


def _for(part: Any) -> str:
    types = types_words(part.beneficiary_types)
    return f" for {types}" if types else ""


def _percent(basis_points: int) -> str:
    return f"{basis_points / 100:g} %"
