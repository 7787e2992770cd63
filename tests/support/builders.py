"""Builds contracts for tests of the domain. What a test does not give has a valid default.

Days are ISO dates: the first and the last day, both inclusive; None is unbounded.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID, uuid5

from domain.catalog.contract import (
    Contract,
    ContractVersion,
    Limit,
    LimitKind,
    LimitUnit,
    Module,
    ServiceType,
    TermStart,
)
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    CollectionMethod,
    Discount,
    EngineParameters,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    SocialFundRate,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.days import Span
from domain.members import Facts, Member, MemberKind
from domain.membership import MembershipType
from domain.rules.conditions import Age, Condition, Rule, Subject

EVERYONE = tuple(MembershipType)
ADULT: Condition = Age(Subject.SELF, 18, None)
_NAMES = UUID("0b7f3f0e-5a55-4c0e-9f0a-6f3f4f1d2a10")


def an_id(name: str) -> UUID:
    """Returns the same id for the same name, so that tests can refer to "base" and "option"."""
    return uuid5(_NAMES, name)


def a_span(first_on: str | None = "2026-01-01", last_on: str | None = None) -> Span:
    return Span.between(
        date.fromisoformat(first_on) if first_on else None, date.fromisoformat(last_on) if last_on else None
    )


def a_rule(
    code: str = "ADULT",
    condition: Condition = ADULT,
    *,
    applies_to: Sequence[MembershipType] = (),
    description: str = "",
) -> Rule:
    return Rule(code, description, tuple(applies_to), condition)


def a_limit(
    kind: LimitKind = LimitKind.DEDUCTIBLE,
    benefit: str = "",
    *,
    unit: LimitUnit = LimitUnit.MONEY,
    individual_amount: int | None = 10_000,
    family_amount: int | None = None,
) -> Limit:
    return Limit(kind, benefit, unit, individual_amount, family_amount)


def a_module(
    name: str = "base",
    *,
    slot: str | None = None,
    service_type: ServiceType = ServiceType.BASE,
    membership_types: Sequence[MembershipType] = (),
    commitment_months: int | None = None,
    rules: Sequence[Rule] = (),
    capabilities: Sequence[str] = (),
    limits: Sequence[Limit] = (),
    network_tier: str = "",
    pricing: ModulePricing | None = None,
) -> Module:
    """Returns a module with the id `an_id(name)`: the same name in two versions is the same module."""
    return Module(
        an_id(name),
        name,
        slot,
        service_type,
        tuple(membership_types),
        commitment_months,
        tuple(rules),
        tuple(capabilities),
        tuple(limits),
        network_tier,
        pricing,
    )


def a_version(
    *modules: Module,
    days: Span | None = None,
    max_backdating_days: int = 0,
    rules: Sequence[Rule] = (),
    pricing: VersionPricing | None = None,
    engine_parameters: EngineParameters | None = None,
) -> ContractVersion:
    """Returns a version from 2026 on, with one module by default."""
    return ContractVersion(
        days or a_span(),
        max_backdating_days,
        tuple(rules),
        modules or (a_module(),),
        pricing,
        engine_parameters,
    )


def a_contract(
    *versions: ContractVersion,
    name: str = "contract",
    country_code: str = "FR",
    currency_code: str = "EUR",
    time_zone: str = "Europe/Paris",
    sponsor_id: str = "ACME",
    term_start: TermStart | None = None,
) -> Contract:
    """Returns a contract, with one version by default."""
    versions = versions or (a_version(),)
    return Contract(
        an_id(name),
        name,
        country_code,
        currency_code,
        time_zone,
        sponsor_id,
        term_start or TermStart(),
        versions,
    )


def a_member(name: str = "member", *, kind: MemberKind = MemberKind.PERSON, facts: Facts | None = None) -> Member:
    return Member(an_id(name), kind, name, facts or Facts())


def a_row(*types: MembershipType, ages: tuple[int, int | None] = (0, None), monthly_minor: int = 6_205) -> AgeGridRow:
    """Returns a row of a grid, for every membership type by default. The last age is inclusive."""
    return AgeGridRow(types or EVERYONE, *ages, monthly_minor)


def a_grid(*rows: AgeGridRow, alsace_moselle: Sequence[AgeGridRow] = ()) -> AgeGridPrice:
    return AgeGridPrice(rows or (a_row(),), tuple(alsace_moselle))


def a_module_pricing(
    price: ModulePrice | None = None,
    *,
    free_children_from_rank: int | None = None,
    membership_fees: Sequence[MembershipFee] = (),
    social_fund_rates: Sequence[SocialFundRate] = (),
    participations: Sequence[Participation] = (),
    discounts: Sequence[Discount] = (),
    taxes: Sequence[Tax] = (),
) -> ModulePricing:
    return ModulePricing(
        price,
        free_children_from_rank,
        tuple(membership_fees),
        tuple(social_fund_rates),
        tuple(participations),
        tuple(discounts),
        tuple(taxes),
    )


def a_participation(
    *types: MembershipType,
    share_bp: int | None = None,
    cap_minor: int | None = None,
    flat_minor: int | None = None,
    remainder_payer: MembershipType = MembershipType.PRIMARY,
    collection_method: CollectionMethod = CollectionMethod.DIRECT_BILLING,
) -> Participation:
    return Participation(types, share_bp, cap_minor, flat_minor, remainder_payer, collection_method)


def a_discount(
    discount_id: str = "WELCOME",
    *,
    percent_bp: int | None = None,
    flat_minor: int | None = None,
    types: Sequence[MembershipType] = (),
    days: Span | None = None,
) -> Discount:
    """Returns a discount with a percentage, a flat amount, both, or neither."""
    return Discount(discount_id, percent_bp, flat_minor, tuple(types), days or a_span())


def a_tax(
    code: str = "TSA", rate_bp: int = 1_327, *, base: TaxBase = TaxBase.NET, types: Sequence[MembershipType] = ()
) -> Tax:
    return Tax(code, rate_bp, base, tuple(types))
