"""Measures GetEnrollmentGroup as of now and as of a revision, for groups with one revision and with many.

For comparison, the same run measures a health check, which is almost an empty call.
"""

from functools import partial
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.enrollment.v1 import enrollment_query_service_pb2
from benchmarks.running import a_server, calls_per_second
from tests.support.calls import Family, admin

CALLERS = 8
REVISIONS = 300


def measure() -> None:
    with a_server() as (_, channel):
        young, old = Family(channel).set_up(), Family(channel).set_up()
        young.submit(young.enroll(young.base, "2026-01-01"))
        for n in range(REVISIONS):
            old.submit(old.enroll(old.plus if n % 2 else old.base, "2026-01-01"), requester=admin())
        health: Any = health_pb2_grpc.HealthStub(channel)
        empty = calls_per_second(lambda _: health.Check(health_pb2.HealthCheckRequest()), CALLERS)
        print(f"health check: {empty:.0f} calls/s ({CALLERS} callers in one Python process beside the server)")
        for name, family, revision in (
            ("now, 1 revision", young, None),
            (f"now, {REVISIONS} revisions", old, None),
            (f"as of revision 1 of {REVISIONS}", old, 1),
        ):
            request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=family.key)
            if revision:
                request.revision = revision
            rate = calls_per_second(partial(_get, family, request), CALLERS)
            print(f"GetEnrollmentGroup {name}: {rate:.0f} calls/s, {rate / empty:.2f} of the health check")


def _get(
    family: Family, request: enrollment_query_service_pb2.GetEnrollmentGroupRequest, _: int
) -> enrollment_query_service_pb2.GetEnrollmentGroupResponse:
    return family.queries.GetEnrollmentGroup(request)
