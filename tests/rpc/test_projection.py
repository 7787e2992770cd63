"""The projection of coverage: the same after any history, kill or rebuild, on every server, and from another server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import grpc
import psycopg
import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import date
from tests.support.calls import decoded, failure_of
from tests.support.channels import connected_to
from tests.support.insured import Insured
from tests.support.waiting import wait_until

ON = "2026-06-15"


class Servers:
    """Servers on one database, and families seen through any of them."""

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self._folder = folder
        self._url = url
        self._stack = stack
        self.running: list[ServerProcess] = []

    def start(self, *flags: str, url: str | None = None) -> ServerProcess:
        folder = self._folder / f"server{len(self.running)}"
        server = ServerProcess(folder, "--database-url", url or self._url, *flags)
        self.running.append(server)
        return server

    def insured(self, server: ServerProcess, **ids: str) -> Insured:
        channels = [connected_to(a) for a in (server.address, server.internal_address)]
        for channel in channels:
            self._stack.enter_context(channel)
        return Insured(channels[0], channels[1], **ids)


@pytest.fixture
def servers(tmp_path: Path, own_database_url: str) -> Iterator[Servers]:
    with ExitStack() as stack:
        its = Servers(tmp_path, own_database_url, stack)
        yield its
        for server in its.running:
            if server.process.poll() is None:
                server.stop()


def history(insured: Insured, seed: int, steps: int) -> None:
    """Submits random enrolls and leaves; rejected ones change nothing."""
    random, family = Random(seed), insured.family
    for _ in range(steps):
        first, last = sorted(f"2026-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}" for _ in range(2))
        until = last if random.random() < 0.7 else None
        if random.random() < 0.6:
            module = random.choice([family.base, family.plus])
            insured.enroll(first, until, child=random.random() < 0.4, module=module)
        else:
            insured.submit(family.leave(first, until))


def everything(insured: Insured) -> list[Any]:
    """Returns all records of a policy."""
    request = pb.ListCoverageRequest(group_id=insured.group_id, consistency_token=insured.token, page_size=1000)
    request.days.first_on.CopyFrom(date("2025-01-01"))
    request.days.last_on.CopyFrom(date("2028-12-31"))
    return list(insured.checks.ListCoverage(request).records)


def from_enrollment(insured: Insured) -> list[tuple[str, str, int]]:
    """Returns the modules that everybody is on in the middle of the year, according to enrollment."""
    group, on = insured.family.group(), date(ON)
    day = (on.year, on.month, on.day)

    def holds(days: Any) -> bool:
        first = (days.first_on.year, days.first_on.month, days.first_on.day)
        last = (days.last_on.year, days.last_on.month, days.last_on.day) if days.HasField("last_on") else (9999, 1, 1)
        return first <= day <= last

    return sorted((p.member_id, p.module_id, group.revision) for p in group.periods if holds(p.days))


def checked(insured: Insured) -> list[tuple[str, str, int]]:
    """Returns the same according to eligibility checks."""
    members = (insured.family.primary, insured.family.child)
    return sorted((r.member_id, r.module_id, r.revision) for m in members for r in insured.records(ON, m))


def test_after_random_histories_the_projection_equals_a_rebuilt_one(servers: Servers) -> None:
    server = servers.start()
    families = [servers.insured(server).set_up() for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda its: history(its[1], its[0], 12), enumerate(families)))
    for insured in families:
        assert checked(insured) == from_enrollment(insured)
    before = [everything(insured) for insured in families]
    assert any(before)
    rebuilt = families[0].rebuild()
    assert (rebuilt.policies, rebuilt.differing) == (6, 0)
    assert [everything(insured) for insured in families] == before
    for insured in families:
        assert checked(insured) == from_enrollment(insured)


def test_a_rebuild_under_load_disturbs_no_check_and_finds_no_difference(servers: Servers) -> None:
    server = servers.start()
    insured, other = servers.insured(server).set_up(), servers.insured(server).set_up()
    insured.enroll("2026-01-01")
    with ThreadPoolExecutor(3) as threads:
        writing = threads.submit(history, other, 7, 60)
        checking = threads.submit(lambda: [insured.reason(ON) for _ in range(400)])
        rebuilds = [insured.rebuild().differing for _ in range(4)]
        assert set(checking.result()) == {"COVERED"}
        writing.result()
    assert rebuilds == [0, 0, 0, 0]
    assert checked(other) == from_enrollment(other)


def test_concurrent_rebuilds_end_with_one_complete_projection(servers: Servers) -> None:
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            assert {threads.submit(insured.rebuild).result().policies for _ in range(4)} == {1}
            rebuilds = [threads.submit(insured.rebuild) for _ in range(8)]
            assert {rebuild.result().policies for rebuild in rebuilds} == {1}
            assert insured.reason(ON) == "COVERED"
            assert len(everything(insured)) > 0


def test_a_rebuild_repairs_damage_and_counts_the_differences(servers: Servers, own_database_url: str) -> None:
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    insured.enroll("2026-02-01", child=True)
    assert insured.reason(ON, insured.family.child) == "COVERED"
    everything(insured)  # the database has it, too
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM coverage_run WHERE member_id = %s", [insured.family.child])
        connection.execute("UPDATE coverage_run SET membership_type = 'PARTNER'")
    assert insured.rebuild().differing == 3  # one is missing; one has the wrong type, which counts twice
    assert insured.rebuild().differing == 0
    assert insured.reason(ON, insured.family.child) == "COVERED"


def test_after_a_kill_the_projection_resumes_from_its_checkpoint(servers: Servers) -> None:
    server = servers.start()
    insured = servers.insured(server).set_up()
    ids = insured.family.ids()
    for seed in range(3):
        with ThreadPoolExecutor(1) as threads:
            doing = threads.submit(history, insured, seed, 500)
            wait_for_revisions(insured, 10)
            server.kill()
            with pytest.raises(grpc.RpcError):
                doing.result()
        server = servers.start()
        insured = servers.insured(server, **ids)
        insured.enroll("2026-01-01", f"2026-12-{seed + 10}")
        assert checked(insured) == from_enrollment(insured)
    assert insured.rebuild().differing == 0


def revision(insured: Insured) -> int:
    """Returns the revision of the policy; 0 before its first."""
    try:
        return insured.family.group().revision
    except grpc.RpcError as error:
        assert decoded(error).code == grpc.StatusCode.NOT_FOUND
        return 0


def wait_for_revisions(insured: Insured, count: int) -> None:
    before = revision(insured)
    wait_until(lambda: revision(insured) >= before + count, "the policy has new revisions")


def test_a_consistency_token_is_valid_on_every_server(servers: Servers) -> None:
    """Enrollment, contracts and usage are written on one server and read on the other."""
    one = servers.insured(servers.start()).set_up()
    two = servers.insured(servers.start(), **one.family.ids())
    for month in range(1, 12):
        one.enroll(f"2026-{month:02}-01", f"2026-{month:02}-25")
        two.token = one.token
        assert two.check(f"2026-{month:02}-25").records[0].revision == month
        _, applied = one.apply(f"2026-{month:02}-05", deductible=100)
        assert applied == [(100, 0)]
        two.token = one.token
        assert two.used(f"2026-{month:02}-05") == (100 * month, 100 * month)


def test_checks_are_not_answered_from_memory_after_the_feed_reader_is_cut_off(
    servers: Servers, own_database_url: str
) -> None:
    """While the reader of the feed is cut off, checks use the database, which is newer than memory."""
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    assert insured.reason(ON) == "COVERED"
    assert everything(insured)  # the database has it, too
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE coverage_run RENAME COLUMN days TO gone")
        try:
            # Memory still answers; a model that was dropped would have to ask the database, which is broken.
            assert insured.reason(ON) == "COVERED"
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'affilia-feed' AND datname = current_database()"
            )
            insured.token = ""

            def asks_the_database() -> bool:
                try:
                    insured.check(ON)
                except grpc.RpcError as error:
                    return decoded(error).reason == "DEFECT"
                return False

            wait_until(asks_the_database, "checks are no longer answered from memory")
        finally:
            connection.execute("ALTER TABLE coverage_run RENAME COLUMN gone TO days")
    failing = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    assert wait_until(lambda: insured.reason(ON), "checks are answered again", retried=failing) == "COVERED"


def test_enrollment_can_be_read_from_another_server(servers: Servers, own_database_url: str, postgres_url: str) -> None:
    """Eligibility runs on its own database and knows policies only from the feed of the other server."""
    from tests.conftest import a_database

    enrollment = servers.start()
    insured = servers.insured(enrollment).set_up()
    insured.enroll("2026-01-01")
    with a_database(postgres_url) as url:
        far = servers.start("--enrollment-source", enrollment.address, url=url)
        its = servers.insured(far, **insured.family.ids())
        # Contracts come from a source of its own: here, the same one published there.
        from affilia.catalog.v1 import catalog_service_pb2
        from tests.support.calls import new_id

        contract = insured.contract()
        its.family.catalog.PublishContract(
            catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        )

        def reason_there(on: str) -> str:
            its.token = ""
            try:
                return its.reason(on)
            except grpc.RpcError as error:
                return str(error)

        wait_until(lambda: reason_there(ON) == "COVERED", "the enrollment is read from the other server")
        insured.submit(insured.family.leave("2026-03-01"))
        wait_until(lambda: reason_there(ON) == "COVERAGE_ENDED", "the end of coverage is read from the other server")
        rebuilt = its.rebuild()
        assert (rebuilt.policies, rebuilt.differing) == (1, 0)
        far.kill()
        insured.enroll("2026-05-01")
        again = servers.start("--enrollment-source", enrollment.address, url=url)
        its = servers.insured(again, **insured.family.ids())
        wait_until(lambda: reason_there(ON) == "COVERED", "the new enrollment is read after a restart")
        again.stop()


def test_a_check_with_a_token_that_is_never_reached_ends_at_its_deadline(
    servers: Servers, own_database_url: str
) -> None:
    """The write of the token isn't projected: the check ends with DEADLINE_EXCEEDED, not with a stale answer."""
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    assert insured.reason(ON) == "COVERED"
    with psycopg.connect(own_database_url) as connection:
        connection.execute("SELECT FROM feed_head FOR UPDATE")  # nothing more is sequenced
        insured.enroll("2026-02-01", child=True)
        check = pb.EligibilityCheck(member_id=insured.family.child, date=date(ON))
        request = pb.CheckEligibilityRequest(check=check, consistency_token=insured.token)
        with pytest.raises(grpc.RpcError) as late:
            insured.checks.CheckEligibility(request, timeout=1.0)
        assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        connection.rollback()
    assert insured.reason(ON, insured.family.child) == "COVERED"


def test_accumulators_are_not_applied_while_the_projection_is_stuck(servers: Servers, own_database_url: str) -> None:
    """Applying uses the projection in the database, and fails with PROJECTION_BEHIND if that is stuck."""
    insured = servers.insured(servers.start()).set_up()
    insured.enroll("2026-01-01")
    request = insured.application(ON, deductible=1)
    insured.claims.ApplyAccumulators(request)
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("UPDATE projection_checkpoints SET moved_at = now() - interval '1 hour'")
        request = insured.application(ON, deductible=1)
        request.consistency_token = ""
        failure = failure_of(insured.claims.ApplyAccumulators, request)
        assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "PROJECTION_BEHIND")
