"""Measures recomputes of all groups of a contract that change nothing, from the queue until none is waiting."""

import time

from affilia.enrollment.v1 import change_request_service_pb2
from benchmarks.running import a_server
from tests.support.calls import Family, new_id

GROUPS = 1000


def measure() -> None:
    with a_server() as (_, channel):
        family = Family(channel).set_up()
        for _ in range(GROUPS):
            other = Family(channel, contract_id=family.contract_id, base=family.base)
            other.store(other.primary)
            other.submit(other.enroll(family.base, "2026-01-01"))
        began = time.perf_counter()
        family.requests.RequestRecompute(
            change_request_service_pb2.RequestRecomputeRequest(request_id=new_id(), contract_id=family.contract_id)
        )
        request = change_request_service_pb2.ListRecomputesRequest(contract_id=family.contract_id, page_size=1)
        while family.requests.ListRecomputes(request).waiting_count:
            time.sleep(0.01)
        seconds = time.perf_counter() - began
    print(f"{GROUPS} groups with nothing to change: {GROUPS / seconds:.0f} recomputes/s in one server process")
