"""Measures costs of a family of four on two modules: in process, over gRPC compared with an empty call, and 1000 per
call."""

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceStub
from benchmarks.running import a_server, calls_per_second
from domain.membership import MembershipType
from domain.pricing.beneficiaries import BeneficiarySpec
from domain.pricing.inquiries import price_quote
from server.mapping.contract import contract_from_proto
from server.mapping.enums import MEMBERSHIP_TYPES
from tests.rpc.test_costs import inquiry, priced_contract
from tests.support.calls import Family

CALLERS = 8
IN_PROCESS_SECONDS = 2.0
BATCH = 1000
FAMILY = (
    (MembershipType.PRIMARY, 41),
    (MembershipType.PARTNER, 39),
    (MembershipType.CHILD, 9),
    (MembershipType.CHILD, 6),
)


def measure() -> None:
    with a_server() as (_, channel):
        family = Family(channel).set_up()
        contract = priced_contract(family)
        family.amend(contract)
        quotes = CostProviderServiceStub(channel)
        asked = inquiry(
            contract_quote=insurance_cost_pb2.ContractQuote(
                contract_id=family.contract_id,
                beneficiaries=[
                    insurance_cost_pb2.BeneficiarySpec(
                        beneficiary_type=MEMBERSHIP_TYPES.to_proto(kind),
                        age=age,
                        module_ids=[family.base, family.option],
                    )
                    for kind, age in FAMILY
                ],
            )
        )
        empty = calls_per_second(_health(channel), CALLERS)
        one = pb.GetInsuranceCostRequest(inquiry=asked)
        single = calls_per_second(lambda _: quotes.GetInsuranceCost(one), CALLERS)
        many = pb.BatchGetInsuranceCostRequest(inquiries=[asked] * BATCH)
        batches = calls_per_second(lambda _: quotes.BatchGetInsuranceCost(many), 2)
    domain = contract_from_proto(contract)
    base, _, option = (module.module_id for module in domain.versions[0].modules)
    specs = [BeneficiarySpec(kind, age, module_ids=(base, option)) for kind, age in FAMILY]
    done, began = 0, time.perf_counter()
    while time.perf_counter() < began + IN_PROCESS_SECONDS:
        price_quote(domain, specs, date(2026, 3, 1))
        done += 1
    inside = done / (time.perf_counter() - began)
    print(f"in process: {inside:.0f} quotes/s of one core (four people on two modules)")
    print(f"health check: {empty:.0f} calls/s ({CALLERS} callers in one Python process beside the server)")
    print(f"GetInsuranceCost: {single:.0f} calls/s, {single / empty:.2f} of the health check")
    times = batches * BATCH / single
    print(f"BatchGetInsuranceCost of {BATCH}: {batches * BATCH:.0f} quotes/s, {times:.1f} x single calls")


def _health(channel: grpc.Channel) -> Callable[[int], object]:
    health: Any = health_pb2_grpc.HealthStub(channel)
    return lambda _: health.Check(health_pb2.HealthCheckRequest())
