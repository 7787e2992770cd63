"""Premium runs over the wire: everything computed once, whoever dies; bad policies passed over; contracts followed."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from tests.conftest import ServerProcess
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import entries
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, failure_of, new_id
from tests.support.portfolio import clone_policies

RUNNING, STOPPED, DONE = (pb.PremiumRunState.Value(f"PREMIUM_RUN_STATE_{s}") for s in ("RUNNING", "STOPPED", "DONE"))


def premiums(channel: grpc.Channel) -> Any:
    return PremiumComputationServiceStub(channel)


def insured(channel: grpc.Channel) -> Family:
    """The primary on the base module from January 2026 on."""
    family = Family(channel).set_up()
    family.amend(priced_contract(family))
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    return family


def group_of(family: Family) -> str:
    return str(family.group().group_id)


def a_run(family: Family, **more: Any) -> pb.RunPremiumsRequest:
    content: dict[str, Any] = {"contract_id": family.contract_id, "months": months("2026-01", "2026-12")}
    return pb.RunPremiumsRequest(request_id=new_id(), **(content | more))


def ended(channel: grpc.Channel, request: pb.RunPremiumsRequest) -> Any:
    """The last message of a run."""
    return list(premiums(channel).RunPremiums(request, timeout=120))[-1]


def by_policy(channel: grpc.Channel, family: Family, what: str = "POLICY") -> dict[str, int]:
    asked = pb.AggregatePremiumsRequest(
        by=[pb.PremiumDimension.Value(f"PREMIUM_DIMENSION_{what}")],
        months=months("2026-01", "2026-12"),
        contract_ids=[family.contract_id],
    )
    return {s.values[0]: s.amount_minor for s in premiums(channel).AggregatePremiums(asked).sums}


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_computes_what_computing_one_by_one_does(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    request = a_run(family)
    last = ended(server_channel, request)
    assert (last.run.state, last.run.policies, last.run.done, last.run.failed) == (DONE, 1, 1, 0)
    assert (last.run.offsets, last.run.entries, last.run.run_id) == (0, 12, request.request_id)
    assert len(entries(family)) == 12
    again = premiums(server_channel).ComputePremiums(
        pb.ComputePremiumsRequest(
            request_id=new_id(), policy=insurance_cost_pb2.Policy(key=family.key), months=months("2026-01", "2026-12")
        )
    )
    assert (again.offsets, again.entries) == (0, 0)
    assert ended(server_channel, request).run == last.run  # the same request is the same run
    got = premiums(server_channel).GetPremiumRun(pb.GetPremiumRunRequest(run_id=request.request_id)).run
    assert got == last.run


def test_what_is_asked_wrongly_is_told(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    request = a_run(family)
    ended(server_channel, request)
    stub = premiums(server_channel)
    request.months.last.month = 11
    assert failure_of(lambda r, metadata: list(stub.RunPremiums(r)), request).reason == "REQUEST_ID_REUSED"
    unknown = a_run(family, contract_id=new_id())
    assert failure_of(lambda r, metadata: list(stub.RunPremiums(r)), unknown).reason == "CONTRACT_UNKNOWN"
    for call, wrong in (
        (stub.GetPremiumRun, pb.GetPremiumRunRequest(run_id=new_id())),
        (stub.StopPremiumRun, pb.StopPremiumRunRequest(run_id=new_id())),
        (stub.ListPremiumFailures, pb.ListPremiumFailuresRequest(run_id=new_id())),
    ):
        failure = failure_of(call, wrong)
        assert (failure.code, failure.reason) == (grpc.StatusCode.NOT_FOUND, "PREMIUM_RUN_UNKNOWN")


def test_a_policy_that_cannot_be_priced_is_passed_over(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    for born in ("1970-01-01", "2000-01-01", "2001-01-01"):
        another = Family(server_channel, family.contract_id, family.base)
        another.store(another.primary)
        another.born(another.primary, born)
        another.submit(another.enroll(another.base, "2026-01-01"), requester=admin())
    contract = priced_contract(family)
    for row in contract.versions[0].modules[0].pricing.age_grid.standard:
        row.min_age = 30  # nobody younger has a price any more
    family.amend(contract)
    last = list(premiums(server_channel).RunPremiums(a_run(family), timeout=60))
    told = [failure for message in last for failure in message.failures]
    final = last[-1].run
    assert (final.state, final.policies, final.done) == (DONE, 4, 4)
    assert final.failed == len(told) == 2
    assert {failure.reason for failure in told} == {"PRICE_MISSING"}
    assert told[0].metadata["module_id"] == family.base
    listed = premiums(server_channel).ListPremiumFailures(pb.ListPremiumFailuresRequest(run_id=final.run_id))
    assert sorted(f.group_id for f in listed.failures) == sorted(f.group_id for f in told)
    computed = set(by_policy(server_channel, family))
    assert computed.isdisjoint(f.group_id for f in told)
    assert len(computed) == 4 - final.failed


@pytest.fixture
def portfolio(tmp_path: Path, own_database_url: str) -> Iterator[tuple[ServerProcess, str]]:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    yield server, own_database_url
    server.stop()


def test_two_servers_killed_and_resumed_compute_every_policy_once(
    portfolio: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    """A run over 3 000 policies: the server that was asked dies in its midst, another one and a third finish it."""
    first, url = portfolio
    with grpc.insecure_channel(first.address) as channel:
        family = insured(channel)
        clone_policies(url, group_of(family), 2_999)
        request = a_run(family)
        stream = premiums(channel).RunPremiums(request, timeout=120)
        next(message for message in stream if message.run.done > 200)
        first.kill()
        with pytest.raises(grpc.RpcError):
            list(stream)
    servers = [ServerProcess(tmp_path / name, "--database-url", url) for name in ("second", "third")]
    try:
        with grpc.insecure_channel(servers[0].address) as channel:
            run = ended(channel, request).run
            assert (run.state, run.policies, run.done, run.failed) == (DONE, 3_000, 3_000, 0)
            sums = by_policy(channel, family)
            assert len(sums) == 3_000
            assert set(sums.values()) == {12 * 11_000}
            everything = ended(channel, a_run(family)).run
            assert (everything.done, everything.offsets, everything.entries) == (3_000, 0, 0)
    finally:
        for server in servers:
            server.stop()


def test_a_stopped_run_goes_on_where_it_was(portfolio: tuple[ServerProcess, str]) -> None:
    server, url = portfolio
    with grpc.insecure_channel(server.address) as channel:
        family = insured(channel)
        clone_policies(url, group_of(family), 3_999)
        request = a_run(family)
        stream = premiums(channel).RunPremiums(request, timeout=120)
        next(message for message in stream if message.run.done)
        premiums(channel).StopPremiumRun(pb.StopPremiumRunRequest(run_id=request.request_id))
        last = list(stream)[-1].run
        assert last.state == STOPPED
        assert 0 < last.done < 4_000

        def now() -> Any:
            return premiums(channel).GetPremiumRun(pb.GetPremiumRunRequest(run_id=request.request_id)).run

        time.sleep(1.0)  # parts that were under way are finished
        stopped = now()
        time.sleep(1.0)
        assert now().done == stopped.done < 4_000
        run = ended(channel, request).run
        assert (run.state, run.done, run.entries) == (DONE, 4_000, 12 * 4_000)


def test_premiums_follow_enrollment_when_asked_to(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    stub = premiums(server_channel)
    ended(server_channel, a_run(family))

    def following(on: bool) -> bool:
        asked = pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=on)
        return bool(stub.SetPremiumFollowing(asked).was_following)

    assert [following(True), following(True)] == [False, True]
    family.submit(family.leave("2026-11-01"), requester=admin())
    until(lambda: len(entries(family)) == 14)
    assert sorted(e.num_days for e in entries(family))[:2] == [-31, -30]
    assert following(False)
    family.submit(family.leave("2026-10-01"), requester=admin())
    time.sleep(1.0)
    assert len(entries(family)) == 14
    assert not following(False)


def test_what_cannot_be_followed_is_listed_until_it_can(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    stub = premiums(server_channel)
    ended(server_channel, a_run(family))
    stub.SetPremiumFollowing(pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=True))
    contract = priced_contract(family)
    good = type(contract)()
    good.CopyFrom(contract)
    contract.versions[0].modules[0].ClearField("pricing")
    family.amend(contract)
    family.submit(family.leave("2026-11-15"), requester=admin())

    def failures() -> list[Any]:
        listed = stub.ListPremiumFailures(pb.ListPremiumFailuresRequest(contract_id=family.contract_id))
        return list(listed.failures)

    until(lambda: len(failures()) == 1)
    assert failures()[0].reason == "PRICE_MISSING"
    assert len(entries(family)) == 12
    family.amend(good)
    family.submit(family.leave("2026-10-01"), requester=admin())
    until(lambda: not failures())
    assert len(entries(family)) == 15


def test_entries_explain_themselves(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    ended(server_channel, a_run(family))
    first, second, *_ = entries(family)
    assert list(first.explanation.reasons)
    assert not second.explanation.reasons
    assert first.explanation.revision == 1
    whole = sum(component.monthly_minor for component in first.components)
    row, steps = first.explanation.row, {s.kind: s for s in first.explanation.steps}
    charged = [s.minor for s in first.explanation.steps if not _name(s).startswith("COMPANY")]
    assert row.listed_minor + sum(charged) == whole
    assert steps
    assert first.explanation.parameters.prorata


def _name(step: Any) -> str:
    from affilia.pricing.v1 import price_derivation_pb2

    return price_derivation_pb2.PriceStepKind.Name(step.kind).removeprefix("PRICE_STEP_KIND_")


def test_a_cluster_finishes_a_run_although_a_worker_dies(own_database_url: str, tmp_path: Path) -> None:
    """Dask: two workers do the parts; one is killed in the midst, and the policies are computed once all the same."""
    distributed: Any = pytest.importorskip("distributed")

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = str(cluster.scheduler_address).replace("tcp://", "dask://")
        server = ServerProcess(tmp_path, "--database-url", own_database_url, "--premium-engine", address)
        with grpc.insecure_channel(server.address) as channel:
            family = insured(channel)
            clone_policies(own_database_url, group_of(family), 3_999)
            stream = premiums(channel).RunPremiums(a_run(family), timeout=120)
            next(message for message in stream if message.run.done)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            run = list(stream)[-1].run
            assert (run.state, run.done, run.entries, run.failed) == (DONE, 4_000, 12 * 4_000, 0)
            assert set(by_policy(channel, family).values()) == {12 * 11_000}
        server.stop()


def test_a_preview_takes_a_recompute_that_waits_for_done(portfolio: tuple[ServerProcess, str]) -> None:
    """As computing does: what is previewed is what would be added."""
    server, url = portfolio
    with grpc.insecure_channel(server.address) as channel:
        family = insured(channel)
        family.submit(family.enroll(family.option, "2026-01-01"), requester=admin())
        months_asked: dict[str, Any] = {
            "policy": insurance_cost_pb2.Policy(key=family.key),
            "months": months("2026-01", "2026-03"),
        }
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM enrollment_group FOR NO KEY UPDATE")  # nobody can do the recompute
            family.born(family.primary, "2015-01-01")  # too young for the option
            preview = premiums(channel).PreviewPremiums(pb.PreviewPremiumsRequest(**months_asked))
            connection.rollback()
        assert {e.module_id for e in preview.entries} == {family.base}
        computed = premiums(channel).ComputePremiums(pb.ComputePremiumsRequest(request_id=new_id(), **months_asked))
        assert computed.entries == len(preview.additions) == 3
