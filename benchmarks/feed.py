"""Measures the change feed: delay from commit to receipt at a constant rate, with few and many streams; and idle
streams.

A separate process writes events of prepared revisions directly into the outbox, 20 per transaction. One stream is read
and timed in Python, the load generator reads the others.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import grpc

from benchmarks import ROOT, load
from benchmarks.figures import Figure
from benchmarks.running import MeasuredServer, measured_server
from benchmarks.usage import cpu_seconds, resident_bytes
from storage.outbox import sequence
from storage.postgres.database import Database
from tests.support.calls import Family, admin
from tests.support.feeds import NOW, watch_request, watching

GROUPS = 200
PER_TRANSACTION = 20
SECONDS = 8.0
EVENTS_PER_SECOND = 2000
MAX_P99_MS = {100: 50.0, 1000: 150.0}
IDLE_STREAMS, IDLE_SECONDS, MAX_IDLE_KIB = 10_000, 10, 25.0
METHOD = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"

WRITE = (
    "WITH added AS (INSERT INTO event (event_id, group_key, kind, revision_key, recorded_at, member_ids)"
    " SELECT gen_random_uuid(), r.group_key, 'POLICY_CHANGED', r.revision_key, clock_timestamp(), ARRAY[g.primary_id]"
    " FROM enrollment_revision r JOIN enrollment_group g USING (group_key) ORDER BY random() LIMIT %s"
    " RETURNING event_key, recorded_at)"
    " INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM added"
)


def write(url: str, rate: float, seconds: float) -> None:
    """Writes events at a constant rate and sequences them immediately, as a server does. Runs in a separate process.

    Prints a line when it is ready, and begins when it receives one.
    """
    asyncio.run(_write(url, rate, seconds))


async def _write(url: str, rate: float, seconds: float) -> None:
    database = Database(url, 4)
    await database.open()
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for n in range(int(rate * seconds / PER_TRANSACTION)):
        await asyncio.sleep(max(0.0, began + n * PER_TRANSACTION / rate - time.perf_counter()))
        async with database.reading() as connection:
            await connection.execute(WRITE, [PER_TRANSACTION])
        await database.write(lambda tx: sequence(tx, 1000))
    took = time.perf_counter() - began
    await database.close()
    print(f"{rate * seconds / took:.0f}", flush=True)


def delays(address: str, count: int, begin: Callable[[], None]) -> list[float]:
    """Returns the age of some events on receipt, in milliseconds. Calls `begin` when the stream is open."""
    found: list[float] = []
    with grpc.insecure_channel(address) as channel, watching(channel, NOW, seconds=120) as call:
        next(call)
        begin()
        deadline = time.time() + SECONDS * 4
        for message in call:
            now = time.time()
            found += [(now - e.recorded_at.seconds - e.recorded_at.nanos / 1e9) * 1000 for e in message.events]
            if len(found) >= count or time.time() > deadline:
                break
    return found


def under_flow(server: MeasuredServer, streams: int, rate: float) -> list[Figure]:
    with ExitStack() as others:
        if streams > 1:
            others.enter_context(
                load.streams(server.address, METHOD, watch_request(NOW).SerializeToString(), streams - 1)
            )
        writer = subprocess.Popen(
            [sys.executable, "-c", f"from benchmarks.feed import write; write({server.url!r}, {rate}, {SECONDS})"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdin is not None  # noqa: S101 (both are pipes)
        assert writer.stdout is not None  # noqa: S101
        writer.stdout.readline()
        begun: list[float] = []

        def begin() -> None:
            begun.append(time.perf_counter())
            print(file=writer.stdin, flush=True)

        found = delays(server.address, int(rate * SECONDS * 0.95), begin)
        took = time.perf_counter() - begun[0]
        written = float(writer.communicate()[0])
    found = sorted(found[len(found) // 8 :])  # without the first second, in which connections and plans are made
    name, against = f"feed.{streams}_streams", f"from commit to receipt, {written:.0f} events/s"
    return [
        Figure(name=f"{name}.p50", value=statistics.median(found), unit="ms", against=against),
        Figure(
            name=f"{name}.p99",
            value=found[int(len(found) * 0.99)],
            unit="ms",
            at_most=MAX_P99_MS.get(streams),
            against=against,
        ),
        Figure(name=f"{name}.rate", value=len(found) / took, unit="events/s", against="into each stream"),
    ]


def idle(server: MeasuredServer, streams: int) -> list[Figure]:
    pid = server.pids["server"]
    before = resident_bytes(pid)
    with load.streams(server.address, METHOD, watch_request(NOW).SerializeToString(), streams):
        each = (resident_bytes(pid) - before) / streams
        used = cpu_seconds(pid)
        time.sleep(IDLE_SECONDS)
        used = cpu_seconds(pid) - used
    against = f"{streams} idle streams"
    return [
        Figure(name="feed.idle.memory", value=each / 1024, unit="KiB each", at_most=MAX_IDLE_KIB, against=against),
        Figure(name="feed.idle.cpu", value=100 * used / IDLE_SECONDS, unit="% of a core", against=against),
    ]


def measure() -> list[Figure]:
    with measured_server() as server:
        family = Family(server.channel).set_up()
        for _ in range(GROUPS):
            other = Family(server.channel, contract_id=family.contract_id, base=family.base)
            other.store(other.primary)
            other.submit(other.enroll(family.base, "2026-01-01"), requester=admin())
        flows = [figure for streams in (1, 100, 1000) for figure in under_flow(server, streams, EVENTS_PER_SECOND)]
        return [*flows, *idle(server, IDLE_STREAMS)]
