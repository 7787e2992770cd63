"""The largest amounts: rejected when a contract is published, or computed exactly, and never a defect."""

from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, pricing_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.pricing.v1 import cost_provider_service_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_costs import costs, inquiry, of_policy, priced_contract, quote, spec
from tests.rpc.test_premium_runs import a_run, ended, insured, premiums
from tests.rpc.test_premiums import entries
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.channels import connected_to

LARGEST = 10**11
MAX_MONTHLY = 10**13
FAILED_PRECONDITION, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT


def compounded(family: Family, taxes: int) -> contract_pb2.Contract:
    """Returns a contract: the base module at the maximum price, with taxes of 100 % that compound."""
    contract = priced_contract(family)
    pricing = contract.versions[0].modules[0].pricing
    pricing.age_grid.standard[0].monthly_minor = LARGEST
    del pricing.taxes[:]
    for n in range(taxes):
        pricing.taxes.add(code=f"T{n}", rate_bp=10_000, base=pricing_pb2.TAX_BASE_NET_AND_EARLIER_TAXES)
    return contract


def test_a_contract_whose_taxes_could_exceed_the_maximum_is_neither_published_nor_amended(family: Family) -> None:
    other = Family(family.channel)
    publish = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=compounded(other, 50))
    failure = failure_of(family.catalog.PublishContract, publish)
    assert (failure.code, set(failure.violations)) == (INVALID, {"contract.versions[0].modules[0].pricing.taxes"})
    with pytest.raises(grpc.RpcError) as raised:
        family.amend(compounded(family, 7))
    error: Any = raised.value
    assert error.code() == INVALID


def test_the_largest_amounts_are_priced_billed_and_added_up_exactly(server_channel: grpc.Channel) -> None:
    family = Family(server_channel).set_up()
    family.amend(compounded(family, 6))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    month = 64 * LARGEST
    asked = [inquiry(policy=of_policy(family))] * 2
    asked.append(inquiry(contract_quote=quote(family, *[spec(family)] * 100)))
    request = cost_provider_service_pb2.BatchGetInsuranceCostRequest(inquiries=asked)
    results = costs(family).BatchGetInsuranceCost(request).results
    assert [r.cost.totals.overall.taxed_minor for r in results] == [month, month, 100 * month]
    computed = premiums(server_channel).ComputePremiums(
        pb.ComputePremiumsRequest(request_id=new_id(), policy=of_policy(family), months=months("2026-01", "2035-12"))
    )
    assert computed.entries == 120
    sums = premiums(server_channel).AggregatePremiums(aggregate(family, "2026-01", "2035-12")).sums
    assert [each.amount_minor for each in sums] == [120 * month]
    listed = entries(family)
    assert sum(c.owed_minor for entry in listed for c in entry.components) == 120 * month
    marked = premiums(server_channel).MarkPremiumsInvoiced(
        pb.MarkPremiumsInvoicedRequest(
            request_id=new_id(),
            entry_ids=[entry.entry_id for entry in listed],
            debtor=premium_entry_pb2.DEBTOR_PRIMARY,
            invoice_id="all of it",
        )
    )
    assert marked.amount_minor == 120 * month // 2


def aggregate(family: Family, first: str, last: str) -> pb.AggregatePremiumsRequest:
    by = [pb.PREMIUM_DIMENSION_CONTRACT]
    return pb.AggregatePremiumsRequest(by=by, months=months(first, last), contract_ids=[family.contract_id])


def test_a_sum_beyond_64_bits_is_an_error_with_a_reason(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        family = insured(channel)
        assert ended(channel, a_run(family)).run.entries == 12
        with psycopg.connect(own_database_url) as connection:  # more than any published contract leads to
            connection.execute("UPDATE premium_price SET monthly_minor = array_fill(2::bigint ^ 60, ARRAY[4])")
        failure = failure_of(premiums(channel).AggregatePremiums, aggregate(family, "2026-01", "2026-12"))
        assert (failure.code, failure.reason) == (FAILED_PRECONDITION, "AMOUNT_TOO_LARGE")
        assert failure.facts == {"max_minor": str(2**63 - 1)}
        (whole,) = premiums(channel).AggregatePremiums(aggregate(family, "2026-01", "2026-01")).sums
        assert whole.amount_minor == 2**62
    server.stop()


def test_a_policy_under_a_contract_stored_before_the_maximum_is_reported_and_stops_no_run(
    own_database_url: str, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path / "before", "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        dear, ordinary = insured(channel), insured(channel)
    server.stop()
    with psycopg.connect(own_database_url) as connection:
        connection.execute(
            "UPDATE contract_revision SET document = jsonb_set(document, '{versions,0,modules,0,pricing,taxes}', %s)"
            " WHERE contract_id = %s",
            [TAXES_AS_STORED, dear.contract_id],
        )
    server = ServerProcess(tmp_path / "after", "--database-url", own_database_url)
    with connected_to(server.address) as channel:
        dear, ordinary = (Family(channel, **each.ids()) for each in (dear, ordinary))
        asked = cost_provider_service_pb2.GetInsuranceCostRequest(inquiry=inquiry(policy=of_policy(dear)))
        failure = failure_of(costs(dear).GetInsuranceCost, asked)
        assert (failure.code, failure.reason) == (FAILED_PRECONDITION, "AMOUNT_TOO_LARGE")
        assert failure.facts["max_minor"] == str(MAX_MONTHLY)
        assert failure.facts["module_id"] == dear.base
        run = ended(channel, pb.RunPremiumsRequest(request_id=new_id(), months=months("2026-01", "2026-12"))).run
        assert (run.done, run.failed, run.entries) == (2, 1, 12)
        assert [len(entries(each)) for each in (dear, ordinary)] == [0, 12]
    server.stop()


TAXES_AS_STORED = (
    "["
    + ",".join(['{"code": "T", "rate_bp": 10000, "base": "NET_AND_EARLIER_TAXES", "beneficiary_types": []}'] * 50)
    + "]"
)
