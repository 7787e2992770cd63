"""Costs put together from prepared parts equal those computed component by component from scratch."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia.pricing.v1 import cost_provider_service_pb2 as service_pb
from affilia.pricing.v1 import insurance_cost_pb2 as pb
from domain.catalog.contract import Contract
from domain.catalog.prices import (
    AgeGridPrice,
    AgeGridRow,
    CollectionMethod,
    Discount,
    EngineParameters,
    FamilyTierPrice,
    MembershipFee,
    ModulePrice,
    ModulePricing,
    Participation,
    Scheme,
    SocialFundRate,
    StaticTablePrice,
    StaticTableRow,
    Tax,
    TaxBase,
    VersionPricing,
)
from domain.days import Span
from domain.errors import CannotBePriced
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import BeneficiarySpec
from domain.pricing.costs import Amounts, BilledEntity, Charge, ContributionType, PayerTotals
from domain.pricing.inquiries import Priced, price_quote
from server.mapping.cost_batch import AskedCosts, batch_response, cost_response
from server.mapping.cost_messages import serialized_cost
from server.mapping.dates import date_to_proto
from server.mapping.insurance_cost import (
    beneficiary_cost_to_proto,
    component_to_proto,
    module_cost_to_proto,
    totals_to_proto,
)
from server.mapping.pricing import ROUNDING_STRATEGIES
from tests.support.builders import a_contract, a_module, a_version

EVERYONE = tuple(MembershipType)
ADULTS, CHILDREN = (MembershipType.PRIMARY, MembershipType.PARTNER), (MembershipType.CHILD,)
DAYS = [date(2026, 3, 15), date(2026, 7, 1)]

minor = st.integers(0, 100_000)
bp = st.integers(0, 10_000)
types = st.sampled_from([(), ADULTS, CHILDREN])
bands = st.lists(minor, min_size=3, max_size=3).map(
    lambda amounts: tuple(
        AgeGridRow(EVERYONE, first, last, amount)
        for (first, last), amount in zip([(0, 17), (18, 59), (60, None)], amounts, strict=True)
    )
)
PRICES: dict[Scheme, st.SearchStrategy[ModulePrice]] = {
    Scheme.AGE_GRID: st.builds(AgeGridPrice, bands, st.just(()) | bands),
    Scheme.STATIC_TABLE: st.sampled_from([StaticTablePrice("A"), StaticTablePrice("B")]),
    Scheme.FAMILY_TIER: st.builds(FamilyTierPrice, minor, minor, st.none() | minor, st.none() | minor),
}
participations = st.builds(
    Participation, types, bp, st.none() | minor, st.none(), st.sampled_from(ADULTS), st.sampled_from(CollectionMethod)
) | st.builds(
    Participation, types, st.none(), st.none(), minor, st.sampled_from(ADULTS), st.sampled_from(CollectionMethod)
)
discounts = st.builds(
    Discount,
    st.just("D"),
    bp,
    st.none(),
    types,
    st.sampled_from([Span.between(None, None), Span.between(None, DAYS[0])]),
)


def few(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    scheme = draw(st.sampled_from(Scheme))
    modules = [
        a_module(
            name,
            pricing=draw(
                st.builds(
                    ModulePricing,
                    PRICES[scheme],
                    st.none() | st.integers(1, 3),
                    few(st.builds(MembershipFee, types, minor)),
                    few(st.builds(SocialFundRate, types, bp)),
                    few(participations),
                    few(discounts),
                    few(st.builds(Tax, st.just("T"), bp, st.sampled_from(TaxBase), types)),
                )
            ),
        )
        for name in ("base", "dental", "vision")
    ]
    rows = tuple(
        StaticTableRow(product, first, last, draw(minor)) for product in "AB" for first, last in [(0, 40), (41, None)]
    )
    parameters = draw(st.none() | st.builds(EngineParameters, rounding=st.sampled_from(Rounding)))
    version = a_version(
        *modules, pricing=VersionPricing(scheme, rows if scheme is Scheme.STATIC_TABLE else ()),
        engine_parameters=parameters,
    )  # fmt: skip
    return a_contract(version)


@st.composite
def families(draw: st.DrawFn, contract: Contract) -> list[BeneficiarySpec]:
    module_ids = [module.module_id for module in contract.versions[0].modules]
    people = st.builds(
        BeneficiarySpec,
        st.sampled_from(EVERYONE),
        age=st.none() | st.integers(0, 110),
        born_on=st.none() | st.dates(date(1930, 1, 1), date(2026, 1, 1)),
        regime=st.sampled_from(HealthRegime),
        module_ids=st.lists(st.sampled_from(module_ids), min_size=1, unique=True).map(tuple),
        enrollment_id=st.none() | st.uuids(),
    )
    return draw(st.lists(people, min_size=1, max_size=6))


def plain(priced: Priced) -> pb.InsuranceCost:
    """Returns the message, with every sum added up from the components."""
    components = priced.cost.components
    by_module = dict.fromkeys(c.charge.module_id for c in components)
    return pb.InsuranceCost(
        on=date_to_proto(priced.on),
        currency_code=priced.cost.currency_code,
        components=[component_to_proto(component) for component in components],
        totals=totals_to_proto(
            PayerTotals(*(sums(c.charge for c in components if c.charge.billed_entity is e) for e in BilledEntity))
        ),
        beneficiaries=[
            beneficiary_cost_to_proto(
                person, spec.member_id, sums(c.charge for c in components if c.beneficiary_index == person.spec_index)
            )
            for person, spec in zip(priced.people, priced.specs, strict=True)
        ],
        modules=[
            module_cost_to_proto(module_id, sums(c.charge for c in components if c.charge.module_id == module_id))
            for module_id in by_module
        ],
        rounding=ROUNDING_STRATEGIES.to_proto(priced.rounding),
        view=pb.COST_VIEW_FULL,
    )


def sums(charges: Iterable[Charge]) -> Amounts:
    untaxed = taxes = 0
    for charge in charges:
        if charge.contribution_type is ContributionType.TAXES:
            taxes += charge.monthly_minor
        else:
            untaxed += charge.monthly_minor
    return Amounts(untaxed, taxes)


def outcome(contract: Contract, specs: Sequence[BeneficiarySpec], on: date, rounding: Rounding | None) -> object:
    """Returns a serialized cost and the same in plain form, or the reason why there is none."""
    try:
        priced = price_quote(contract, specs, on, rounding)
    except CannotBePriced as error:
        return error.reason
    message = pb.InsuranceCost.FromString(serialized_cost(priced))
    assert message == plain(priced)
    return message


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_random_quotes_equal_those_computed_from_scratch(data: st.DataObject) -> None:
    contract = data.draw(contracts())
    for _ in range(4):  # later quotes find the prices and parts of earlier ones
        specs, on = data.draw(families(contract)), data.draw(st.sampled_from(DAYS))
        rounding = data.draw(st.none() | st.sampled_from(Rounding))
        prepared = outcome(contract, specs, on, rounding)
        unprepared = replace(contract, versions=tuple(replace(version) for version in contract.versions))
        assert prepared == outcome(unprepared, specs, on, rounding)


def a_quote(amount: int, member_id: UUID | None = None) -> Priced:
    price = AgeGridPrice((AgeGridRow(EVERYONE, 0, None, amount),))
    module = a_module("base", pricing=ModulePricing(price, None, (), (), (), (), ()))
    contract = a_contract(a_version(module, pricing=VersionPricing(Scheme.AGE_GRID)))
    spec = BeneficiarySpec(MembershipType.PRIMARY, 40, module_ids=(module.module_id,), member_id=member_id)
    return price_quote(contract, [spec], DAYS[0])


@pytest.mark.parametrize("amount", [0, 1, 10**11])
def test_responses_have_the_cost(amount: int) -> None:
    priced = a_quote(amount)
    expected = service_pb.GetInsuranceCostResponse(cost=plain(priced))
    assert service_pb.GetInsuranceCostResponse.FromString(bytes(cost_response(priced, basic=False))) == expected  # type: ignore[arg-type]
    results = [service_pb.InsuranceCostResult(cost=plain(priced))] * 3
    batch = batch_response(AskedCosts((None,) * 3), [priced] * 3, basic=False)  # type: ignore[arg-type]
    assert service_pb.BatchGetInsuranceCostResponse.FromString(batch) == (  # type: ignore[arg-type]
        service_pb.BatchGetInsuranceCostResponse(results=results)
    )


def test_responses_that_name_members_are_messages_so_that_the_audit_log_has_their_ids() -> None:
    priced = a_quote(100, uuid4())
    response = cost_response(priced, basic=False)
    assert response == service_pb.GetInsuranceCostResponse(cost=plain(priced))
    batch = batch_response(AskedCosts((None, None)), [a_quote(100), priced], basic=False)  # type: ignore[arg-type]
    assert batch == service_pb.BatchGetInsuranceCostResponse(
        results=[service_pb.InsuranceCostResult(cost=plain(each)) for each in (a_quote(100), priced)]
    )
