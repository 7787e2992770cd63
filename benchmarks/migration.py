"""Measures reads of a country in migration beside reads of the core.

Each caller alternates between both kinds, so that their ratio doesn't depend on what else the machine does. The core's
are about families of another country, on the same server.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from benchmarks.figures import Figure
from benchmarks.running import SECONDS
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Family
from tests.support.migration import CORE, DUAL_WRITE, READ_CORE, TRANSLATE, Spain
from tests.support.spanish import FLEX, FLEX_PLUS, SpanishServer

CALLERS = 2
OWNERS = 200
ON = "2026-03-10"

Call = Callable[[int], object]


def measure() -> list[Figure]:
    with TemporaryDirectory() as folder:
        server = SpanishServer(Path(folder))
        try:
            return reads(Spain(server))
        finally:
            server.stop()


def add_families(spain: Spain) -> list[str]:
    """Adds families of an owner, a partner and two children. Returns the owners."""
    owners = [f"owner {number}" for number in range(OWNERS)]
    for owner in owners:
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
        spain.row(f"partner of {owner}", "PARTNER", FLEX_PLUS, "2025-01-01", owner=owner)
        for number in (1, 2):
            spain.row(f"child {number} of {owner}", "CHILD", FLEX, "2024-03-01", owner=owner)
    return owners


def reads(spain: Spain) -> list[Figure]:
    """Reads groups by their keys, and checks their owners, in each stage."""
    owners = add_families(spain)
    spain.map()
    other = Family(spain.channel).set_up()
    other.submit(other.enroll(other.base, "2026-01-01"))
    spain.execute("ANALYZE")
    checks: Any = EligibilityCheckServiceStub(spain.channel)

    def get(key: Any) -> object:
        return spain.family.queries.GetEnrollmentGroup(pb.GetEnrollmentGroupRequest(key=key))

    def check(member_id: str) -> object:
        about = check_pb.EligibilityCheck(member_id=member_id, date=date(ON))
        return checks.CheckEligibility(check_pb.CheckEligibilityRequest(check=about))

    calls: dict[str, Call] = {
        "read of the core": lambda n: get(other.key),
        "read in migration": lambda n: get(spain.key(owners[n % OWNERS])),
        "check of the core": lambda n: check(other.primary),
        "check in migration": lambda n: check(spain.member(owners[n % OWNERS])),
    }

    figures: list[Figure] = []

    def report(name: str) -> None:
        side_by_side(calls)  # PostgreSQL plans the statements
        core_read, read, core_check, checked = side_by_side(calls).values()
        for kind, ours, core in (("read", read, core_read), ("check", checked, core_check)):
            full, against = f"migration.{name}.{kind}", f"a {kind} of the core"
            figures.append(Figure(name=full, value=ours * 1e3, unit="ms", client="python"))
            figures.append(Figure(name=f"{full}.factor", value=ours / core, unit="x", against=against, client="python"))

    report("translate_not_in_core")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    for name, stage in (
        ("dual_write", DUAL_WRITE),
        ("translate_in_core", TRANSLATE),
        ("read_core", READ_CORE),
        ("core", CORE),
    ):
        spain.move_to(stage)
        report(name)
    return figures


def side_by_side(calls: Mapping[str, Call]) -> dict[str, float]:
    """Returns the median duration of each call in seconds. Every caller makes all of them in turn."""
    until = time.perf_counter() + SECONDS

    def work(caller: int) -> dict[str, list[float]]:
        durations: dict[str, list[float]] = {name: [] for name in calls}
        n = caller
        while time.perf_counter() < until:
            for name, call in calls.items():
                began = time.perf_counter()
                call(n)
                durations[name].append(time.perf_counter() - began)
            n += CALLERS
        return durations

    with ThreadPoolExecutor(CALLERS) as threads:
        found = list(threads.map(work, range(CALLERS)))
    return {name: median(duration for each in found for duration in each[name]) for name in calls}
