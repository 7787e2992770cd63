"""Measures checks, reads and submits with one, two and four server processes, and where their CPU time goes.

Each server is started on the same database after the last one has ended. If the cores of the machine are used up by the
server, PostgreSQL and the load generator together, more processes can't increase the rate: `cores` says how many each
part used.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from google.protobuf.message import Message

from affilia.eligibility.v1.eligibility_check_service_pb2 import CheckEligibilityRequest, EligibilityCheck
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_group_pb2
from affilia.enrollment.v1.enrollment_query_service_pb2 import GetEnrollmentGroupRequest
from benchmarks.figures import Figure
from benchmarks.groups import until_indexed
from benchmarks.load import NEW_ID, Load, Outcome, run
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family, admin
from tests.support.channels import connected_to
from tests.support.portfolio import clone_policies

PROCESSES = (1, 2, 4)
CALLERS = 64
CONNECTIONS = 32
"""Many, because the kernel spreads connections over the processes at random."""
GROUPS = 512
SECONDS = 4.0
METHODS = {
    "checks": "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility",
    "reads": "/affilia.enrollment.v1.EnrollmentQueryService/GetEnrollmentGroup",
    "submits": "/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest",
}
LIMITS = ("--max-calls", "400", "--calls-per-caller", "200")


def measure() -> list[Figure]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        postgres = EmbeddedPostgres.start(folder / "database")
        try:
            requests = _prepared(postgres.url, folder)
            return [
                figure for processes in PROCESSES for figure in _measured(postgres.url, folder, processes, requests)
            ]
        finally:
            postgres.stop()


def _prepared(url: str, folder: Path) -> dict[str, list[bytes]]:
    """Stores groups of one primary each. Returns the requests of each load, by its name."""
    server = ServerProcess(folder / "prepare", "--database-url", url)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        clone_policies(url, str(family.group().group_id), GROUPS)
        until_indexed(url)
    server.stop()
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT primary_id::text FROM enrollment_group WHERE primary_id <> %s", [family.primary]
        ).fetchall()
    primaries = [str(primary) for (primary,) in rows]
    on = date("2026-06-15")
    checks = [CheckEligibilityRequest(check=EligibilityCheck(member_id=each, date=on)) for each in primaries]
    keys = [enrollment_group_pb2.GroupKey(contract_id=family.contract_id, primary_id=each) for each in primaries]
    reads = [GetEnrollmentGroupRequest(key=key) for key in keys]
    return {
        "checks": _serialized(checks),
        "reads": _serialized(reads),
        # Each changes something if they are sent in turn.
        "submits": _serialized(_submit(family, key, module) for module in (family.plus, family.base) for key in keys),
    }


def _submit(family: Family, key: enrollment_group_pb2.GroupKey, module_id: str) -> Message:
    change = family.enroll(module_id, "2026-01-01")
    change.enroll.member_id = key.primary_id
    return change_request_service_pb2.SubmitChangeRequestRequest(
        request_id=NEW_ID, group=key, requester=admin(), changes=[change]
    )


def _serialized(messages: Iterable[Message]) -> list[bytes]:
    return [message.SerializeToString() for message in messages]


def _measured(url: str, folder: Path, processes: int, requests: Mapping[str, list[bytes]]) -> Iterator[Figure]:
    server = ServerProcess(folder / f"{processes}", "--database-url", url, "--processes", str(processes), *LIMITS)
    postmaster = int((folder / "database" / "postgres" / "postmaster.pid").read_text().split()[0])
    try:
        for name, method in METHODS.items():
            load = Load(
                method=method, requests=requests[name], callers=CALLERS, connections=CONNECTIONS, seconds=SECONDS
            )
            outcome = run(load, server.address, pids={"server": server.process.pid, "postgres": postmaster})
            yield from _figures(f"processes.{processes}.{name}", outcome)
    finally:
        server.stop()


def _figures(name: str, outcome: Outcome) -> Iterator[Figure]:
    cpu_us = {**outcome.cpu_us, "client": outcome.client_cpu_us}
    yield Figure(name=f"{name}.rate", value=outcome.rate, unit="calls/s", client=outcome.client)
    yield Figure(name=f"{name}.p99", value=outcome.ok.p99_seconds * 1e3, unit="ms", client=outcome.client)
    failed = outcome.calls - outcome.ok.calls
    yield Figure(name=f"{name}.failed", value=failed, unit="calls", client=outcome.client)
    for part, used in cpu_us.items():
        yield Figure(name=f"{name}.{part}_cpu", value=used, unit="us/call", client=outcome.client)
    for part, used in cpu_us.items():
        cores = used * outcome.calls / SECONDS / 1e6
        yield Figure(
            name=f"{name}.{part}_cores",
            value=cores,
            unit="cores",
            against=f"{os.cpu_count()} of the machine",
            client=outcome.client,
        )
