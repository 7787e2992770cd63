"""Measures recomputes of all groups of a contract that change nothing, from the queue until none is waiting."""

import time

from affilia.enrollment.v1 import change_request_service_pb2 as pb
from benchmarks.figures import Figure
from benchmarks.groups import until_indexed
from benchmarks.running import measured_server
from benchmarks.usage import cpu_seconds
from tests.support.calls import Family, new_id
from tests.support.portfolio import clone_policies

GROUPS = 5000
PER_SECOND = 5000


def measure() -> list[Figure]:
    with measured_server() as server:
        family = Family(server.channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        clone_policies(server.url, str(family.group().group_id), GROUPS - 1)
        until_indexed(server.url)
        before = {name: cpu_seconds(pid) for name, pid in server.pids.items()}
        began = time.perf_counter()
        family.requests.RequestRecompute(
            pb.RequestRecomputeRequest(request_id=new_id(), contract_id=family.contract_id)
        )
        request = pb.ListRecomputesRequest(contract_id=family.contract_id, page_size=1)
        while family.requests.ListRecomputes(request).waiting_count:
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        used = {name: cpu_seconds(pid) - before[name] for name, pid in server.pids.items()}
    return [
        Figure(name="recomputes.rate", value=GROUPS / seconds, unit="groups/s", at_least=PER_SECOND),
        *(
            Figure(name=f"recomputes.{name}_cpu", value=seconds / GROUPS * 1e6, unit="us/group")
            for name, seconds in used.items()
        ),
    ]
