"""Measures the change feed: delay from commit to receipt at a constant rate, with few and many streams; and idle
streams.

A separate process writes events of prepared revisions directly into the outbox, 20 per transaction. One stream is read
and timed in Python. h2load (Debian: nghttp2-client) reads the others; without it, they are omitted.
"""

import asyncio
import shutil
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from storage.outbox import sequence
from storage.postgres.database import Database
from storage.postgres.embedded import EmbeddedPostgres
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin
from tests.support.feeds import NOW, watch_request, watching

GROUPS = 200
PER_TRANSACTION = 20
SECONDS = 8.0
METHOD = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"

WRITE = (
    "WITH added AS (INSERT INTO event (event_id, group_key, kind, revision_key, recorded_at, member_ids)"
    " SELECT gen_random_uuid(), r.group_key, 'POLICY_CHANGED', r.revision_key, clock_timestamp(), ARRAY[g.primary_id]"
    " FROM enrollment_revision r JOIN enrollment_group g USING (group_key) ORDER BY random() LIMIT %s"
    " RETURNING event_key, recorded_at)"
    " INSERT INTO feed_pending (event_key, recorded_at) SELECT event_key, recorded_at FROM added"
)


def write(url: str, rate: float, seconds: float) -> None:
    """Writes events at a constant rate and sequences them immediately, as a server does. Runs in a separate process."""
    asyncio.run(_write(url, rate, seconds))


async def _write(url: str, rate: float, seconds: float) -> None:
    database = Database(url, 4)
    await database.open()
    began = time.perf_counter()
    for n in range(int(rate * seconds / PER_TRANSACTION)):
        await asyncio.sleep(max(0.0, began + n * PER_TRANSACTION / rate - time.perf_counter()))
        async with database.reading() as connection:
            await connection.execute(WRITE, [PER_TRANSACTION])
        await database.write(lambda tx: sequence(tx, 1000))
    took = time.perf_counter() - began
    await database.close()
    print(f"{rate * seconds / took:.0f}", flush=True)


@contextmanager
def drained(address: str, streams: int, folder: Path) -> Iterator[None]:
    """Opens additional streams, read by h2load."""
    if not streams:
        yield
        return
    body = watch_request(NOW).SerializeToString()
    (folder / "body").write_bytes(b"\0" + struct.pack(">I", len(body)) + body)
    connections = max(1, streams // 100)
    load = subprocess.Popen(
        [
            *("h2load", "-t", "1", "-c", str(connections), "-m", "100", "-n", str(streams)),
            *("-w", "20", "-W", "24", "-d", str(folder / "body")),
            *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{METHOD}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        load.kill()
        load.wait()


def delays(address: str, count: int, deadline: float) -> list[float]:
    """Returns the age of each of a number of events on receipt, in milliseconds."""
    found: list[float] = []
    with grpc.insecure_channel(address) as channel, watching(channel, NOW, seconds=120) as call:
        next(call)
        for message in call:
            now = time.time()
            found += [(now - e.recorded_at.seconds - e.recorded_at.nanos / 1e9) * 1000 for e in message.events]
            if len(found) >= count or time.time() > deadline:
                break
    return found


def under_flow(server: ServerProcess, url: str, streams: int, rate: float, folder: Path) -> None:
    with drained(server.address, streams - 1, folder):
        time.sleep(2 + streams / 500)
        writer = subprocess.Popen(
            [sys.executable, "-c", f"from benchmarks.feed import write; write({url!r}, {rate}, {SECONDS})"],
            stdout=subprocess.PIPE,
            text=True,
        )
        began = time.perf_counter()
        found = delays(server.address, int(rate * SECONDS * 0.95), time.time() + SECONDS * 4)
        took = time.perf_counter() - began
        written = writer.communicate()[0].strip()
    found = sorted(found[len(found) // 8 :])  # without the first second, in which connections and plans are made
    print(
        f"{streams} streams, {written} events/s written: {len(found) / took:.0f} events/s into each,"
        f" delay median {statistics.median(found):.0f} ms, p99 {found[int(len(found) * 0.99)]:.0f} ms",
        flush=True,
    )


def idle(server: ServerProcess, streams: int, folder: Path) -> None:
    before = _memory_bytes(server)
    with drained(server.address, streams, folder):
        deadline = time.monotonic() + 60
        while (open_now := _open_streams(server)) < streams and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(2)
        each = (_memory_bytes(server) - before) / streams
        used = _cpu_seconds(server)
        time.sleep(10)
        used = _cpu_seconds(server) - used
    print(f"{streams} idle streams: {each / 1024:.1f} KiB each, {used * 10:.1f} % of a core for their bookmarks")
    del open_now


def _open_streams(server: ServerProcess) -> int:
    """Returns a large number if the server's memory is constant for a second, else 0: the server reports no count."""
    first = _memory_bytes(server)
    time.sleep(1)
    return 10**9 if _memory_bytes(server) == first else 0


def _memory_bytes(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def _cpu_seconds(server: ServerProcess) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        server = ServerProcess(folder)
        with grpc.insecure_channel(server.address) as channel:
            family = Family(channel).set_up()
            for _ in range(GROUPS):
                other = Family(channel, contract_id=family.contract_id, base=family.base)
                other.store(other.primary)
                other.submit(other.enroll(family.base, "2026-01-01"), requester=admin())
        url = EmbeddedPostgres(folder).url
        for streams in (1, 100, 1000) if shutil.which("h2load") else (1,):
            under_flow(server, url, streams, 2000, folder)
        if shutil.which("h2load"):
            idle(server, 5000, folder)
        server.stop()
