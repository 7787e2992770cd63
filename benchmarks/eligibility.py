"""Measures checks with a million members in memory, compared with a bare call: the same check repeatedly, and each
member for the first time.

Also measures batches, memory per member, the time until the read model is loaded, and latency at half the load.
`python -m benchmarks.eligibility 20000` uses fewer members.
"""

import gc
import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import count, islice
from uuid import UUID

import psycopg
from google.protobuf.message import Message

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from benchmarks.bare_server import BareServer, Kind, bare_servers
from benchmarks.figures import Figure, table
from benchmarks.load import Load, Outcome, run
from benchmarks.read_model import free_address, until_loaded
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.side_by_side import against_bare, bare_figures, bare_sides, compare
from benchmarks.usage import cpu_seconds, peak_bytes, resident_bytes
from domain.days import Span
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.eligibility.read_model import ReadModel
from domain.enrollment.decisions import GroupKey
from domain.identity import group_id
from domain.membership import MembershipType
from tests.scenarios.enrollment_messages import date
from tests.support.insured import DEDUCTIBLE, PHYSIO, Insured

CHECK = "/affilia.eligibility.v1.EligibilityCheckService/CheckEligibility"
BATCH_METHOD = "/affilia.eligibility.v1.EligibilityCheckService/BatchCheckEligibility"
ON = "2026-06-15"
CALLERS = 32
SECONDS = 3.0
ROUNDS = 3
FIRST_TIME_REQUESTS = 50_000
"""Members that a load checks for the first time, more than a server checks in its time."""
BATCH, BATCH_SECONDS = 1000, 8.0
FAMILY = 4
KINDS = ("PRIMARY", "PARTNER", "CHILD", "CHILD")

CACHED_RATIO, FIRST_TIME_RATIO, MAX_LATENCY_FACTOR, BATCH_FACTOR = 0.8, 0.65, 3.0, 20.0
LOAD_SECONDS, BYTES_PER_MEMBER = 15.0, 400.0


def measure(members: str = "1000000") -> list[Figure]:
    number = int(members)
    figures = _memory(number)
    metrics = free_address()
    with measured_server("--metrics-listen", metrics) as server:
        with server.internal_channel() as internal:
            insured = Insured(server.channel, internal).set_up()
            insured.enroll("2026-01-01")
            insured.rebuild()
        server.process.stop()
        _fill(server.url, insured, number)
        with server.restarted() as filled:
            figures += _loading(filled, metrics, number)
            figures += _checks(filled)
    return figures


def _loading(server: MeasuredServer, metrics: str, number: int) -> list[Figure]:
    """Waits until the server answers checks from memory."""
    began = time.perf_counter()
    until_loaded(metrics)
    seconds, pid = time.perf_counter() - began, server.pids["server"]
    return [
        Figure(
            name="eligibility.model.load", value=seconds, unit="s", at_most=LOAD_SECONDS, against=f"{number} members"
        ),
        Figure(name="eligibility.model.load_cpu", value=cpu_seconds(pid), unit="s", against="CPU time of the server"),
        Figure(name="eligibility.server.memory", value=resident_bytes(pid) / 2**20, unit="MiB"),
        Figure(name="eligibility.server.peak_memory", value=peak_bytes(pid) / 2**20, unit="MiB"),
    ]


def _id(number: int) -> UUID:
    """Returns an id that is distributed as random ids are."""
    return UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) & ((1 << 128) - 1))


def _memory(number: int) -> list[Figure]:
    """Fills a read model with families of four. Everybody has one run and usage of two codes, as does the family."""
    gc.collect()
    before = resident_bytes(os.getpid())
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
    used = resident_bytes(os.getpid()) - before
    against = f"{number} members in families of four, one run and two codes each"
    return [
        Figure(
            name="eligibility.model.bytes_per_member",
            value=used / number,
            unit="bytes",
            at_most=BYTES_PER_MEMBER,
            against=against,
        ),
        Figure(name="eligibility.model.fill", value=seconds, unit="s", against="in process"),
    ]


def _fill(url: str, insured: Insured, number: int) -> None:
    """Writes coverage and usage of the given number of members, as the projection would."""
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


def _asked(numbers: Iterator[int]) -> list[bytes]:
    return [
        pb.CheckEligibilityRequest(check=_check(n)).SerializeToString() for n in islice(numbers, FIRST_TIME_REQUESTS)
    ]


def _check(number: int) -> pb.EligibilityCheck:
    return pb.EligibilityCheck(member_id=str(_id(number)), date=date(ON))


def _checks(server: MeasuredServer) -> list[Figure]:
    request = pb.CheckEligibilityRequest(check=_check(1))
    response = EligibilityCheckServiceStub(server.channel).CheckEligibility(request)
    if not response.covered or len(response.accumulators) < 2:
        raise RuntimeError(f"not as it was filled: {response}")
    with bare_servers({CHECK: response}) as bare:
        return [*_rates(server, bare, request), *_latency(server, bare[Kind.AS_IS], request)]


def _rates(server: MeasuredServer, bare: Mapping[Kind, BareServer], request: Message) -> list[Figure]:
    numbers = count(BATCH + 1)
    many = pb.BatchCheckEligibilityRequest(checks=[_check(n) for n in range(1, BATCH + 1)])

    def first_time() -> Outcome:
        load = Load(method=CHECK, requests=_asked(numbers), callers=CALLERS, seconds=SECONDS)
        return run(load, server.address, pids=server.pids)

    cached = Load(method=CHECK, requests=[request.SerializeToString()], callers=CALLERS, seconds=SECONDS)
    compared = compare(
        {
            "cached": partial(run, cached, server.address, pids=server.pids),
            **bare_sides(bare, cached),
            "first_time": first_time,
            "batches": partial(_load, server, many, BATCH_METHOD, callers=2, seconds=BATCH_SECONDS),
        },
        ROUNDS,
    )
    factor = compared.ratio("batches", "cached") * BATCH
    batch = Figure(
        name="eligibility.batch.factor",
        value=factor,
        unit="x",
        at_least=BATCH_FACTOR,
        against="single checks, cached",
        client=compared.client("batches"),
    )
    return [
        *against_bare(compared, "cached", "eligibility.cached", at_least=CACHED_RATIO),
        *against_bare(compared, "first_time", "eligibility.first_time", at_least=FIRST_TIME_RATIO),
        batch,
        Figure(name="eligibility.batch.rate", value=compared.rate("batches") * BATCH, unit="checks/s"),
        *bare_figures(compared, "eligibility"),
    ]


def _latency(server: MeasuredServer, bare: BareServer, request: Message) -> list[Figure]:
    """Compares the 99th percentile at half of the rate that callers reach."""
    half = _load(server, request).rate / 2
    sides = {"ours": partial(_load, server, request, rate=half), "bare": partial(_load, bare, request, rate=half)}
    compared = compare(sides, ROUNDS)
    ours, its = compared.p99_seconds("ours"), compared.p99_seconds("bare")
    client = compared.client("ours")
    return [
        Figure(
            name="eligibility.half_load.p99_factor",
            value=ours / its,
            unit="x",
            at_most=MAX_LATENCY_FACTOR,
            against=f"p99 of a bare call at {half:.0f} calls/s",
            client=client,
        ),
        Figure(name="eligibility.half_load.p99", value=ours * 1e3, unit="ms", client=client),
        Figure(name="eligibility.half_load.bare.p99", value=its * 1e3, unit="ms", client=client),
    ]


def _load(
    server: MeasuredServer | BareServer,
    request: Message,
    method: str = CHECK,
    callers: int = CALLERS,
    rate: float = 0.0,
    seconds: float = SECONDS,
) -> Outcome:
    content = [request.SerializeToString()]
    load = Load(method=method, requests=content, callers=callers, rate=rate, seconds=seconds)
    return run(load, server.address, pids=server.pids)


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
