"""Measures reads of a country in migration beside reads of the core: groups and checks, in one run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from benchmarks.running import calls_per_second
from tests.scenarios.enrollment_messages import date
from tests.support.migration import CORE, DUAL_WRITE, FORCE_CORE, READ_CORE, TRANSLATE, Spain
from tests.support.spanish import FLEX, FLEX_PLUS, SpanishServer

CALLERS = 4
OWNERS = 200
ON = "2026-03-10"


def measure() -> None:
    with TemporaryDirectory() as folder:
        server = SpanishServer(Path(folder))
        try:
            spain = Spain(server)
            owners = add_families(spain)
            spain.map()
            reads(spain, owners)
        finally:
            server.stop()


def add_families(spain: Spain) -> list[str]:
    """Adds families of an owner, a partner and two children."""
    owners = [f"owner {number}" for number in range(OWNERS)]
    for owner in owners:
        spain.row(owner, "PRIMARY", FLEX, "2024-03-01", owner=owner)
        spain.row(f"partner of {owner}", "PARTNER", FLEX_PLUS, "2025-01-01", owner=owner)
        for number in (1, 2):
            spain.row(f"child {number} of {owner}", "CHILD", FLEX, "2024-03-01", owner=owner)
    return owners


def reads(spain: Spain, owners: list[str]) -> None:
    """Reads every group and checks every owner: from the core in CORE, and as each stage says."""
    checks: Any = EligibilityCheckServiceStub(spain.channel)

    def get(n: int, **how: Any) -> None:
        request = pb.GetEnrollmentGroupRequest(key=spain.key(owners[n % OWNERS]), **how)
        spain.family.queries.GetEnrollmentGroup(request)

    def check(n: int) -> None:
        about = check_pb.EligibilityCheck(member_id=spain.member(owners[n % OWNERS]), date=date(ON))
        checks.CheckEligibility(check_pb.CheckEligibilityRequest(check=about))

    rows = [("TRANSLATE, not in the core", rate(get), rate(check))]
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    rows.append(("DUAL_WRITE", rate(get), rate(check)))
    spain.move_to(TRANSLATE)
    rows.append(("TRANSLATE, in the core", rate(get), rate(check)))
    forced = rate(partial(get, source_of_truth=FORCE_CORE))
    spain.move_to(READ_CORE)
    rows.append(("READ_CORE", rate(get), rate(check)))
    spain.move_to(CORE)
    core_get, core_check = rate(get), rate(check)
    print(f"CORE: {core_get:.0f} reads/s, {core_check:.0f} checks/s; FORCE_CORE: {forced:.0f} reads/s")
    for name, read, checked in rows:
        print(
            f"{name}: {read:.0f} reads/s, {read / core_get:.2f} of CORE;"
            f" {checked:.0f} checks/s, {checked / core_check:.2f} of CORE"
        )


def rate(call: Callable[[int], None]) -> float:
    """Returns the calls per second. Each caller goes through the owners."""
    numbers = iter(range(10**9))
    return calls_per_second(lambda _: call(next(numbers)), CALLERS)
