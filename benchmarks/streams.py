"""Measures how streams end, and readers that stop reading.

Draining: separate processes read streams while events are sent. Measured are the time from SIGTERM until the last
stream has its status, and how many streams have a status and a token to resume from. Slow readers: the memory of
each, and the time until its connection is closed."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from benchmarks.figures import Figure
from benchmarks.running import measured_server
from benchmarks.usage import resident_bytes
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin, decoded
from tests.support.feeds import BEGINNING, NOW, watch_request

METHOD = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
STREAMS = 10_000
PROCESSES = 2
PER_CONNECTION = 100
SLOW_READERS = 15
EVENTS = 400
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)


def read(address: str, streams: int) -> None:
    """Opens streams, prints when all are open, and reads them to their ends. Runs in a separate process."""
    asyncio.run(_read(address, streams))


async def _read(address: str, streams: int) -> None:
    ends: Counter[str] = Counter()
    opened = tokens = messages = 0
    all_open = asyncio.Event()
    request = watch_request(NOW).SerializeToString()

    async def read_one(channel: Any) -> None:
        nonlocal opened, tokens, messages
        token = ""
        try:
            method = channel.unary_stream(METHOD, response_deserializer=pb.WatchEnrollmentsResponse.FromString)
            async for message in method(request):
                messages += 1
                if not token:
                    opened += 1
                    if opened == streams:
                        all_open.set()
                token = message.resume_token
        except grpc.aio.AioRpcError as error:
            failure = decoded(error)
            ends[f"{failure.code.name} {failure.reason}"] += 1
            tokens += bool(token)

    connections = max(1, streams // PER_CONNECTION)
    channels = [grpc.aio.insecure_channel(address, options=[OWN_CONNECTION]) for _ in range(connections)]
    reading = [asyncio.create_task(read_one(channels[i % connections])) for i in range(streams)]
    await all_open.wait()
    print("open", flush=True)
    await asyncio.gather(*reading)
    print(json.dumps({"ends": ends, "tokens": tokens, "messages": messages, "at": time.time()}), flush=True)


def draining(streams: int) -> list[Figure]:
    with TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), "--drain-seconds", "60")
        command = f"from benchmarks.streams import read; read({server.address!r}, {streams // PROCESSES})"
        readers = [
            subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for reader in readers:
            assert reader.stdout is not None  # noqa: S101 (it is a pipe)
            reader.stdout.readline()
        stop = threading.Event()
        with grpc.insecure_channel(server.address) as channel:
            submitting = threading.Thread(target=_submit, args=[Family(channel).set_up(), stop])
            submitting.start()
            time.sleep(3)
            began = time.time()
            server.process.terminate()
            status = server.process.wait(120)
            exited = time.time() - began
            stop.set()
            submitting.join()
        found = [json.loads(reader.communicate()[0]) for reader in readers]
    ends = sum((Counter(each["ends"]) for each in found), Counter[str]())
    name, against = f"streams.draining_{streams}", f"after SIGTERM, {dict(ends)}, exit status {status}"
    last = max(each["at"] for each in found) - began
    return [
        Figure(name=f"{name}.last_stream", value=last, unit="s", against=against, client="python"),
        Figure(name=f"{name}.server", value=exited, unit="s", client="python"),
        Figure(name=f"{name}.messages", value=sum(each["messages"] for each in found), unit="messages"),
        Figure(name=f"{name}.tokens", value=sum(each["tokens"] for each in found), unit="streams with a token"),
    ]


def _submit(family: Family, stop: threading.Event) -> None:
    """Makes a change every 0.2 s, which is sent to all streams."""
    month = 0
    while not stop.wait(0.2):
        month += 1
        change = family.enroll((family.base, family.plus)[month % 2], f"2027-{month % 12 + 1:02}-01")
        try:
            family.requests.SubmitChangeRequest(family.request(change, requester=admin()), timeout=10)
        except grpc.RpcError as error:
            if decoded(error).code != grpc.StatusCode.RESOURCE_EXHAUSTED:
                return


def slow_readers(readers: int) -> list[Figure]:
    with measured_server() as server:
        family = Family(server.channel).set_up()
        note = "x" * 500
        for n in range(EVENTS):
            change = family.enroll((family.base, family.plus)[n % 2], f"{2027 + n // 12 % 60}-{n % 12 + 1:02}-01")
            change.note = note
            family.requests.SubmitChangeRequest(family.request(change, requester=admin()))
        return asyncio.run(_stop_reading(server.process, readers))


async def _stop_reading(server: ServerProcess, readers: int) -> list[Figure]:
    before, peak = _memory_mib(server), 0.0
    began = time.monotonic()
    channels = [grpc.aio.insecure_channel(server.address, options=[OWN_CONNECTION]) for _ in range(readers)]
    from_the_beginning: Any = watch_request(BEGINNING).SerializeToString()
    calls: list[Any] = [channel.unary_stream(METHOD)(from_the_beginning) for channel in channels]
    for call in calls:
        await call.read()
    closed: list[float] = []

    async def closes(channel: grpc.aio.Channel) -> None:
        await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        closed.append(time.monotonic() - began)

    waiting = [asyncio.create_task(closes(channel)) for channel in channels]
    while len(closed) < readers and time.monotonic() - began < 120:
        peak = max(peak, _memory_mib(server))
        await asyncio.sleep(0.2)
    for task in waiting:
        task.cancel()
    for channel in channels:
        await channel.close()
    name, against = "streams.slow_readers", f"{readers} readers that stop reading"
    memory = f"server before {before:.0f}, at most {peak:.0f}, afterwards {_memory_mib(server):.0f} MiB"
    return [
        Figure(name=f"{name}.memory", value=(peak - before) / readers, unit="MiB each", against=memory),
        Figure(name=f"{name}.closed", value=len(closed), unit="connections", at_least=readers, against=against),
        Figure(name=f"{name}.last_closed", value=max(closed, default=0.0), unit="s", against=against),
    ]


def _memory_mib(server: ServerProcess) -> float:
    return resident_bytes(server.process.pid) / 2**20


def measure() -> list[Figure]:
    return [*draining(500), *draining(STREAMS), *slow_readers(SLOW_READERS)]
