"""The load generator for machines without Go. It has the same flags and output as load_generator/, described there."""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import uvloop

from benchmarks.load import NEW_ID

CONNECT_SECONDS = 30
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


@dataclass(slots=True)
class Call:
    sent_at: float
    duration: float
    lag: float
    status: str
    message: str
    bytes: int

    @property
    def ended_at(self) -> float:
        return self.sent_at + self.duration


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.python_load")
    for name in ("addresses", "method", "requests"):
        parser.add_argument(f"-{name}", required=True)
    for name, whole in (("connections", 8), ("callers", 64), ("streams", 0)):
        parser.add_argument(f"-{name}", type=int, default=whole)
    for name, default in (("rate", 0.0), ("seconds", 5.0), ("warm-up", 1.0), ("deadline", 30.0)):
        parser.add_argument(f"-{name}", type=float, default=default)
    parser.add_argument("-metadata", action="append", default=[])
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(Sender(given).run())))


class Sender:
    """Sends the calls of one load, or reads its streams."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._requests = _requests(Path(given.requests))
        self._metadata = tuple(tuple(pair.split("=", 1)) for pair in given.metadata)
        self._channels: list[grpc.aio.Channel] = []
        self._until = 0.0

    async def run(self) -> dict[str, Any]:
        addresses, number = self._given.addresses.split(","), self._given.connections
        self._channels = [grpc.aio.insecure_channel(addresses[n % len(addresses)], OPTIONS) for n in range(number)]
        await asyncio.wait_for(asyncio.gather(*(each.channel_ready() for each in self._channels)), CONNECT_SECONDS)
        if self._given.streams:
            return await self._read_streams()
        begin = time.perf_counter() + self._given.warm_up
        self._until = begin + self._given.seconds
        measuring = asyncio.create_task(self._cpu_seconds(begin))
        sent = await (self._open_loop() if self._given.rate else self._closed_loop())
        return _report(sent, begin, self._until, await measuring)

    async def _cpu_seconds(self, begin: float) -> float:
        await asyncio.sleep(begin - time.perf_counter())
        before = time.process_time()
        print("begin", file=sys.stderr, flush=True)
        await asyncio.sleep(self._until - time.perf_counter())
        print("end", file=sys.stderr, flush=True)
        return time.process_time() - before

    def _method(self, n: int) -> Any:
        return self._channels[n % len(self._channels)].unary_unary(self._given.method)

    async def _closed_loop(self) -> list[Call]:
        calls: list[Call] = []

        async def work(method: Any) -> None:
            while (now := time.perf_counter()) < self._until:
                calls.append(await self._send(method, now))

        await asyncio.gather(*(work(self._method(n)) for n in range(self._given.callers)))
        return calls

    async def _open_loop(self) -> list[Call]:
        methods = [self._method(n) for n in range(len(self._channels))]
        calls: list[asyncio.Task[Call]] = []
        began = time.perf_counter()
        for n in count():
            due_at = began + n / self._given.rate
            if due_at >= self._until:
                break
            if (wait := due_at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            calls.append(asyncio.create_task(self._send(methods[n % len(methods)], due_at)))
        return list(await asyncio.gather(*calls))

    async def _send(self, method: Any, due_at: float) -> Call:
        request = next(self._requests)
        status, message, size = "OK", "", 0
        sent_at = time.perf_counter()
        try:
            size = len(await method(request, timeout=self._given.deadline, metadata=self._metadata))
        except grpc.aio.AioRpcError as error:
            status, message = _status_of(error), error.details() or ""
        return Call(sent_at, time.perf_counter() - sent_at, sent_at - due_at, status, message, size)

    async def _read_streams(self) -> dict[str, Any]:
        terminated = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
        methods: list[Any] = [channel.unary_stream(self._given.method) for channel in self._channels]
        calls = [
            methods[n % len(methods)](next(self._requests), metadata=self._metadata) for n in range(self._given.streams)
        ]
        messages = [aiter(call) for call in calls]
        for first in await asyncio.gather(*map(anext, messages), return_exceptions=True):
            if isinstance(first, BaseException):
                raise SystemExit(f"a stream ended before its first message: {_status_of(first)}")
        print("open", file=sys.stderr, flush=True)
        received = Counter(messages=0, bytes=0)
        reading = [asyncio.create_task(_read(each, received)) for each in messages]
        await terminated.wait()
        for call in calls:
            call.cancel()
        return {**received, "ends": Counter(await asyncio.gather(*reading))}


async def _read(messages: AsyncIterator[bytes], received: Counter[str]) -> str:
    """Reads a stream to its end. Returns its status."""
    try:
        async for message in messages:
            received.update(messages=1, bytes=len(message))
    except (grpc.aio.AioRpcError, asyncio.CancelledError) as end:
        return _status_of(end)
    return "OK"


def _requests(path: Path) -> Iterator[bytes]:
    """Yields the requests of a file in turn, endlessly, each with a new id instead of its placeholder."""
    content, position = path.read_bytes(), 0
    requests: list[bytes] = []
    while position < len(content):
        end = position + 4 + int.from_bytes(content[position : position + 4])
        requests.append(content[position + 4 : end])
        position = end
    placeholder = NEW_ID.encode()
    while True:
        for request in requests:
            new_id = UUID(int=random.getrandbits(128), version=4)
            yield request.replace(placeholder, str(new_id).encode(), 1)


def _status_of(error: BaseException) -> str:
    """Returns the status of a failed call as it is named in Go: RESOURCE_EXHAUSTED is ResourceExhausted."""
    if isinstance(error, grpc.aio.AioRpcError) and error.code() is not grpc.StatusCode.CANCELLED:
        return "".join(word.capitalize() for word in error.code().name.split("_"))
    return "Canceled"


def _report(calls: list[Call], begin: float, until: float, cpu_seconds: float) -> dict[str, Any]:
    ended = [call for call in calls if begin <= call.ended_at < until]
    sent = [call for call in calls if begin <= call.sent_at < until]
    succeeded = [call for call in ended if call.status == "OK"]
    by_status: dict[str, list[Call]] = {}
    for call in sent:
        by_status.setdefault(call.status, []).append(call)
    _, lag_p99, lag_max = _percentiles([call.lag for call in sent])
    return {
        "rate": len(succeeded) / (until - begin),
        "sent_rate": len(sent) / (until - begin),
        "ended": len(ended),
        "statuses": {status: _status_report(of_one) for status, of_one in by_status.items()},
        "lag_p99": lag_p99,
        "lag_max": lag_max,
        "client_cpu": cpu_seconds / max(len(ended), 1),
        "response_bytes": sum(call.bytes for call in succeeded) / max(len(succeeded), 1),
    }


def _status_report(calls: list[Call]) -> dict[str, Any]:
    p50, p99, slowest = _percentiles([call.duration for call in calls])
    return {"calls": len(calls), "p50": p50, "p99": p99, "max": slowest, "message": calls[-1].message}


def _percentiles(durations: list[float]) -> tuple[float, float, float]:
    """Returns the median, the 99th percentile and the maximum, all 0 if there are no durations."""
    if not durations:
        return 0.0, 0.0, 0.0
    durations = sorted(durations)
    last = len(durations) - 1
    return durations[last // 2], durations[last * 99 // 100], durations[last]


if __name__ == "__main__":
    main()
