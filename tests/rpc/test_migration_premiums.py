"""The premium ledger of groups with legacy rows: closed until the core answers."""

import asyncio
from datetime import date
from typing import Any
from uuid import UUID

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from domain.actors import BEFORE_ACTORS
from domain.premiums.months import month_of
from server.workers.premium_worker import RunDatabase, work
from storage.postgres.database import Connection, Database
from storage.premium_runs import NewRun, begin_run
from storage.requests import WriteKey
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import COMPANY, uninvoiced
from tests.scenarios.ledger_messages import months
from tests.support.calls import failure_of, new_id
from tests.support.migration import CORE, DUAL_WRITE, FORCE_CORE, READ_CORE, RETIRED, TRANSLATE, Row, Spain, Stage
from tests.support.spanish import FLEX, an_age_rule
from tests.support.waiting import wait_until

FAILED = grpc.StatusCode.FAILED_PRECONDITION
YEAR = months("2026-01", "2026-12")


def premiums(spain: Spain) -> Any:
    return PremiumComputationServiceStub(spain.channel)


def a_computation(spain: Spain, owner: str = "P") -> pb.ComputePremiumsRequest:
    policy = insurance_cost_pb2.Policy(key=spain.key(owner))
    return pb.ComputePremiumsRequest(request_id=new_id(), policy=policy, months=YEAR)


def a_run(spain: Spain, **more: Any) -> pb.RunPremiumsRequest:
    return pb.RunPremiumsRequest(request_id=new_id(), months=YEAR, **more)


def priced(spain: Spain) -> Spain:
    spain.family.amend(priced_contract(spain.family))
    spain.user("P", "1980-06-01")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    return spain


@pytest.mark.parametrize("stage", [TRANSLATE, DUAL_WRITE, READ_CORE])
def test_the_ledger_is_closed_while_legacy_answers(spain: Spain, stage: Stage) -> None:
    priced(spain).move_to(stage)
    if stage != READ_CORE:
        spain.row("S", "PRIMARY", FLEX, "2024-03-01", owner="S")
    failure = failure_of(premiums(spain).ComputePremiums, a_computation(spain))
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    if stage != READ_CORE:  # a group that the core doesn't have
        failure = failure_of(premiums(spain).ComputePremiums, a_computation(spain, "S"))
        assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    following = pb.SetPremiumFollowingRequest(contract_id=spain.family.contract_id, following=True)
    failure = failure_of(premiums(spain).SetPremiumFollowing, following)
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    following.following = False
    premiums(spain).SetPremiumFollowing(following)
    last = list(premiums(spain).RunPremiums(a_run(spain, contract_id=spain.family.contract_id), timeout=300))[-1]
    assert (last.run.policies, last.run.failed, last.run.entries) == (0, 0, 0)


@pytest.mark.parametrize("stage", [CORE, RETIRED])
def test_the_ledger_is_open_once_the_core_answers(spain: Spain, stage: Stage) -> None:
    priced(spain).move_to(stage)
    computed = premiums(spain).ComputePremiums(a_computation(spain))
    assert computed.entries == 12
    last = list(premiums(spain).RunPremiums(a_run(spain, contract_id=spain.family.contract_id), timeout=300))[-1]
    assert (last.run.policies, last.run.failed, last.run.entries) == (1, 0, 0)


def test_a_country_that_steps_back_closes_the_ledger(spain: Spain) -> None:
    priced(spain).move_to(CORE)
    premiums(spain).ComputePremiums(a_computation(spain))
    entry, *_ = uninvoiced(spain.family, COMPANY)
    following = pb.SetPremiumFollowingRequest(contract_id=spain.family.contract_id, following=True)
    premiums(spain).SetPremiumFollowing(following)
    spain.move(READ_CORE)
    mark = pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(), invoice_id="I", debtor=COMPANY, entry_ids=[entry.entry_id]
    )
    failure = failure_of(premiums(spain).MarkPremiumsInvoiced, mark)
    assert (failure.code, failure.reason) == (FAILED, "MIGRATION_STAGE")
    # A change marks the policy as outdated. It is followed once the core answers again.
    spain.family.requests.SubmitChangeRequest(spain.submit_request())
    assert is_stale(spain)
    spain.move_to(CORE)
    wait_until(lambda: not is_stale(spain), "the policy is followed")
    premiums(spain).MarkPremiumsInvoiced(mark)


def is_stale(spain: Spain) -> bool:
    asked = pb.ListPremiumEntriesRequest(policy=insurance_cost_pb2.Policy(key=spain.key()), page_size=1)
    return bool(premiums(spain).ListPremiumEntries(asked).HasField("stale_from"))


def test_a_preview_is_computed_as_if_the_group_were_aligned(spain: Spain) -> None:
    spain.family.amend(priced_contract(spain.family))
    spain.user("P", "1980-06-01")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.map()
    spain.compare()
    asked = pb.PreviewPremiumsRequest(policy=insurance_cost_pb2.Policy(key=spain.key()), months=YEAR)
    preview = [entry.components for entry in premiums(spain).PreviewPremiums(asked).entries]
    assert len(preview) == 12
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert [entry.components for entry in premiums(spain).PreviewPremiums(asked).entries] == preview


def test_a_run_writes_recomputes_that_waited_to_the_tables(spain: Spain) -> None:
    """Worker processes read from the database which legacy tables are still written."""
    spain.family.rules.append(an_age_rule())
    spain.user("C", "2004-05-20")
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", FLEX, "2024-03-01")
    priced(spain).move_to(CORE)
    spain.execute(
        "INSERT INTO recompute (recompute_id, group_key, trigger, requested_at, next_attempt_at, today_override, actor)"
        " SELECT gen_random_uuid(), group_key, 'ADMIN', now(), now() + interval '1 day', '2026-03-15', actor"
        " FROM change_request JOIN enrollment_group USING (group_key) WHERE group_id = %s",
        spain.group_id(),
    )
    birth = member_pb2.Birth()
    birth.born_on.year, birth.born_on.month, birth.born_on.day = 2002, 5, 20
    request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=spain.member("C"), birth=birth)
    spain.family.members.RecordFacts(request)

    async def begin(database: Database) -> None:
        await database.open()
        first = month_of(date(2026, 1, 1))
        new = NewRun(UUID(spain.family.contract_id), first, first + 11, None, BEFORE_ACTORS)

        async def run(tx: Connection) -> None:
            await begin_run(tx, WriteKey(UUID(new_id()), b"x"), new, 10)

        await database.write(run)
        await database.close()

    asyncio.run(begin(Database(spain.server.database_url, pool_size=1)))
    work(RunDatabase(spain.server.database_url))
    assert spain.rows()[1] == Row(2, "C", "CHILD", FLEX, "2024-03-01", "2027-05-19")
    assert spain.core_periods() == spain.legacy_periods()
    assert spain.group(source_of_truth=FORCE_CORE).revision == 2
