"""Measures premiums: a family of four over twelve months in process, compared with pricing each day separately; and
RunPremiums over a portfolio and over one ten times as large. ARGS="premiums 100000" sets the size of the larger one."""

import gc
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import grpc

from affilia.enrollment.v1 import change_request_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.type.v1 import membership_type_pb2
from benchmarks.figures import Figure, table
from domain.days import Days, Span
from domain.enrollment.decisions import EnrollmentKey
from domain.members import Facts
from domain.membership import MembershipType
from domain.premiums.affiliation import InsuredPolicy
from domain.premiums.entries import premium_stretches, span_of
from domain.premiums.months import month_of
from domain.premiums.pricing_periods import ContractPricing
from domain.pricing.inquiries import Policy
from server.garbage_collection import GC_THRESHOLDS
from server.mapping.contract import contract_from_proto
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.domain.premium_model import owed_by_days
from tests.rpc.test_costs import EVERYONE, priced_contract
from tests.scenarios.enrollment_messages import span
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, new_id
from tests.support.portfolio import clone_policies

FIRST_ON, LAST_ON = date(2026, 1, 1), date(2026, 12, 31)
FIRST, LAST = month_of(FIRST_ON), month_of(LAST_ON)
IN_PROCESS = 50_000
BY_DAYS = 10
IN_PROCESS_RATE, DAY_BY_DAY_FACTOR, RUN_RATE, MAX_GROWTH = 20_000, 30, 5_000, 1.1
KINDS = (MembershipType.PRIMARY, MembershipType.PARTNER, MembershipType.CHILD, MembershipType.CHILD)


def measure(policies: str = "100000") -> list[Figure]:
    gc.set_threshold(*GC_THRESHOLDS)
    large = int(policies)
    in_process = _in_process()
    small, small_again = _portfolio(large // 10)
    big, big_again = _portfolio(large)
    growth = Figure(
        name="premiums.growth.factor",
        value=small / big,
        unit="x",
        at_most=MAX_GROWTH,
        against=f"cost per policy, {large} beside {large // 10} policies",
    )
    return [
        *in_process,
        Figure(
            name="premiums.small.rate", value=small, unit="policies/s", against=f"{large // 10} policies x 12 months"
        ),
        Figure(name="premiums.small.again.rate", value=small_again, unit="policies/s", against="nothing has changed"),
        Figure(name="premiums.run.rate", value=big, unit="policies/s", at_least=RUN_RATE, against=f"{large} policies"),
        Figure(name="premiums.run.again.rate", value=big_again, unit="policies/s", against="nothing has changed"),
        growth,
    ]


def _contract(family: Family) -> Any:
    """The base module with a price for every five years of age, a tax, and half paid by the company."""
    contract = priced_contract(family)
    grid = contract.versions[0].modules[0].pricing.age_grid
    del grid.standard[:]
    for age in range(0, 100, 5):
        grid.standard.add(
            beneficiary_types=EVERYONE,
            min_age=age,
            max_age=age + 4 if age < 95 else None,
            monthly_minor=1_000 + 90 * age,
        )
    return contract


def _born(random: Random, on: date) -> date:
    return on + timedelta(days=random.randrange(-2_500, 2_500))


def _in_process() -> list[Figure]:
    with grpc.insecure_channel("nowhere.invalid:1") as channel:
        contract = contract_from_proto(_contract(Family(channel)))
    random, base = Random(1), contract.versions[0].modules[0].module_id
    families = [_family(random, contract, base, n) for n in range(IN_PROCESS)]
    pricing = ContractPricing(contract, span_of(FIRST, LAST))
    began = time.process_time()
    stretches = sum(len(list(premium_stretches(family, pricing))) for family in families)
    policies = IN_PROCESS / (time.process_time() - began)
    began = time.process_time()
    for family in families[:BY_DAYS]:
        owed_by_days(family, FIRST_ON, LAST_ON)
    by_days = BY_DAYS / (time.process_time() - began)
    against = f"CPU time of one core; 12 months, explained, {stretches / IN_PROCESS:.1f} stretches each"
    return [
        Figure(
            name="premiums.in_process.rate",
            value=policies,
            unit="policies/s",
            at_least=IN_PROCESS_RATE,
            against=against,
        ),
        Figure(
            name="premiums.in_process.factor",
            value=policies / by_days,
            unit="x",
            at_least=DAY_BY_DAY_FACTOR,
            against=f"day by day, {by_days:.1f} policies/s",
        ),
    ]


def _family(random: Random, contract: Any, module: UUID, number: int) -> InsuredPolicy:
    ids = [UUID(int=number * 10 + i + 1) for i in range(len(KINDS))]
    births = [_born(random, date(1982, 5, 5) if i < 2 else date(2014, 5, 5)) for i in range(len(KINDS))]
    facts = {member: Facts(born) for member, born in zip(ids, births, strict=True)}
    since = Days((Span.between(date(2025, 1, 1), None),))
    policy = Policy(contract, UUID(int=number * 10 + 9), ids[0], facts)
    return InsuredPolicy(
        policy, {EnrollmentKey(member, module): since for member in ids}, dict(zip(ids, KINDS, strict=True))
    )


def _portfolio(policies: int) -> tuple[float, float]:
    """Returns the policies per second of the first run on a new database, and of a second one that changes nothing."""
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        server = ServerProcess(Path(folder), "--database-url", postgres.url)
        try:
            with grpc.insecure_channel(server.address) as channel:
                family = Family(channel).set_up()
                family.amend(_contract(family))
                family.submit(*_everybody(family), requester=admin())
                clone_policies(postgres.url, str(family.group().group_id), policies - 1, _born)
                first, _ = _run(channel, family)
                again, _ = _run(channel, family)
        finally:
            server.stop()
            postgres.stop()
    return first, again


def _everybody(family: Family) -> list[change_request_pb2.ScopedChange]:
    """A primary, a partner and two children on the base module."""
    changes = []
    types = membership_type_pb2.MembershipType
    for kind, member, born in (
        (types.MEMBERSHIP_TYPE_PRIMARY, family.primary, "1982-05-05"),
        (types.MEMBERSHIP_TYPE_PARTNER, new_id(), "1982-05-05"),
        (types.MEMBERSHIP_TYPE_CHILD, family.child, "2014-05-05"),
        (types.MEMBERSHIP_TYPE_CHILD, new_id(), "2014-05-05"),
    ):
        if member not in (family.primary, family.child):
            family.store(member)
        family.born(member, born)
        enroll = change_request_pb2.Enroll(
            member_id=member, membership_type=kind, module_id=family.base, days=span("2025-06-01", None)
        )
        changes.append(change_request_pb2.ScopedChange(enroll=enroll))
    return changes


def _run(channel: grpc.Channel, family: Family) -> tuple[float, int]:
    """Returns policies per second, and the number of entries added."""
    asked = pb.RunPremiumsRequest(
        request_id=new_id(), contract_id=family.contract_id, months=months("2026-01", "2026-12")
    )
    began = time.perf_counter()
    (*_, last) = PremiumComputationServiceStub(channel).RunPremiums(asked)
    run = last.run
    if run.done < run.policies or run.failed:
        raise RuntimeError(f"not everything was computed: {run}")
    return run.policies / (time.perf_counter() - began), run.entries


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
