"""The metrics of migrations."""

from collections.abc import Iterator

import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import EligibilityCheckServiceStub
from affilia.enrollment.v1 import enrollment_query_service_pb2
from tests.rpc.test_observability import free_port, metrics_text, value
from tests.scenarios.enrollment_messages import date, span
from tests.support.migration import DUAL_WRITE, FORCE_CORE, FORCE_LEGACY, READ_CORE, Spain
from tests.support.spanish import FLEX, SpanishServer
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SpanishServer, str]]:
    """A server with the Spanish tables, and the URL of its metrics."""
    port = free_port()
    server = SpanishServer(tmp_path_factory.mktemp("measured"), "--metrics-listen", f"127.0.0.1:{port}")
    yield server, f"http://127.0.0.1:{port}/metrics"
    server.stop()


def of_spain(url: str, name: str, **labels: str) -> float:
    return value(metrics_text(url), f"affilia_migration_{name}", country="ES", **labels)


def test_the_metrics_follow_a_migration(measured: tuple[SpanishServer, str]) -> None:
    server, url = measured
    assert "affilia_migration_reads_total{" not in metrics_text(url)
    spain = Spain(server)
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("C", "CHILD", "SPA", "2024-03-01")
    spain.map()
    wait_until(lambda: of_spain(url, "stage", stage="TRANSLATE") == 1, "the stage is measured")
    assert of_spain(url, "stage", stage="READ_CORE") == 0
    spain.compare()
    wait_until(lambda: of_spain(url, "findings", kind="PRODUCT_NOT_MAPPED") == 1, "findings are measured")
    assert of_spain(url, "findings", kind="REVERSED") == 0
    assert [of_spain(url, f"{name}_total") for name in ("alignments", "writes_back")] == [0, 0]

    reads = of_spain(url, "reads_total")
    spain.group()
    spain.group(source_of_truth=FORCE_LEGACY)
    request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=spain.family.contract_id)
    spain.family.queries.ListEnrollmentGroups(request)
    check = pb.EligibilityCheck(member_id=spain.family.primary, date=date("2026-03-10"))
    checks = EligibilityCheckServiceStub(spain.channel)
    checks.CheckEligibility(pb.CheckEligibilityRequest(check=check))
    assert of_spain(url, "reads_total") == reads + 4

    spain.execute("DELETE FROM legacy_es.es_enrollment WHERE product_code = 'SPA'")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    assert of_spain(url, "alignments_total") == 1
    spain.family.submit(spain.family.enroll(spain.family.option, "2026-06-01"))
    assert of_spain(url, "writes_back_total") == 1


def test_reads_that_the_core_would_answer_differently_are_counted_in_read_core(
    measured: tuple[SpanishServer, str],
) -> None:
    server, url = measured
    server.reset()
    spain = Spain(server)
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    spain.row("A", "PRIMARY", FLEX, "2024-03-01", owner="A")
    spain.move_to(DUAL_WRITE)
    spain.backfill()
    spain.row("P", "PRIMARY", FLEX, "2024-02-01")
    checks = EligibilityCheckServiceStub(spain.channel)

    def counted() -> float:
        """Reads both groups in all ways, and returns how many differences were counted meanwhile."""
        before = of_spain(url, "read_differences_total")
        for owner in "PA":
            spain.group(owner)
            spain.group(owner, source_of_truth=FORCE_LEGACY)
            spain.group(owner, source_of_truth=FORCE_CORE)
            check = pb.EligibilityCheck(member_id=spain.member(owner), date=date("2026-03-10"))
            checks.CheckEligibility(pb.CheckEligibilityRequest(check=check))
        request = enrollment_query_service_pb2.ListEnrollmentGroupsRequest(contract_id=spain.family.contract_id)
        spain.family.queries.ListEnrollmentGroups(request)
        on = span("2026-03-10", "2026-03-10")
        checks.ListCoverage(pb.ListCoverageRequest(contract_id=spain.family.contract_id, days=on))
        return of_spain(url, "read_differences_total") - before

    assert counted() == 0
    spain.move_to(READ_CORE)
    assert counted() == 4  # a read by key, a check, and two lists
    spain.backfill()
    wait_until(lambda: counted() == 0, "the projection has the aligned group")
