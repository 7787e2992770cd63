"""Measures a member's rejected calls: for another member's coverage and module, and for ones that don't exist.

Run by hand: `python -m benchmarks.same_time`. The two distributions should be the same.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from affilia.catalog.v1 import catalog_service_pb2
from affilia.eligibility.v1 import eligibility_check_service_pb2
from tests.support.calls import new_id
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of
from tests.support.insured import Insured

CALLS = 1000


def main() -> None:
    with (
        TemporaryDirectory() as folder,
        guarded_server(Path(folder)) as (server, _),
        grpc.insecure_channel(server.address) as public,
        grpc.insecure_channel(server.internal_address) as internal,
    ):
        insured = Insured(channel_of(public, as_("admin", "ada")), internal).set_up()
        insured.submit(insured.family.enroll(insured.family.base, "2026-01-01"))
        locator = insured.records("2026-03-01")[0].locator
        stranger = as_("member", new_id())
        checks: Any = public.unary_unary("/affilia.eligibility.v1.EligibilityCheckService/GetCoverage")
        catalog: Any = public.unary_unary("/affilia.catalog.v1.CatalogService/GetModules")
        get_coverage = eligibility_check_service_pb2.GetCoverageRequest
        get_modules = catalog_service_pb2.GetModulesRequest
        _compare("GetCoverage", checks, stranger, get_coverage(locator=locator), get_coverage(locator=new_id()))
        _compare(
            "GetModules",
            catalog,
            stranger,
            get_modules(module_ids=[insured.family.base]),
            get_modules(module_ids=[new_id()]),
        )


def _compare(name: str, call: Any, metadata: Any, foreign: Any, unknown: Any) -> None:
    seconds: dict[str, list[float]] = {"somebody else's": [], "unknown": []}
    requests = dict(zip(seconds, (foreign.SerializeToString(), unknown.SerializeToString()), strict=True))
    for _ in range(CALLS):
        for which, request in requests.items():
            began = time.perf_counter()
            try:
                call(request, metadata=metadata)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.PERMISSION_DENIED:
                    raise
            seconds[which].append(time.perf_counter() - began)
    for which, taken in seconds.items():
        taken.sort()
        quantiles = ", ".join(f"p{q} {taken[len(taken) * q // 100] * 1e6:.0f} us" for q in (10, 25, 50, 75, 90))
        print(f"{name}, {which}: {quantiles}")


if __name__ == "__main__":
    main()
