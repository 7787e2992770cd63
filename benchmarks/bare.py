"""Measures the bare call, on grpc.aio and on threads, to decide which of them ratios are measured against."""

from functools import partial

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from benchmarks.bare_server import bare_server
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
    with bare_server(responses) as aio, bare_server(responses, threaded=True) as threaded:
        compared = compare(
            {
                "aio": partial(run, load, aio.address, pids=aio.pids),
                "threaded": partial(run, load, threaded.address, pids=threaded.pids),
            }
        )
    ratio = Figure(
        name="bare.aio.ratio",
        value=compared.ratio("aio", "threaded"),
        unit="x",
        at_least=1.0,
        against="bare call of a threaded server",
        client=compared.client("aio"),
    )
    return [ratio, *compared.figures("aio", "bare.aio"), *compared.figures("threaded", "bare.threaded")]
