"""Measures GetEnrollmentGroup as of now and as of a revision, for groups with one revision and with many.

`python -m benchmarks.reads 100` sets the number of revisions of the group that has many.
"""

import sys
from functools import partial

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from benchmarks.bare_server import bare_servers
from benchmarks.figures import Figure, table
from benchmarks.load import Load, run
from benchmarks.running import measured_server
from benchmarks.side_by_side import against_bare, bare_figures, bare_sides, compare
from tests.support.calls import Family, admin

METHOD = "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup"
CALLERS = 32
SECONDS = 3.0
RATIO, MAX_DIFFERENCE = 0.6, 1.2


def measure(revisions: str = "1000") -> list[Figure]:
    with measured_server() as server:
        one, many = Family(server.channel).set_up(), Family(server.channel).set_up()
        one.submit(one.enroll(one.base, "2026-01-01"))
        for n in range(int(revisions)):
            many.submit(many.enroll(many.plus if n % 2 else many.base, "2026-01-01"), requester=admin())
        requests = {
            "one": pb.GetEnrollmentGroupRequest(key=one.key),
            "many": pb.GetEnrollmentGroupRequest(key=many.key),
            "as_of": pb.GetEnrollmentGroupRequest(key=many.key, revision=1),
        }
        response = one.queries.GetEnrollmentGroup(requests["one"])
        with bare_servers({METHOD: response}) as bare:
            loads = {name: _load(request) for name, request in requests.items()}
            compared = compare(
                {
                    **{name: partial(run, load, server.address, pids=server.pids) for name, load in loads.items()},
                    **bare_sides(bare, loads["one"]),
                }
            )
    more = Figure(
        name="reads.many_revisions.factor",
        value=compared.ratio("one", "many"),
        unit="x",
        at_most=MAX_DIFFERENCE,
        against=f"1 revision, instead of {revisions}",
        client=compared.client("one"),
    )
    return [
        *against_bare(compared, "one", "reads.now", at_least=RATIO),
        *against_bare(compared, "as_of", "reads.as_of", at_least=RATIO),
        more,
        *compared.figures("many", "reads.many_revisions"),
        *bare_figures(compared, "reads"),
    ]


def _load(request: pb.GetEnrollmentGroupRequest) -> Load:
    return Load(method=METHOD, requests=[request.SerializeToString()], callers=CALLERS, seconds=SECONDS)


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
