"""Premium runs over the wire: every policy is computed once, even after crashes, and bad policies are skipped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from affilia.pricing.v1 import insurance_cost_pb2
from server.workers import premium_worker
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_premiums import entries
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, decoded, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.portfolio import clone_policies
from tests.support.waiting import wait_until

RUNNING, STOPPED, DONE = (pb.PremiumRunState.Value(f"PREMIUM_RUN_STATE_{s}") for s in ("RUNNING", "STOPPED", "DONE"))


def premiums(channel: grpc.Channel) -> Any:
    return PremiumComputationServiceStub(channel)


def insured(channel: grpc.Channel) -> Family:
    """Returns a family with the primary on the base module from January 2026 on."""
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
    """Returns the last message of a run."""
    return list(premiums(channel).RunPremiums(request, timeout=300))[-1]


def by_policy(channel: grpc.Channel, family: Family, what: str = "POLICY") -> dict[str, int]:
    asked = pb.AggregatePremiumsRequest(
        by=[pb.PremiumDimension.Value(f"PREMIUM_DIMENSION_{what}")],
        months=months("2026-01", "2026-12"),
        contract_ids=[family.contract_id],
    )
    return {s.values[0]: s.amount_minor for s in premiums(channel).AggregatePremiums(asked).sums}


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


def test_invalid_run_requests_are_rejected_with_their_reason(server_channel: grpc.Channel) -> None:
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


def test_a_policy_that_cannot_be_priced_is_skipped(server_channel: grpc.Channel) -> None:
    family = insured(server_channel)
    for born in ("1970-01-01", "2000-01-01", "2001-01-01"):
        another = Family(server_channel, family.contract_id, family.base)
        another.store(another.primary)
        another.born(another.primary, born)
        another.submit(another.enroll(another.base, "2026-01-01"), requester=admin())
    contract = priced_contract(family)
    for row in contract.versions[0].modules[0].pricing.age_grid.standard:
        row.min_age = 30  # nobody younger has a price now
    family.amend(contract)
    last = list(premiums(server_channel).RunPremiums(a_run(family), timeout=300))
    reported = [failure for message in last for failure in message.failures]
    final = last[-1].run
    assert (final.state, final.policies, final.done) == (DONE, 4, 4)
    assert final.failed == len(reported) == 2
    assert {failure.reason for failure in reported} == {"PRICE_MISSING"}
    assert reported[0].metadata["module_id"] == family.base
    listed = premiums(server_channel).ListPremiumFailures(pb.ListPremiumFailuresRequest(run_id=final.run_id))
    assert sorted(f.group_id for f in listed.failures) == sorted(f.group_id for f in reported)
    computed = set(by_policy(server_channel, family))
    assert computed.isdisjoint(f.group_id for f in reported)
    assert len(computed) == 4 - final.failed


@pytest.fixture
def portfolio(tmp_path: Path, own_database_url: str) -> Iterator[tuple[ServerProcess, str]]:
    server = ServerProcess(tmp_path, "--database-url", own_database_url)
    yield server, own_database_url
    server.stop()


def test_two_servers_killed_and_resumed_compute_every_policy_once(
    portfolio: tuple[ServerProcess, str], tmp_path: Path
) -> None:
    """The server that runs 3 000 policies is killed in the middle; two others finish the run."""
    first, url = portfolio
    with connected_to(first.address) as channel:
        family = insured(channel)
        clone_policies(url, group_of(family), 2_999)
        request = a_run(family)
        stream = premiums(channel).RunPremiums(request, timeout=300)
        next(message for message in stream if message.run.done > 200)
        first.kill()
        with pytest.raises(grpc.RpcError):
            list(stream)
    servers = [ServerProcess(tmp_path / name, "--database-url", url) for name in ("second", "third")]
    try:
        with connected_to(servers[0].address) as channel:
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


def test_a_worker_with_nothing_left_to_compute_ends_without_an_error(own_database_url: str) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", premium_worker.__name__],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, premium_worker.DATABASE: own_database_url},
        text=True,
    )
    with worker:  # leaving it closes the pipe, at whose other end the worker waits for its server to end
        assert worker.stderr is not None
        assert (worker.stderr.read(), worker.wait(timeout=60)) == ("", 0)


def test_a_stopped_run_resumes_where_it_stopped(portfolio: tuple[ServerProcess, str]) -> None:
    server, url = portfolio
    with connected_to(server.address) as channel:
        family = insured(channel)
        clone_policies(url, group_of(family), 3_999)
        request = a_run(family)
        stream = premiums(channel).RunPremiums(request, timeout=300)
        next(message for message in stream if message.run.done)
        premiums(channel).StopPremiumRun(pb.StopPremiumRunRequest(run_id=request.request_id))
        last = list(stream)[-1].run
        assert last.state == STOPPED
        assert 0 < last.done < 4_000

        def now() -> Any:
            return premiums(channel).GetPremiumRun(pb.GetPremiumRunRequest(run_id=request.request_id)).run

        wait_until(lambda: not parts_under_way(url), "the parts that were under way are finished")
        stopped = now()
        assert last.done <= stopped.done < 4_000
        another = ended(channel, a_run(family, months=months("2027-01", "2027-01"))).run
        assert (another.state, now().done) == (DONE, stopped.done)  # other runs go on, the stopped one doesn't
        run = ended(channel, request).run
        assert (run.state, run.done, run.entries) == (DONE, 4_000, 12 * 4_000)


def parts_under_way(url: str) -> int:
    """Counts the parts that a worker has locked."""
    with psycopg.connect(url) as connection:
        left = "SELECT run_key, part FROM premium_run_part WHERE NOT done"
        free = connection.execute(f"{left} FOR NO KEY UPDATE SKIP LOCKED").rowcount
        return connection.execute(left).rowcount - free


def test_premiums_follow_enrollment_if_switched_on(server_channel: grpc.Channel) -> None:
    family, other = insured(server_channel), insured(server_channel)
    stub = premiums(server_channel)
    for each in (family, other):
        ended(server_channel, a_run(each))

    def following(on: bool, each: Family = family) -> bool:
        asked = pb.SetPremiumFollowingRequest(contract_id=each.contract_id, following=on)
        return bool(stub.SetPremiumFollowing(asked).was_following)

    assert [following(True), following(True), following(True, other)] == [False, True, False]
    family.submit(family.leave("2026-11-01"), requester=admin())
    wait_until(lambda: len(entries(family)) == 14, "the premiums follow the first change")
    assert sorted(e.num_days for e in entries(family))[:2] == [-31, -30]
    assert following(False)
    family.submit(family.leave("2026-10-01"), requester=admin())
    other.submit(other.leave("2026-10-01"), requester=admin())
    wait_until(lambda: len(entries(other)) == 15, "the premiums of a later change of another contract follow")
    assert len(entries(family)) == 14
    assert not following(False)


def test_a_change_that_premiums_cannot_follow_is_listed_until_they_can(server_channel: grpc.Channel) -> None:
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

    wait_until(lambda: len(failures()) == 1, "the failure is listed")
    assert failures()[0].reason == "PRICE_MISSING"
    assert len(entries(family)) == 12
    family.amend(good)
    wait_until(lambda: not failures(), "the failure is no longer listed")
    assert len(entries(family)) == 15


def test_entries_have_explanations(server_channel: grpc.Channel) -> None:
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
    """One of two Dask workers is killed in the middle; every policy is still computed once."""
    distributed: Any = pytest.importorskip("distributed")

    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = str(cluster.scheduler_address).replace("tcp://", "dask://")
        server = ServerProcess(tmp_path, "--database-url", own_database_url, "--premium-engine", address)
        with connected_to(server.address) as channel:
            family = insured(channel)
            clone_policies(own_database_url, group_of(family), 3_999)
            stream = premiums(channel).RunPremiums(a_run(family), timeout=300)
            next(message for message in stream if message.run.done)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            run = list(stream)[-1].run
            assert (run.state, run.done, run.entries, run.failed) == (DONE, 4_000, 12 * 4_000, 0)
            assert set(by_policy(channel, family).values()) == {12 * 11_000}
        server.stop()


def test_a_preview_takes_a_waiting_recompute_into_account(portfolio: tuple[ServerProcess, str]) -> None:
    """A preview returns what computing would add."""
    server, url = portfolio
    with connected_to(server.address) as channel:
        family = insured(channel)
        family.submit(family.enroll(family.option, "2026-01-01"), requester=admin())
        months_asked: dict[str, Any] = {
            "policy": insurance_cost_pb2.Policy(key=family.key),
            "months": months("2026-01", "2026-03"),
        }
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM enrollment_group FOR NO KEY UPDATE")  # no worker can run the recompute
            family.born(family.primary, "2015-01-01")  # too young for the option
            preview = premiums(channel).PreviewPremiums(pb.PreviewPremiumsRequest(**months_asked))
            connection.rollback()
        assert {e.module_id for e in preview.entries} == {family.base}
        computed = premiums(channel).ComputePremiums(pb.ComputePremiumsRequest(request_id=new_id(), **months_asked))
        assert computed.entries == len(preview.additions) == 3


def test_the_progress_of_a_run_ends_with_a_status_when_the_server_drains(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--drain-seconds", "300")
    with (
        connected_to(server.address) as channel,
        psycopg.connect(EmbeddedPostgres(tmp_path).url) as holding_up,
    ):
        request = a_run(insured(channel))
        holding_up.execute("SELECT * FROM enrollment_group FOR UPDATE")  # otherwise the run would end before the drain
        progress = premiums(channel).RunPremiums(request, timeout=300)
        assert next(progress).run.state == RUNNING
        server.process.terminate()
        with pytest.raises(grpc.RpcError) as raised:
            list(progress)
        holding_up.rollback()
    failure = decoded(raised.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert server.process.wait(60) == 0  # of 300
    again = ServerProcess(tmp_path)
    with connected_to(again.address) as channel:
        assert ended(channel, request).run.state == DONE  # a repeated request resumes the same run
    again.stop()
