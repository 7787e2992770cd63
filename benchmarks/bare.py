"""Measures the bare call, on grpc.aio with and without our acceptor and on threads."""

from contextlib import ExitStack
from functools import partial

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from benchmarks.bare_server import Kind, bare_server
from benchmarks.figures import Figure
from benchmarks.load import Load, run
from benchmarks.side_by_side import compare
from tests.scenarios.enrollment_messages import date
from tests.support.calls import new_id

METHOD = "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility"
SECONDS = 3.0


def measure() -> list[Figure]:
    check = pb.EligibilityCheck(member_id=new_id(), date=date("2026-06-15"))
    request = pb.CheckEligibilityRequest(check=check).SerializeToString()
    responses = {METHOD: pb.CheckEligibilityResponse(covered=True)}
    load = Load(method=METHOD, requests=[request], seconds=SECONDS)
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(bare_server(responses, kind)) for kind in Kind}
        compared = compare({kind: partial(run, load, each.address, pids=each.pids) for kind, each in servers.items()})
    ratios = [
        Figure(
            name=f"bare.accepting.ratio_to_{other.name.lower()}",
            value=compared.ratio(Kind.ACCEPTING, other),
            unit="x",
            at_least=1.0,
            against="grpc.aio as it is" if other is Kind.AS_IS else "a threaded server",
            client=compared.client(other),
        )
        for other in (Kind.AS_IS, Kind.THREADED)
    ]
    return [*ratios, *(figure for kind in Kind for figure in compared.figures(kind, f"bare.{kind.name.lower()}"))]
