"""Measures how long it takes until the premiums of a followed contract are up to date after one amendment, beside a
premium run over the same policies and months. `python -m benchmarks.following 10000` sets the number of policies."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from benchmarks.figures import Figure, table
from benchmarks.premiums import _born, _contract, _everybody, _run
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.portfolio import clone_policies

POLL_SECONDS = 0.2


def measure(policies: str = "10000") -> list[Figure]:
    number = int(policies)
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        server = ServerProcess(Path(folder), "--database-url", postgres.url)
        try:
            with grpc.insecure_channel(server.address) as channel:
                family = Family(channel).set_up()
                family.amend(_contract(family))
                family.submit(*_everybody(family), requester=admin())
                clone_policies(postgres.url, str(family.group().group_id), number - 1, _born)
                _run(channel, family)
                marked, followed = _followed(family, number)
                _amend(family, 200)
                by_run, _ = _run(channel, family)
        finally:
            server.stop()
            postgres.stop()
    against = f"{number} policies x 12 months after one amended grid"
    return [
        Figure(name="following.marked", value=marked, unit="s", against=against),
        Figure(name="following.followed", value=followed, unit="s", against=against),
        Figure(name="following.rate", value=number / followed, unit="policies/s"),
        Figure(name="following.run.rate", value=by_run, unit="policies/s", against="the same by RunPremiums"),
        Figure(name="following.factor", value=followed * by_run / number, unit="x", against="the time of RunPremiums"),
    ]


def _amend(family: Family, more: int) -> None:
    contract = _contract(family)
    for row in contract.versions[0].modules[0].pricing.age_grid.standard:
        row.monthly_minor += more
    family.amend(contract)


def _followed(family: Family, number: int) -> tuple[float, float]:
    """Returns the seconds until the amendment has returned, and until no policy is stale any more."""
    stub = PremiumComputationServiceStub(family.channel)
    asked = pb.ListPremiumEntriesRequest(contract_id=family.contract_id, page_size=1)

    def stale() -> int:
        return int(stub.ListPremiumEntries(asked).stale_policies)

    stub.SetPremiumFollowing(pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=True))
    began = time.perf_counter()
    _amend(family, 100)
    marked = time.perf_counter() - began
    while stale():
        time.sleep(POLL_SECONDS)
    followed = time.perf_counter() - began
    stub.SetPremiumFollowing(pb.SetPremiumFollowingRequest(contract_id=family.contract_id, following=False))
    return marked, followed


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
