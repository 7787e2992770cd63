"""Callers cancel calls at any instant: no database connection is lost, and memory doesn't grow."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import psycopg

from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2 import GetEnrollmentGroupRequest
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from benchmarks.usage import resident_bytes
from tests.conftest import ServerProcess
from tests.reliability.repetitions import repetitions, seeded
from tests.support.calls import Family, admin
from tests.support.channels import connected_to
from tests.support.processes import METRICS, value_of
from tests.support.waiting import wait_until

CALLS = repetitions("AFFILIA_CANCELLED_CALLS", few=3000, full=1_000_000)
CONCURRENT = 48
FAMILIES = 8
MAX_SECONDS_UNTIL_CANCELLED = 0.03
WARM_UP = 0.25
"""The share of calls after which memory is first measured."""
MAX_GROWTH_MIB = 48
WRITTEN = 0.01
NEVER_REACHED = 10**6
"""A revision that no group reaches."""

IDLE_IN_TRANSACTION = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def test_cancelled_calls_lose_no_connection_and_no_memory(own_database_url: str, tmp_path: Path) -> None:
    draw = seeded(f"{CALLS} cancelled calls")
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--metrics-listen", "127.0.0.1:0")
    assert server.process.stdout is not None
    found = METRICS.match(server.process.stdout.readline())
    assert found
    metrics = found[1]
    with connected_to(server.address) as channel:
        families = [Family(channel).set_up() for _ in range(FAMILIES)]
        for family in families:
            family.submit(family.enroll(family.base, "2026-01-01"))
    pid = server.process.pid
    warm = asyncio.run(cancel_calls(server.address, families, int(CALLS * WARM_UP), draw))
    before = resident_bytes(pid)
    outcomes = warm + asyncio.run(cancel_calls(server.address, families, CALLS - int(CALLS * WARM_UP), draw))
    wait_until(lambda: value_of(metrics, "affilia_calls_open", "Submit") == 0, "no call is in progress")
    wait_until(lambda: value_of(metrics, "affilia_pool_waiting") == 0, "no call waits for a connection")
    grown = (resident_bytes(pid) - before) / 2**20
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        wait_until(lambda: number(connection, IDLE_IN_TRANSACTION) == 0, "no transaction is left open")
        sessions = number(connection, SESSIONS)
    wait_until(lambda: pooled(metrics, "free") == pooled(metrics, "all"), "all connections are free again")
    print(f"{dict(outcomes)}; {grown:+.1f} MiB; {pooled(metrics, 'all'):.0f} connections, {sessions} sessions")
    assert outcomes["CANCELLED"] > CALLS / 3, "too few calls were cancelled before they ended"
    assert grown < MAX_GROWTH_MIB
    with connected_to(server.address) as channel:
        for family in families:
            again = Family(channel, **family.ids())
            assert again.submit(again.enroll(again.plus, "2040-01-01"), requester=admin()).group.revision
    assert server.stop() == 0
    assert "defect" not in server.log.read_text()


async def cancel_calls(address: str, families: list[Family], calls: int, draw: random.Random) -> "Counter[str]":
    """Makes calls and cancels each after a random time, unless it has ended. Returns how they ended, by status."""
    outcomes: Counter[str] = Counter()
    numbers = iter(range(calls))
    async with grpc.aio.insecure_channel(address) as channel:
        requests, queries = ChangeRequestServiceStub(channel), EnrollmentQueryServiceStub(channel)

        def begin() -> Any:
            family = draw.choice(families)
            if draw.random() < 0.5:
                return queries.GetEnrollmentGroup(GetEnrollmentGroupRequest(key=family.key))
            module = draw.choice([family.base, family.plus])
            change = family.enroll(module, f"{draw.randint(2027, 2039)}-01-01")
            # Most writes lock and load their group, and then fail, so that its history stays short.
            expected = None if draw.random() < WRITTEN else NEVER_REACHED
            return requests.SubmitChangeRequest(family.request(change, requester=admin(), expected_revision=expected))

        async def work() -> None:
            for _ in numbers:
                call: Any = begin()
                await _ended_within(call, draw.random() * MAX_SECONDS_UNTIL_CANCELLED)
                call.cancel()
                code = await call.code()
                outcomes[code.name] += 1

        await asyncio.gather(*(work() for _ in range(CONCURRENT)))
    return outcomes


async def _ended_within(call: Any, seconds: float) -> None:
    """Waits until a call has ended, for at most some seconds."""
    await asyncio.wait([asyncio.ensure_future(call.code())], timeout=seconds)


def pooled(metrics: str, state: str) -> float:
    """Returns how many connections the server's pool has in a state."""
    return value_of(metrics, "affilia_pool_connections", f'"{state}"')


def number(connection: "psycopg.Connection[Any]", statement: Any) -> int:
    row = connection.execute(statement).fetchone()
    assert row
    return int(row[0])
