"""Measures checks with a million members in memory, compared with an empty call on the same listener.

Also measures batches, memory per member, and latency at half the load. `python -m benchmarks.eligibility 20000` uses
fewer members.
"""

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import grpc
import psycopg
from google.protobuf.message import Message

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from benchmarks.load import Load, Outcome, run
from benchmarks.running import calls_per_second
from domain.days import Span
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.eligibility.read_model import ReadModel
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.membership import MembershipType
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ROOT, ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.insured import DEDUCTIBLE, PHYSIO, Insured

CHECK = "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility"
BATCH = "/affilia.eligibility.v1.EligibilityCheckService/BatchCheckEligibility"
ON = "2026-06-15"
ROUNDS = 5
FAMILY = 4
KINDS = ("PRIMARY", "PARTNER", "CHILD", "CHILD")


def measure(members: str = "1000000") -> None:
    number = int(members)
    _memory(number)
    with TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres.start(Path(folder) / "database")
        try:
            server = ServerProcess(Path(folder), "--database-url", postgres.url)
            with grpc.insecure_channel(server.address) as one, grpc.insecure_channel(server.internal_address) as two:
                insured = Insured(one, two).set_up()
                insured.enroll("2026-01-01")
                insured.rebuild()
            server.stop()
            first = _fill(postgres.url, insured, number)
            server = ServerProcess(Path(folder), "--database-url", postgres.url)
            try:
                _checks(server, first)
            finally:
                server.stop()
        finally:
            postgres.stop()


def _id(number: int) -> UUID:
    """Returns an id that is distributed as random ids are."""
    return UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) & ((1 << 128) - 1))


def _memory(number: int) -> None:
    """Yields families of four, in which everybody has one run and usage of two codes, as does the family."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    model, module, contract = ReadModel(), _id(1 << 40), _id(1 << 41)
    for family in range(number // FAMILY):
        ids = [_id(family * FAMILY + i + 1) for i in range(FAMILY)]
        policy, key = _id(family + (1 << 42)), GroupKey(contract, ids[0])
        runs = tuple(
            CoveredRun(policy, key, 1, member, module, MembershipType[kind], Span(739_000, 740_000))
            for member, kind in zip(ids, KINDS, strict=True)
        )
        model.put(PolicyCoverage(policy, key, 1, runs))
        for code in (DEDUCTIBLE, PHYSIO):
            for member in (None, *ids):
                model.put_usage(policy, member, 739_000, code, 5)
    seconds = time.perf_counter() - began
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"read model: {used / number:.0f} bytes a member ({number} members in families of four, one run and two codes"
        f" each), filled in {seconds:.1f} s",
        flush=True,
    )


def _fill(url: str, insured: Insured, number: int) -> UUID:
    """Writes coverage and usage of the given number of members, as the projection would. Returns one member."""
    contract, module = UUID(insured.family.contract_id), insured.family.base
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT generation FROM projection_checkpoints WHERE name = 'coverage'").fetchone()
        assert found  # noqa: S101 (the server has made it)
        generation = found[0]
        policies, runs, balances = [], [], []
        for family in range(number // FAMILY):
            ids = [_id(family * FAMILY + i + 1) for i in range(FAMILY)]
            policy = group_id(contract, ids[0])
            policies.append(f"{generation}\t{policy}\t{contract}\t{ids[0]}\t1\n")
            for member, kind in zip(ids, KINDS, strict=True):
                runs.append(f"{generation}\t{policy}\t{member}\t{module}\t{kind}\t[2026-01-01,)\n")
            for code in (DEDUCTIBLE, PHYSIO):
                for member in (UUID(int=0), *ids):
                    balances.append(f"{policy}\t2026-01-01\t{code}\t{member}\t5\n")
        for table, lines in (("coverage_policy", policies), ("coverage_run", runs), ("accumulator_balance", balances)):
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for start in range(0, len(lines), 50_000):
                    copy.write("".join(lines[start : start + 50_000]))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    return _id(1)


@contextmanager
def _empty(answer: bytes) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.empty_server", answer.hex()], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 (it was asked for)
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def _checks(server: ServerProcess, member: UUID) -> None:
    check = pb.EligibilityCheck(member_id=str(member), date=date(ON))
    one = pb.CheckEligibilityRequest(check=check)
    many = pb.BatchCheckEligibilityRequest(checks=[_asked(n).check for n in range(1, 1001)])
    with grpc.insecure_channel(server.address) as channel:
        stub = EligibilityCheckServiceStub(channel)
        answer = stub.CheckEligibility(one)
        if not answer.covered or len(answer.accumulators) < 2:
            raise RuntimeError(f"not as it was filled: {answer}")
        began = time.perf_counter()
        while _milliseconds(stub, one) > 2.0:  # until then the database answers
            if time.perf_counter() > began + 300:
                raise RuntimeError("the read model does not come")
        print(f"read model loaded {time.perf_counter() - began:.0f} s after the first answer, which the database gave")
    print(f"memory of the server: {_resident(server.process.pid) / 2**20:.0f} MiB")
    with _empty(answer.SerializeToString()) as nothing:
        ours, empty = [], []
        for _ in range(ROUNDS):
            ours.append(_load(server.address, one).rate)
            empty.append(_load(nothing, one).rate)
        rate, at_nothing = median(ours), median(empty)
        print(
            f"CheckEligibility: {rate:.0f}/s, the empty call {at_nothing:.0f}/s: {rate / at_nothing:.2f} of it"
            f" (medians of {ROUNDS} rounds)"
        )
        half = rate / 2
        late = median(_load(server.address, one, rate=half).ok.p99_seconds for _ in range(3))
        early = median(_load(nothing, one, rate=half).ok.p99_seconds for _ in range(3))
        print(f"p99 at {half:.0f}/s: {late * 1e3:.2f} ms, the empty call's {early * 1e3:.2f} ms: {late / early:.1f} x")
        _first_time(server.address, nothing)
    batches = median(_load(server.address, many, method=BATCH, callers=2).rate for _ in range(3))
    print(f"BatchCheckEligibility of 1000: {batches * 1000:.0f} checks/s, {batches * 1000 / rate:.1f} x single checks")


def _load(address: str, request: Message, method: str = CHECK, callers: int = 32, rate: float = 0.0) -> Outcome:
    load = Load(method=method, requests=[request.SerializeToString()], callers=callers, rate=rate, seconds=3)
    return run(load, address)


def _first_time(ours: str, nothing: str) -> None:
    """Checks every member once, so that no response is cached, with a client and a server in Python."""
    numbers = count(1)

    def rate_at(address: str) -> float:
        with grpc.insecure_channel(address) as channel:
            stub = EligibilityCheckServiceStub(channel)
            return calls_per_second(lambda _: stub.CheckEligibility(_asked(next(numbers))), 8)

    empty, checks = rate_at(nothing), rate_at(ours)
    print(f"each member for the first time: {checks:.0f}/s, the empty call {empty:.0f}/s: {checks / empty:.2f} of it")


def _asked(number: int) -> pb.CheckEligibilityRequest:
    return pb.CheckEligibilityRequest(check=pb.EligibilityCheck(member_id=str(_id(number)), date=date(ON)))


def _milliseconds(stub: EligibilityCheckServiceStub, request: pb.CheckEligibilityRequest) -> float:
    """Returns the median duration of sequential calls."""
    found = []
    for _ in range(50):
        began = time.perf_counter()
        stub.CheckEligibility(request)
        found.append((time.perf_counter() - began) * 1e3)
    return median(found)


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    measure(*sys.argv[1:])
