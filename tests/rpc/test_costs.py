"""CostProviderService over the wire: three kinds of requests, batches, errors, and costs in simulations and choices."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from affilia.catalog.v1 import contract_pb2, pricing_pb2
from affilia.enrollment.v1 import change_request_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from affilia.type.v1 import cost_pb2, membership_type_pb2
from affilia_cli.samples.reading import read_samples
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin, decoded, failure_of, new_id
from tests.support.channels import connected_to

PRIMARY = membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY
CHILD = membership_type_pb2.MEMBERSHIP_TYPE_CHILD
EVERYONE = [number for number in membership_type_pb2.MembershipType.values() if number]


def priced_contract(family: Family) -> contract_pb2.Contract:
    """Returns a contract: base 100.00, of which the company pays half, plus 150.00, option 10.00, free from child 2."""
    contract = family.contract()
    version = contract.versions[0]
    version.pricing.age_grid.SetInParent()
    for module, amount in zip(version.modules, (10_000, 15_000, 1_000), strict=True):
        row = pricing_pb2.AgeGridRow(beneficiary_types=EVERYONE, min_age=0, monthly_minor=amount)
        module.pricing.age_grid.standard.append(row)
        module.pricing.taxes.add(code="T", rate_bp=1000, base=pricing_pb2.TAX_BASE_NET)
    version.modules[0].pricing.participations.add(company_share_bp=5000)
    return contract


@pytest.fixture
def priced(server_channel: grpc.Channel) -> Family:
    """A family under a contract with prices, with the primary on the base module."""
    family = Family(server_channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    return family


def costs(family: Family) -> Any:
    return CostProviderServiceStub(family.channel)


def inquiry(on: str = "2026-03-01", **subject: Any) -> insurance_cost_pb2.CostInquiry:
    return insurance_cost_pb2.CostInquiry(on=date(on), **subject)


def of_policy(family: Family) -> insurance_cost_pb2.Policy:
    return insurance_cost_pb2.Policy(key=family.key)


def quote(family: Family, *specs: insurance_cost_pb2.BeneficiarySpec) -> insurance_cost_pb2.ContractQuote:
    return insurance_cost_pb2.ContractQuote(contract_id=family.contract_id, beneficiaries=specs)


def spec(family: Family, kind: Any = PRIMARY, **more: Any) -> insurance_cost_pb2.BeneficiarySpec:
    return insurance_cost_pb2.BeneficiarySpec(
        beneficiary_type=kind, module_ids=more.pop("module_ids", [family.base]), **more
    )


def ask(family: Family, asked: insurance_cost_pb2.CostInquiry) -> insurance_cost_pb2.InsuranceCost:
    answer: pb.GetInsuranceCostResponse = costs(family).GetInsuranceCost(pb.GetInsuranceCostRequest(inquiry=asked))
    return answer.cost


def payers(totals: cost_pb2.CostTotals) -> tuple[int, int, int, int]:
    """Returns the costs with taxes: total, company, primary, partner."""
    return (
        totals.overall.taxed_minor,
        totals.company.taxed_minor,
        totals.primary.taxed_minor,
        totals.partner.taxed_minor,
    )


# ------------------------------------------------------------------------------------------------ three forms


def test_a_policy_is_priced_as_enrolled(priced: Family) -> None:
    cost = ask(priced, inquiry(policy=of_policy(priced)))
    assert payers(cost.totals) == (11_000, 5_500, 5_500, 0)
    (enrolled,) = priced.group().periods
    assert {component.enrollment_id for component in cost.components} == {enrolled.enrollment_id}
    assert [(b.member_id, b.priced_age) for b in cost.beneficiaries] == [(priced.primary, 45)]  # FR: from January on
    assert [(m.module_id, m.amounts.taxed_minor) for m in cost.modules] == [(priced.base, 11_000)]
    by_id = insurance_cost_pb2.Policy(group_id=priced.group().group_id)
    assert ask(priced, inquiry(policy=by_id)) == cost


def test_people_on_a_policy_get_the_modules_of_its_primary(priced: Family) -> None:
    partner = insurance_cost_pb2.BeneficiarySpec(beneficiary_type=CHILD, age=7)
    asked = insurance_cost_pb2.PolicyQuote(policy=of_policy(priced), beneficiaries=[spec(priced), partner])
    cost = ask(priced, inquiry(policy_quote=asked))
    assert [c.module_id for c in cost.components] == [priced.base] * len(cost.components)
    assert [b.priced_age for b in cost.beneficiaries] == [25, 7]
    assert payers(cost.totals)[0] == 22_000
    assert not any(component.enrollment_id for component in cost.components)


def test_people_under_a_contract_may_be_enrolled_nowhere(priced: Family) -> None:
    cost = ask(priced, inquiry(contract_quote=quote(priced, spec(priced), spec(priced, CHILD, enrollment_id=new_id()))))
    assert [b.priced_age for b in cost.beneficiaries] == [25, 17]
    assert [bool(c.enrollment_id) for c in cost.components] == [c.beneficiary_index == 1 for c in cost.components]


def test_the_rounding_of_the_request_takes_precedence(priced: Family) -> None:
    contract = priced_contract(priced)
    contract.versions[0].modules[0].pricing.age_grid.standard[0].monthly_minor = 1_005
    contract.versions[0].modules[0].pricing.taxes[0].rate_bp = 0
    priced.amend(contract)
    asked = inquiry(contract_quote=quote(priced, spec(priced)))
    assert payers(ask(priced, asked).totals) == (1_005, 502, 503, 0)  # France: to the even
    asked.rounding = pricing_pb2.ROUNDING_STRATEGY_ARITHMETIC
    cost = ask(priced, asked)
    assert (payers(cost.totals), cost.rounding) == ((1_005, 503, 502, 0), asked.rounding)


# ------------------------------------------------------------------------------------------------ errors


def test_what_cannot_be_priced_is_reported(priced: Family) -> None:
    def reason(asked: insurance_cost_pb2.CostInquiry) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        failure = failure_of(costs(priced).GetInsuranceCost, pb.GetInsuranceCostRequest(inquiry=asked))
        return failure.code, failure.reason, failure.facts

    precondition, not_found = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND
    nobody = insurance_cost_pb2.BeneficiarySpec(beneficiary_type=PRIMARY)
    stranger = new_id()
    group_id = priced.group().group_id
    assert reason(inquiry("2024-12-31", contract_quote=quote(priced, spec(priced)))) == (
        precondition,
        "NO_CONTRACT_VERSION",
        {"contract_id": priced.contract_id, "date": "2024-12-31", "matches": "0"},
    )
    assert reason(inquiry("2025-12-31", policy=of_policy(priced))) == (
        precondition,
        "NOBODY_COVERED",
        {"group_id": group_id, "date": "2025-12-31"},
    )
    asked = insurance_cost_pb2.PolicyQuote(policy=of_policy(priced), beneficiaries=[nobody])
    assert reason(inquiry("2025-12-31", policy_quote=asked))[1] == "NO_MODULES"
    assert reason(inquiry(contract_quote=quote(priced, spec(priced, module_ids=[stranger])))) == (
        precondition,
        "MODULE_NOT_IN_VERSION",
        {"module_id": stranger, "date": "2026-03-01"},
    )
    assert reason(inquiry(policy=insurance_cost_pb2.Policy(group_id=stranger)))[:2] == (not_found, "GROUP_UNKNOWN")
    unknown = insurance_cost_pb2.ContractQuote(contract_id=stranger, beneficiaries=[spec(priced)])
    assert reason(inquiry(contract_quote=unknown))[:2] == (not_found, "CONTRACT_UNKNOWN")
    contract = priced_contract(priced)
    contract.versions[0].modules[0].pricing.age_grid.standard[0].max_age = 30
    priced.amend(contract)
    assert reason(inquiry(contract_quote=quote(priced, spec(priced, age=31)))) == (
        precondition,
        "PRICE_MISSING",
        {"beneficiary_type": "PRIMARY", "module_id": priced.base, "age": "31", "date": "2026-03-01"},
    )


def test_a_policy_in_a_country_without_parameters_needs_its_own(priced: Family) -> None:
    contract = priced_contract(priced)
    contract.contract_id, contract.country_code = new_id(), "DE"
    abroad = Family(priced.channel, contract_id=contract.contract_id, primary=priced.primary)
    for module, name in zip(contract.versions[0].modules, ("base", "plus", "option"), strict=True):
        module.module_id = getattr(abroad, name)
    from affilia.catalog.v1 import catalog_service_pb2

    abroad.catalog.PublishContract(catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract))
    abroad.submit(abroad.enroll(abroad.base, "2026-01-01"), requester=admin())
    asked = pb.GetInsuranceCostRequest(inquiry=inquiry(policy=of_policy(abroad)))
    failure = failure_of(costs(abroad).GetInsuranceCost, asked)
    assert (failure.reason, failure.facts["parameter"]) == ("ENGINE_PARAMETER_MISSING", "age_strategy")
    assert payers(ask(abroad, inquiry(contract_quote=quote(abroad, spec(abroad)))).totals)[0] == 11_000


def test_a_malformed_inquiry_reports_every_field(priced: Family) -> None:
    twice = [priced.base, priced.base.upper()]
    asked = inquiry(contract_quote=quote(priced, spec(priced, module_ids=[]), spec(priced, module_ids=twice)))
    failure = failure_of(costs(priced).GetInsuranceCost, pb.GetInsuranceCostRequest(inquiry=asked))
    assert failure.violations == {
        "inquiry.contract_quote.beneficiaries[0].module_ids": "needs at least one item",
        "inquiry.contract_quote.beneficiaries[1].module_ids": "names a module twice",
    }


# ------------------------------------------------------------------------------------------------ batches


def test_an_invalid_item_does_not_fail_the_others(priced: Family) -> None:
    good = inquiry(policy=of_policy(priced))
    bad = [
        insurance_cost_pb2.CostInquiry(on=date("2026-03-01")),
        inquiry("2026-02-28", contract_quote=quote(priced, spec(priced, module_ids=["no uuid"]))),
        inquiry("2024-01-01", policy=of_policy(priced)),
        inquiry(policy=insurance_cost_pb2.Policy(group_id=new_id())),
        inquiry(contract_quote=quote(priced, spec(priced, module_ids=[]))),
    ]
    bad[1].on.day = 30
    asked = [item for wrong in bad for item in (good, wrong)]
    results = costs(priced).BatchGetInsuranceCost(pb.BatchGetInsuranceCostRequest(inquiries=asked)).results
    assert [result.WhichOneof("result") for result in results] == ["cost", "error"] * 5
    assert all(result.cost == ask(priced, good) for result in results[::2])
    invalid, not_found, precondition = 3, 5, 9
    assert [result.error.code for result in results[1::2]] == [invalid, invalid, precondition, not_found, invalid]
    bad_request = error_details_pb2.BadRequest()
    results[3].error.details[1].Unpack(bad_request)
    assert {violation.field for violation in bad_request.field_violations} == {
        "inquiries[3].on",
        "inquiries[3].contract_quote.beneficiaries[0].module_ids[0]",
    }


def test_a_batch_has_1_to_1000_items(priced: Family) -> None:
    item = inquiry(contract_quote=quote(priced, spec(priced)))
    whole = pb.BatchGetInsuranceCostRequest(inquiries=[item] * 1000)
    assert len(costs(priced).BatchGetInsuranceCost(whole).results) == 1000
    for wrong in (pb.BatchGetInsuranceCostRequest(), pb.BatchGetInsuranceCostRequest(inquiries=[item] * 1001)):
        assert "inquiries" in failure_of(costs(priced).BatchGetInsuranceCost, wrong).violations


# ------------------------------------------------------------------------------------------------ enrollment


def simulate(family: Family, *changes: Any, **more: Any) -> change_request_service_pb2.SimulateChangeRequestResponse:
    return family.requests.SimulateChangeRequest(
        change_request_service_pb2.SimulateChangeRequestRequest(
            requester=admin_requester(), group=family.key, changes=changes, **more
        )
    )


def admin_requester() -> Any:
    return admin()


def test_a_simulation_returns_the_cost_before_and_after_on_the_first_changed_day(priced: Family) -> None:
    simulated = simulate(priced, priced.enroll(priced.plus, "2026-06-01"))
    assert simulated.cost.on == date("2026-06-01")
    assert payers(simulated.cost.before) == (11_000, 5_500, 5_500, 0)
    assert payers(simulated.cost.after) == (16_500, 0, 16_500, 0)
    assert payers(simulated.cost.difference) == (5_500, -5_500, 11_000, 0)
    earlier = simulate(priced, priced.enroll(priced.plus, "2026-06-01"), cost_on=date("2026-05-31"))
    assert payers(earlier.cost.difference) == (0, 0, 0, 0)


def test_a_first_enrollment_costs_nothing_before(priced: Family) -> None:
    newcomer = Family(priced.channel, contract_id=priced.contract_id, base=priced.base)
    newcomer.store(newcomer.primary)
    simulated = simulate(newcomer, newcomer.enroll(newcomer.base, "2026-06-01"))
    assert payers(simulated.cost.before) == (0, 0, 0, 0)
    assert payers(simulated.cost.after) == (11_000, 5_500, 5_500, 0)


def test_without_pricing_data_there_is_no_cost_and_nothing_else_changes(family: Family) -> None:
    simulated = simulate(family, family.enroll(family.base, "2026-06-01"))
    assert not simulated.HasField("cost")
    assert not simulated.cost_missing_reason
    assert simulated.periods_after


def test_a_cost_that_cannot_be_computed_is_reported_and_the_simulation_succeeds(priced: Family) -> None:
    contract = priced_contract(priced)
    contract.versions[0].modules[1].ClearField("pricing")
    priced.amend(contract)
    simulated = simulate(priced, priced.enroll(priced.plus, "2026-06-01"))
    assert not simulated.HasField("cost")
    assert simulated.cost_missing_reason == "PRICE_MISSING"
    assert simulated.periods_after


def test_every_choice_has_its_cost(priced: Family) -> None:
    request = change_request_service_pb2.ListAvailableChoicesRequest(
        key=priced.key, member_id=priced.primary, on=date("2026-06-01")
    )
    choices = {c.module_id: c for c in priced.requests.ListAvailableChoices(request).choices}
    assert payers(choices[priced.base].cost.difference) == (0, 0, 0, 0)
    assert payers(choices[priced.plus].cost.difference) == (5_500, -5_500, 11_000, 0)
    assert payers(choices[priced.option].cost.after) == (12_100, 5_500, 6_600, 0)


def test_the_cost_of_a_new_child_agrees_with_the_quote(priced: Family) -> None:
    request = change_request_service_pb2.ListAvailableChoicesRequest(
        key=priced.key, member_id=priced.child, membership_type=CHILD, on=date("2026-06-01")
    )
    choices = {c.module_id: c for c in priced.requests.ListAvailableChoices(request).choices}
    assert payers(choices[priced.base].cost.difference) == (11_000, 5_500, 5_500, 0)


# ------------------------------------------------------------------------------------------------ the sample book


def test_the_sample_book_prices(server_channel: grpc.Channel) -> None:
    """The contracts of the sample book, published with new ids, price families of every kind on every module."""
    from affilia.catalog.v1 import catalog_service_pb2
    from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub

    catalog, provider = CatalogServiceStub(server_channel), CostProviderServiceStub(server_channel)
    for sample in read_samples(Path("samples")):
        contract = contract_pb2.Contract()
        contract.CopyFrom(sample.contract)
        contract.contract_id = new_id()
        renamed: dict[str, str] = {}
        for version in contract.versions:
            version.ClearField("rules")
            for module in version.modules:
                module.module_id = renamed.setdefault(module.module_id, new_id())
                module.ClearField("rules")
                module.ClearField("commitment_months")
        catalog.PublishContract(catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract))
        for module in contract.versions[-1].modules:
            kinds = list(module.membership_types) or [PRIMARY, CHILD]
            specs = [
                insurance_cost_pb2.BeneficiarySpec(beneficiary_type=kind, age=30, module_ids=[module.module_id])
                for kind in kinds
                if kind != CHILD
            ]
            asked = insurance_cost_pb2.ContractQuote(contract_id=contract.contract_id, beneficiaries=specs)
            try:
                answer = provider.GetInsuranceCost(
                    pb.GetInsuranceCostRequest(inquiry=inquiry("2026-03-01", contract_quote=asked))
                )
            except grpc.RpcError as error:
                raise AssertionError(f"{sample.contract.display_name}: {decoded(error)}") from error
            assert answer.cost.totals.overall.taxed_minor > 0


def test_a_quote_sees_what_another_server_has_amended(tmp_path: Path, own_database_url: str) -> None:
    """Contracts are in the memory of each server. Without a consistency token, too, a quote has the newest prices."""
    one = ServerProcess(tmp_path / "one", "--database-url", own_database_url)
    two = ServerProcess(tmp_path / "two", "--database-url", own_database_url)
    with connected_to(one.address) as here, connected_to(two.address) as there:
        family = Family(here).set_up()
        elsewhere = CostProviderServiceStub(there)
        contract = priced_contract(family)
        request = pb.GetInsuranceCostRequest(inquiry=inquiry(contract_quote=quote(family, spec(family))))
        batch = pb.BatchGetInsuranceCostRequest(inquiries=[request.inquiry] * 2)
        for minor in (10_000, 20_000, 30_000, 40_000):
            contract.versions[0].modules[0].pricing.age_grid.standard[0].monthly_minor = minor
            family.amend(contract)
            found = [elsewhere.GetInsuranceCost(request).cost, costs(family).GetInsuranceCost(request).cost]
            found += [result.cost for result in elsewhere.BatchGetInsuranceCost(batch).results]
            assert [payers(cost.totals)[0] for cost in found] == [minor * 11 // 10] * 4
    assert (one.stop(), two.stop()) == (0, 0)
