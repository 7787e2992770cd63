"""`make soak`: kills the server repeatedly under load. No acknowledged write may be lost or stored twice.

The number of kills is the first argument (default 20). Seed and totals are printed; a run with too little traffic is
not a success. kill -9 does not test a power cut.
"""

import random
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from affilia.enrollment.v1 import change_request_service_pb2
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin

FAMILIES = 8
LEAST_ACKNOWLEDGED_PER_KILL = 10


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = random.SystemRandom().randrange(2**32)
    print(f"{kills} kills, seed {seed}", flush=True)
    draw = random.Random(seed)
    with TemporaryDirectory() as folder:
        ids: list[dict[str, str]] = []
        acknowledged: set[str] = set()
        for n in range(kills):
            acknowledged |= _until_killed(Path(folder), ids, draw)
            print(f"kill {n + 1}: {len(acknowledged)} acknowledged so far", flush=True)
        lost = _lost(Path(folder), ids, acknowledged)
    print(f"acknowledged {len(acknowledged)}, lost {len(lost)}")
    if lost or len(acknowledged) < kills * LEAST_ACKNOWLEDGED_PER_KILL:
        raise SystemExit(1)


def _until_killed(folder: Path, ids: list[dict[str, str]], draw: random.Random) -> set[str]:
    """Starts a server, submits from one thread per family, and kills the server after a while. Returns the
    acknowledged requests."""
    server = ServerProcess(folder)
    acknowledged: set[str] = set()
    with grpc.insecure_channel(server.address) as channel:
        if not ids:
            ids += [Family(channel).set_up().ids() for _ in range(FAMILIES)]
        families = [Family(channel, **of_one) for of_one in ids]
        threads = [threading.Thread(target=_submit_for_ever, args=[family, acknowledged]) for family in families]
        for thread in threads:
            thread.start()
        threading.Event().wait(draw.uniform(0.2, 1.5))
        server.kill()
        for thread in threads:
            thread.join()
    return acknowledged


def _submit_for_ever(family: Family, acknowledged: set[str]) -> None:
    draw = random.Random()
    while True:
        module = draw.choice([family.base, family.plus])
        change = family.enroll(module, f"{draw.randint(2026, 2030)}-{draw.randint(1, 12):02}-01")
        request = family.request(change, requester=admin())
        try:
            family.requests.SubmitChangeRequest(request, timeout=5)
        except grpc.RpcError:
            return
        acknowledged.add(request.request_id)


def _lost(folder: Path, ids: list[dict[str, str]], acknowledged: set[str]) -> set[str]:
    """Returns the acknowledged requests that are not stored exactly once."""
    server = ServerProcess(folder)
    stored: list[str] = []
    with grpc.insecure_channel(server.address) as channel:
        for of_one in ids:
            family = Family(channel, **of_one)
            request = change_request_service_pb2.ListChangeRequestsRequest(
                group_id=family.group().group_id, page_size=1000
            )
            while True:
                page = family.requests.ListChangeRequests(request)
                stored += [change_request.request_id for change_request in page.change_requests]
                if not page.next_page_token:
                    break
                request.page_token = page.next_page_token
    server.stop()
    if len(stored) != len(set(stored)):
        raise SystemExit("a request was stored twice")
    return acknowledged - set(stored)


main()
