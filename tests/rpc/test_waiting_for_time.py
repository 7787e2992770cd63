"""Reads that wait for time to pass do not hold a connection while they wait."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from google.protobuf import timestamp_pb2

from affilia.catalog.v1 import catalog_service_pb2, member_service_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from tests.conftest import ServerProcess
from tests.support.calls import Family
from tests.support.channels import connected_to

POOL = 4
SECONDS = 120


def test_reads_as_of_now_do_not_hold_connections_while_they_wait(tmp_path: Path, own_database_url: str) -> None:
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--pool-size", str(POOL))
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        with psycopg.connect(own_database_url) as writing:
            writing.execute("SELECT pg_current_xact_id()")
            (now,) = writing.execute("SELECT clock_timestamp()").fetchone() or (None,)
            instant = timestamp_pb2.Timestamp()
            instant.FromDatetime(now)
            reads: list[Any] = [
                family.queries.GetEnrollmentGroup.future(
                    pb.GetEnrollmentGroupRequest(key=family.key, instant=instant), timeout=SECONDS
                )
                for _ in range(3 * POOL)
            ]
            reads += [
                family.members.GetMember.future(
                    member_service_pb2.GetMemberRequest(member_id=family.primary, as_of=instant), timeout=SECONDS
                ),
                family.catalog.GetContract.future(
                    catalog_service_pb2.GetContractRequest(contract_id=family.contract_id, as_of=instant),
                    timeout=SECONDS,
                ),
                family.queries.ListEnrollmentGroups.future(
                    pb.ListEnrollmentGroupsRequest(primary_id=family.primary, instant=instant), timeout=SECONDS
                ),
            ]
            request = pb.GetEnrollmentGroupRequest(key=family.key)
            with ThreadPoolExecutor(2 * POOL) as others:
                asked = [others.submit(family.queries.GetEnrollmentGroup, request, timeout=SECONDS) for _ in range(50)]
                answers = [each.result(SECONDS) for each in asked]
            assert len(answers) == 50
            assert not any(read.done() for read in reads)
            writing.rollback()
        assert all(read.result(SECONDS) for read in reads)
    assert server.stop() == 0
