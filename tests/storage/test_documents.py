"""Documents: values survive a round trip, documents are plain data, and older documents still load."""

import json
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from domain.catalog.contract import Contract, TermStart
from domain.catalog.prices import (
    AgeGridPrice,
    EngineParameters,
    FamilyTierPrice,
    ModulePrice,
    ModulePricing,
    Scheme,
    StaticTablePrice,
    StaticTableRow,
    VersionPricing,
)
from domain.days import Span
from domain.members import Address, Facts, Member
from domain.membership import MembershipType
from domain.rules.conditions import (
    Age,
    Alive,
    AllOf,
    AnyOf,
    Condition,
    Employed,
    EnrolledOn,
    HasAttribute,
    Negation,
    Residence,
    SalaryRange,
    Subject,
    Tenure,
)
from storage.postgres.documents import (
    Document,
    actor_to_document,
    change_request_from_document,
    change_request_to_document,
    contract_from_document,
    contract_to_document,
    member_from_document,
    member_to_document,
)
from tests.domain.test_history_summaries import MIGRATED
from tests.support import catalog_strategies as drawn
from tests.support.builders import (
    a_contract,
    a_grid,
    a_member,
    a_module,
    a_module_pricing,
    a_row,
    a_rule,
    a_span,
    a_version,
    an_id,
)


def through_json(document: Document) -> Document:
    """Returns a document as the database would."""
    read: Document = json.loads(json.dumps(document))
    return read


def stored(contract: Contract) -> Any:
    return through_json(contract_to_document(contract))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn.contracts)
def test_a_contract_survives_a_round_trip(contract: Contract) -> None:
    assert contract_from_document(through_json(contract_to_document(contract))) == contract


@settings(deadline=None)
@given(drawn.members)
def test_a_member_survives_a_round_trip(member: Member) -> None:
    assert member_from_document(through_json(member_to_document(member))) == member


def test_unlisted_modules_are_not_part_of_a_contracts_document() -> None:
    contract = replace(a_contract(a_version(a_module(slot="base"))), unlisted={an_id("earlier"): "base"})
    assert not {"slots", "unlisted"} & stored(contract).keys()
    assert contract_from_document(stored(contract)) == replace(contract, unlisted={})


def test_creating_a_document_does_not_change_the_contract() -> None:
    contract = a_contract()
    assert contract.life
    assert stored(contract) == stored(contract)
    assert contract.slots == {an_id("base"): None}


# ------------------------------------------------------------------------------------------ format


@pytest.mark.parametrize(
    ("span", "document"),
    [
        (a_span("2026-01-01", "2026-01-31"), ["2026-01-01", "2026-01-31"]),
        (a_span("2026-01-01", None), ["2026-01-01", None]),
        (a_span(None, "9999-12-31"), [None, "9999-12-31"]),
        (a_span(None, None), [None, None]),
    ],
)
def test_a_span_is_its_first_and_last_day_inclusive(span: Span, document: list[str | None]) -> None:
    contract = a_contract(a_version(days=span))
    assert stored(contract)["versions"][0]["days"] == document
    assert contract_from_document(stored(contract)).versions[0].days == span


def test_ids_dates_and_enums_are_text() -> None:
    document = member_to_document(a_member(facts=Facts(born_on=date(2001, 5, 20))))
    assert document["member_id"] == str(an_id("member"))
    assert document["kind"] == "PERSON"
    assert document["facts"]["born_on"] == "2001-05-20"


def plain(value: object) -> bool:
    """Returns whether a value consists only of the types of JSON, without subclasses such as enum members."""
    if type(value) is dict:
        return all(type(key) is str and plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(plain, value))
    return value is None or type(value) in (str, int, bool)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn.contracts, drawn.members)
def test_documents_are_plain_data(contract: Contract, member: Member) -> None:
    assert plain(contract_to_document(contract))
    assert plain(member_to_document(member))


CONDITIONS: list[Condition] = [
    AllOf((Age(Subject.SELF, 18, None),)),
    AnyOf((Age(Subject.SELF, 18, None), AllOf(()))),
    Negation(Negation(Age(Subject.PRIMARY, None, 25))),
    Age(Subject.SELF, 0, 25),
    SalaryRange(Subject.PRIMARY, 1, None, True),
    Employed(Subject.SELF, (), False),
    Tenure(Subject.ANY_MEMBER, 90, True),
    Residence(Subject.EVERY_MEMBER, ("FR",), ("75", "")),
    HasAttribute(Subject.SELF, "GRADE", ("A",)),
    Alive(Subject.PRIMARY),
    EnrolledOn(Subject.SELF, (an_id("base"),)),
]


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: type(condition).__name__)
def test_every_kind_of_condition_is_tagged_and_survives_a_round_trip(condition: Condition) -> None:
    contract = a_contract(a_version(rules=[a_rule(condition=condition)]))
    document = stored(contract)["versions"][0]["rules"][0]["condition"]
    assert document["kind"] == type(condition).__name__
    assert contract_from_document(stored(contract)).versions[0].rules[0].condition == condition


@pytest.mark.parametrize(
    "price",
    [a_grid(), AgeGridPrice((), ()), StaticTablePrice("CORE"), FamilyTierPrice(1, 2), FamilyTierPrice(1, 2, 0, 3)],
    ids=lambda price: type(price).__name__,
)
def test_every_kind_of_price_is_tagged_and_survives_a_round_trip(price: ModulePrice) -> None:
    contract = a_contract(a_version(a_module(pricing=a_module_pricing(price))))
    document = stored(contract)["versions"][0]["modules"][0]["pricing"]["price"]
    assert document["kind"] == type(price).__name__
    assert price_of(contract_from_document(stored(contract))) == price


def price_of(contract: Contract) -> ModulePrice | None:
    pricing: ModulePricing | None = contract.versions[0].modules[0].pricing
    assert pricing is not None
    return pricing.price


def test_a_missing_price_is_stored_as_null() -> None:
    contract = a_contract(a_version(a_module(pricing=a_module_pricing(None))))
    assert stored(contract)["versions"][0]["modules"][0]["pricing"]["price"] is None
    assert price_of(contract_from_document(stored(contract))) is None


# ---------------------------------------------------------------------------------------- other releases


def without_defaulted(value: object, document: Any) -> Any:
    """Returns a document without all fields that have a default."""
    if is_dataclass(value):
        has_default = {f.name for f in fields(value) if f.default is not MISSING or f.default_factory is not MISSING}
        return {
            name: without_defaulted(getattr(value, name, None), item)
            for name, item in document.items()
            if name not in has_default
        }
    if isinstance(value, tuple) and not isinstance(value, Span):
        return [without_defaulted(v, d) for v, d in zip(value, document, strict=True)]
    return document


def test_a_member_stored_before_dates_of_death_has_none() -> None:
    document = member_to_document(replace(a_member(), facts=Facts(died_on=date(2026, 3, 10))))
    assert member_from_document(document).facts.died_on == date(2026, 3, 10)
    del document["facts"]["died_on"]
    assert member_from_document(document).facts.died_on is None


def test_a_contract_without_optional_fields_loads_with_their_defaults() -> None:
    tiers = a_module("tiers", pricing=a_module_pricing(FamilyTierPrice(1, 2, 3, 4)))
    grid = a_module("grid", pricing=a_module_pricing(a_grid(alsace_moselle=[a_row(MembershipType.CHILD)])))
    version = a_version(
        tiers,
        grid,
        pricing=VersionPricing(Scheme.STATIC_TABLE, (StaticTableRow("CORE", 0, None, 1),)),
        engine_parameters=EngineParameters(default_age_child=17),
    )
    contract = a_contract(version, term_start=TermStart(4, 2))
    old = without_defaulted(contract, stored(contract))
    assert old != stored(contract)

    loaded = contract_from_document(old)
    assert loaded.term_start == TermStart()
    assert loaded.versions[0].engine_parameters == EngineParameters()
    assert loaded.versions[0].pricing == VersionPricing(Scheme.STATIC_TABLE)
    assert price_of(loaded) == FamilyTierPrice(1, 2)
    grid_pricing = loaded.versions[0].modules[1].pricing
    assert grid_pricing is not None
    assert grid_pricing.price == a_grid()


def test_a_member_without_optional_fields_loads_with_their_defaults() -> None:
    member = a_member(facts=Facts(date(2001, 5, 20), addresses=(Address(a_span(), "FR", "75001"),)))
    old = without_defaulted(member, through_json(member_to_document(member)))
    assert old["facts"] == {}
    assert member_from_document(old) == a_member()


def test_a_change_request_survives_a_round_trip_and_loads_without_overridden_before() -> None:
    document = through_json(change_request_to_document(MIGRATED))
    assert change_request_from_document(document, actor_to_document(MIGRATED.actor)) == MIGRATED
    del document["overridden_before"]
    loaded = change_request_from_document(document, actor_to_document(MIGRATED.actor))
    assert loaded == replace(MIGRATED, overridden_before=None)


def test_unknown_fields_of_newer_releases_are_ignored() -> None:
    contract = a_contract()
    newer = stored(contract)
    newer["new_field"] = 1
    newer["versions"][0]["modules"][0]["new_field"] = {"a": []}
    assert contract_from_document(newer) == contract
