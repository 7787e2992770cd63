"""A database that no longer answers while its connections stay open."""

import time
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conftest import ServerProcess
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.proxy import BlackHole
from tests.support.waiting import wait_until

Code = grpc.StatusCode


def test_a_silent_database_ends_calls_at_their_deadline_is_reported_by_health_and_needs_no_restart(
    own_database_url: str, tmp_path: Path
) -> None:
    parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(own_database_url)
    host, port = parts.get("host", "localhost"), int(parts.get("port") or 5432)
    at_socket = host.startswith("/")
    hole = BlackHole(Path(host, f".s.PGSQL.{port}")) if at_socket else BlackHole(None, host, port)
    through = psycopg.conninfo.make_conninfo(own_database_url, host="127.0.0.1", port=hole.port, sslmode="disable")
    server = ServerProcess(tmp_path, "--database-url", through)
    try:
        with connected_to(server.address) as channel:
            family = Family(channel).set_up()
            group = family.submit(family.enroll(family.base, "2026-01-01")).group
            health: Any = health_pb2_grpc.HealthStub(channel)
            hole.swallow()
            took = [ends_within(family, 1.0) for _ in range(8)]
            assert all(code in (Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE) for code, _ in took)
            assert max(seconds for _, seconds in took) < 20  # the default deadline is 30 s, and the database is silent
            wait_until(lambda: not is_serving(health), "health reports the lost database")
            hole.pass_again()
            wait_until(lambda: is_serving(health), "health reports that the database is back")
            assert family.group() == group
            for _ in range(30):
                family.group()
    finally:
        hole.pass_again()
        server.stop()
        hole.stop()


def ends_within(family: Family, seconds: float) -> tuple[grpc.StatusCode, float]:
    began = time.monotonic()
    stub: Any = family.queries.GetEnrollmentGroup
    from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb

    with pytest.raises(grpc.RpcError) as raised:
        stub(pb.GetEnrollmentGroupRequest(key=family.key), timeout=seconds)
    error: Any = raised.value
    return error.code(), time.monotonic() - began


def is_serving(health: Any) -> bool:
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=60)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
