"""Measures costs of a family of four on two modules: in process, over gRPC compared with a bare call, and 1000 per
call."""

import time
from datetime import date
from functools import partial

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from benchmarks.bare_server import bare_servers
from benchmarks.figures import Figure
from benchmarks.load import Load, run
from benchmarks.running import measured_server
from benchmarks.side_by_side import against_bare, bare_figures, bare_sides, compare
from domain.catalog.contract import Contract
from domain.membership import MembershipType
from domain.pricing.beneficiaries import BeneficiarySpec
from domain.pricing.inquiries import price_quote
from server.mapping.contract import contract_from_proto
from server.mapping.enums import MEMBERSHIP_TYPES
from tests.rpc.test_costs import inquiry, priced_contract
from tests.support.calls import Family

METHOD = "/affilia.pricing.v1.CostProviderService/GetInsuranceCost"
BATCH_METHOD = "/affilia.pricing.v1.CostProviderService/BatchGetInsuranceCost"
CALLERS = 32
SECONDS = 3.0
IN_PROCESS_SECONDS = 2.0
BATCH, BATCH_SECONDS = 1000, 8.0
RATIO = 0.55
FAMILY = (
    (MembershipType.PRIMARY, 41),
    (MembershipType.PARTNER, 39),
    (MembershipType.CHILD, 9),
    (MembershipType.CHILD, 6),
)


def quote(family: Family) -> insurance_cost_pb2.CostInquiry:
    """Returns a question for the costs of a family of four on two modules."""
    specs = [
        insurance_cost_pb2.BeneficiarySpec(
            beneficiary_type=MEMBERSHIP_TYPES.to_proto(kind), age=age, module_ids=[family.base, family.option]
        )
        for kind, age in FAMILY
    ]
    return inquiry(contract_quote=insurance_cost_pb2.ContractQuote(contract_id=family.contract_id, beneficiaries=specs))


def measure() -> list[Figure]:
    with measured_server() as server:
        family = Family(server.channel).set_up()
        contract = priced_contract(family)
        family.amend(contract)
        asked = quote(family)
        one = pb.GetInsuranceCostRequest(inquiry=asked)
        many = pb.BatchGetInsuranceCostRequest(inquiries=[asked] * BATCH)
        response = CostProviderServiceStub(server.channel).GetInsuranceCost(one)
        load = Load(method=METHOD, requests=[one.SerializeToString()], callers=CALLERS, seconds=SECONDS)
        batches = Load(method=BATCH_METHOD, requests=[many.SerializeToString()], callers=2, seconds=BATCH_SECONDS)
        with bare_servers({METHOD: response}) as bare:
            compared = compare(
                {
                    "quotes": partial(run, load, server.address, pids=server.pids),
                    **bare_sides(bare, load),
                    "batches": partial(run, batches, server.address, pids=server.pids),
                }
            )
    in_batches = compared.rate("batches") * BATCH
    return [
        *against_bare(compared, "quotes", "quotes.single", at_least=RATIO),
        *bare_figures(compared, "quotes"),
        Figure(name="quotes.batch.rate", value=in_batches, unit="quotes/s", client=compared.client("batches")),
        Figure(
            name="quotes.batch.factor",
            value=compared.ratio("batches", "quotes") * BATCH,
            unit="x",
            against="single calls",
            client=compared.client("batches"),
        ),
        _in_process(contract_from_proto(contract)),
    ]


def _in_process(contract: Contract) -> Figure:
    base, _, option = (module.module_id for module in contract.versions[0].modules)
    specs = [BeneficiarySpec(kind, age, module_ids=(base, option)) for kind, age in FAMILY]
    done, began = 0, time.process_time()
    while time.process_time() < began + IN_PROCESS_SECONDS:
        price_quote(contract, specs, date(2026, 3, 1))
        done += 1
    rate = done / (time.process_time() - began)
    return Figure(name="quotes.in_process.rate", value=rate, unit="quotes/s", against="CPU time of one core")
