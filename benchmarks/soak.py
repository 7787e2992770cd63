"""`make soak`: runs a server under mixed load and with open streams for a long time. Its memory must stay flat.

The first argument is the number of minutes (default 60), the second one the mean pause of a client between two
operations, in seconds (default 0.05). Each round has new families, and ends by comparing what was acknowledged with
what is stored. The memory is printed after each round. After the first third of the run, it may grow by at most
`MAX_GROWTH_MIB`. `tests/reliability/` tests kills.

The server's caches have a hundredth of their default limits (small_caches.py). With the defaults, they would fill
during the whole run, which would hide whether anything else grows. `--default-caches` leaves the defaults.
"""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.usage import resident_bytes
from storage.postgres import postmaster
from tests.conftest import ServerProcess
from tests.support.comparison import compared
from tests.support.feeds import NOW, watching
from tests.support.recording_clients import Address, RecordingClient, channel_to

ROUNDS = 12
CLIENTS = 6
STREAMS = 50
THINKING_SECONDS = 0.05
MIN_OPERATIONS_PER_MINUTE = 100
MAX_GROWTH_MIB, MAX_GROWTH_OF_DEFAULT_CACHES_MIB = 16.0, 64.0
DEFAULT_CACHES = "--default-caches"


class SmallCaches(ServerProcess):
    program = "benchmarks.small_caches"


def main() -> None:
    numbers = [float(argument) for argument in sys.argv[1:] if argument != DEFAULT_CACHES]
    minutes, pause = (*numbers, *(60.0, THINKING_SECONDS)[len(numbers) :])
    start: type[ServerProcess] = SmallCaches
    max_growth = MAX_GROWTH_MIB
    if DEFAULT_CACHES in sys.argv:
        start, max_growth = ServerProcess, MAX_GROWTH_OF_DEFAULT_CACHES_MIB
    began, operations = time.monotonic(), 0
    memory: list[float] = []
    faults: list[str] = []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = start(folder)
        stack.callback(server.stop)
        address = Address(server.address, server.internal_address)
        for _ in range(STREAMS):
            channel = stack.enter_context(channel_to(address.public))
            next(stack.enter_context(watching(channel, NOW, seconds=minutes * 60 + 3600)))
        print(f"{'minute':>7} {'operations':>11} {'server':>12} {'postmaster':>12}", flush=True)
        for _ in range(ROUNDS):
            clients = _round(address, minutes * 60 / ROUNDS, pause)
            operations += sum(len(client.journal.operations) for client in clients)
            faults += compared(address, clients).faults
            memory.append(resident_bytes(server.process.pid) / 2**20)
            of_postmaster = resident_bytes(postmaster.number_in(folder / "postgres")) / 2**20
            minute = (time.monotonic() - began) / 60
            print(f"{minute:7.1f} {operations:11} {memory[-1]:8.1f} MiB {of_postmaster:8.1f} MiB", flush=True)
    grown = memory[-1] - memory[ROUNDS // 3 - 1]
    print(f"after the first third, the memory of the server changed by {grown:+.1f} MiB")
    if grown > max_growth:
        faults.append(f"the memory of the server grew by {grown:.1f} MiB")
    if operations < minutes * MIN_OPERATIONS_PER_MINUTE:
        faults.append(f"only {operations} operations: too little traffic to show anything")
    for fault in faults:
        print(f"FAULT {fault}")
    raise SystemExit(1 if faults else 0)


def _round(address: Address, seconds: float, pause: float) -> list[RecordingClient]:
    """Runs new clients for a while. Returns them, stopped."""
    clients = [RecordingClient(lambda: [address], thinking_seconds=pause) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    for client in clients:
        client.stop()
    return clients


if __name__ == "__main__":
    main()
