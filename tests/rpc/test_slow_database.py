"""When the database is slow but available, calls that get no connection fail as overloaded, so that clients retry."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from affilia.catalog.v1 import member_pb2, member_service_pb2, member_service_pb2_grpc
from tests.conftest import ServerProcess
from tests.support.calls import decoded, new_id
from tests.support.channels import OPTIONS
from tests.support.waiting import wait_until

POOL_SIZE = 4
SLOW = """
CREATE TABLE slow ();
INSERT INTO slow DEFAULT VALUES;
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WHILE EXISTS (SELECT FROM slow) LOOP
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN NEW;
END $$;
CREATE TRIGGER be_slow BEFORE INSERT ON member_revision FOR EACH ROW EXECUTE FUNCTION be_slow();
"""


@contextmanager
def slow_writes_of_members(url: str) -> Iterator[psycopg.Connection]:
    """Makes every write of a member take as long as the `with` block."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SLOW)
        try:
            yield connection
        finally:
            connection.execute("DELETE FROM slow")


def test_calls_without_a_connection_to_a_slow_database_are_told_to_retry(own_database_url: str, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--pool-size", str(POOL_SIZE))
    try:
        with ExitStack() as opened:
            channels = [opened.enter_context(grpc.insecure_channel(server.address, OPTIONS)) for _ in range(9)]
            with slow_writes_of_members(own_database_url) as database:
                writes = [_store_a_member(channel) for channel in channels[:8]]
                wait_until(lambda: _slow_sessions(database) == POOL_SIZE, "all connections are in use")
                rejected = _rejected_read(channels[8])
                assert decoded(rejected).code == grpc.StatusCode.RESOURCE_EXHAUSTED
                assert decoded(rejected).reason == "OVERLOADED"
                assert _has_retry_info(rejected)
                health: Any = health_pb2_grpc.HealthStub(channels[8])
                assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
            failures = [decoded(write) for write in writes if write.exception(60)]
            assert {failure.reason for failure in failures} <= {"OVERLOADED"}
            assert len(writes) - len(failures) >= POOL_SIZE
    finally:
        server.stop()


def _store_a_member(channel: grpc.Channel) -> Any:
    member = member_pb2.Member(member_id=new_id(), kind=member_pb2.MEMBER_KIND_PERSON)
    members: Any = member_service_pb2_grpc.MemberServiceStub(channel)
    request = member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member)
    return members.UpsertMember.future(request, timeout=60)


def _rejected_read(channel: grpc.Channel) -> Any:
    members: Any = member_service_pb2_grpc.MemberServiceStub(channel)
    call = members.GetMember.future(member_service_pb2.GetMemberRequest(member_id=new_id()), timeout=60)
    assert call.exception(60) is not None
    return call


def _slow_sessions(database: psycopg.Connection) -> int:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    row = database.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _has_retry_info(call: Any) -> bool:
    details = dict(call.trailing_metadata())["grpc-status-details-bin"]
    return any(
        each.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for each in status_pb2.Status.FromString(details).details
    )
