"""Hypothesis strategies for contracts and members: everything that the protos can express, publishable or not."""

from datetime import date
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

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
    AgeNormalization,
    AgeStrategy,
    CollectionMethod,
    Discount,
    EngineParameters,
    FamilyTierPrice,
    MembershipFee,
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
from domain.days import Span
from domain.members import (
    Address,
    Attribute,
    Employment,
    EmploymentStatus,
    Facts,
    HealthRegime,
    HealthRegimeSpan,
    Identifier,
    Member,
    MemberKind,
    Salary,
)
from domain.membership import MembershipType
from domain.money import Rounding
from domain.rules.conditions import (
    Age,
    AgeEnd,
    Alive,
    AllOf,
    AnyOf,
    CalendarEnd,
    CalendarStart,
    Condition,
    Employed,
    EnrolledOn,
    HasAttribute,
    Negation,
    Residence,
    Rule,
    SalaryRange,
    Subject,
    Tenure,
)


def few(items: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Returns tuples of at most three."""
    return st.lists(items, max_size=3).map(tuple)


def maybe(value: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | value


def _span(first_on: date | None, last_on: date | None) -> Span:
    if first_on and last_on:
        first_on, last_on = sorted((first_on, last_on))
    return Span.between(first_on, last_on)


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True)
ages = st.integers(0, 200)
amounts = st.integers(0, 10**12)
rates = st.integers(0, 10_000)
types = few(st.sampled_from(MembershipType))
spans = st.builds(_span, maybe(st.dates()), maybe(st.dates()))
subjects = st.sampled_from(Subject)
starts, ends = st.sampled_from(CalendarStart), st.sampled_from(CalendarEnd)

leaves: SearchStrategy[Condition] = st.one_of(
    st.builds(Age, subjects, maybe(ages), maybe(ages), st.sampled_from(AgeEnd), starts),
    st.builds(SalaryRange, subjects, maybe(amounts), maybe(amounts), st.booleans(), ends),
    st.builds(Employed, subjects, few(st.sampled_from(EmploymentStatus)), st.booleans(), ends),
    st.builds(Tenure, subjects, st.integers(0, 40_000), st.booleans(), starts),
    st.builds(Residence, subjects, few(st.sampled_from(["FR", "BE", "CA"])), few(texts), ends),
    st.builds(HasAttribute, subjects, names, few(texts), ends),
    st.builds(Alive, subjects),
    st.builds(EnrolledOn, subjects, few(st.uuids())),
)
conditions: SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.builds(AllOf, few(inner)) | st.builds(AnyOf, few(inner)) | st.builds(Negation, inner),
    max_leaves=6,
)
rules = st.builds(Rule, names, texts, types, conditions)

static_table_rows = st.builds(StaticTableRow, names, ages, maybe(ages), amounts)
version_pricings = st.one_of(
    st.builds(VersionPricing, st.sampled_from([Scheme.AGE_GRID, Scheme.FAMILY_TIER])),
    st.builds(VersionPricing, st.just(Scheme.STATIC_TABLE), few(static_table_rows)),
)
age_grid_rows = st.builds(AgeGridRow, types, ages, maybe(ages), amounts)
prices = st.one_of(
    st.builds(AgeGridPrice, few(age_grid_rows), few(age_grid_rows)),
    st.builds(StaticTablePrice, names),
    st.builds(FamilyTierPrice, amounts, amounts, maybe(amounts), maybe(amounts)),
)
participations = st.builds(
    Participation,
    types,
    maybe(rates),
    maybe(amounts),
    maybe(amounts),
    st.sampled_from([MembershipType.PRIMARY, MembershipType.PARTNER]),
    st.sampled_from(CollectionMethod),
)
discounts = st.builds(Discount, names, rates, st.none(), types, spans) | st.builds(
    Discount, names, st.none(), amounts, types, spans
)
module_pricings = st.builds(
    ModulePricing,
    maybe(prices),
    maybe(st.integers(1, 100)),
    few(st.builds(MembershipFee, types, amounts)),
    few(st.builds(SocialFundRate, types, rates)),
    few(participations),
    few(discounts),
    few(st.builds(Tax, names, rates, st.sampled_from(TaxBase), types)),
)
engine_parameters = st.builds(
    EngineParameters,
    maybe(st.sampled_from(AgeStrategy)),
    maybe(st.sampled_from(Rounding)),
    maybe(st.sampled_from(ProrataStrategy)),
    maybe(ages),
    maybe(ages),
    maybe(st.sampled_from(AgeNormalization)),
    maybe(st.integers(1, 28)),
)

limits = st.builds(Limit, st.sampled_from(LimitKind), texts, st.sampled_from(LimitUnit), maybe(amounts), maybe(amounts))
modules = st.builds(
    Module,
    st.uuids(),
    texts,
    maybe(names),
    st.sampled_from(ServiceType),
    types,
    maybe(st.integers(1, 1200)),
    few(rules),
    few(names),
    few(limits),
    texts,
    maybe(module_pricings),
)
versions = st.builds(
    ContractVersion,
    spans,
    st.integers(0, 36_500),
    few(rules),
    few(modules),
    maybe(version_pricings),
    maybe(engine_parameters),
)
term_starts = st.builds(TermStart, st.integers(1, 12), st.integers(1, 31))
contracts = st.builds(
    Contract, st.uuids(), texts, names, names, texts, texts, term_starts, few(versions), unlisted=st.just({})
)

addresses = st.builds(Address, spans, names, texts)
salaries = st.builds(Salary, amounts, names)
employments = st.builds(Employment, spans, names, st.sampled_from(EmploymentStatus), maybe(salaries))
health_regime_spans = st.builds(HealthRegimeSpan, spans, st.sampled_from(HealthRegime))
attributes = st.builds(Attribute, spans, names, texts)
all_facts = st.builds(
    Facts, maybe(st.dates()), few(addresses), few(employments), few(health_regime_spans), few(attributes)
)
identifiers = st.builds(Identifier, texts, texts)
members = st.builds(Member, st.uuids(), st.sampled_from(MemberKind), texts, all_facts, few(identifiers))
