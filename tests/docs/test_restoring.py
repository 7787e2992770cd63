"""Runs the backup and restore commands of docs/operating.md, and checks what the page says about callers afterwards.

With the embedded PostgreSQL, and with every version that is installed on the machine.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.catalog.v1 import member_service_pb2 as member_pb
from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as feed_pb
from affilia_client.retries import SERVICE_CONFIG
from tests.conftest import ServerProcess
from tests.docs.markdown import blocks, section
from tests.scenarios.enrollment_messages import date
from tests.support.calls import Failure, decoded, failure_of
from tests.support.channels import OPTIONS, patient
from tests.support.clusters import Cluster, a_cluster, installations
from tests.support.insured import Insured
from tests.support.waiting import wait_until

PAGE = Path("docs/operating.md")
COMMANDS = [
    line
    for block in blocks(PAGE)
    if block.language == "sh" and block.text in section(PAGE, "Backup and restore")
    for line in block.text.splitlines()
]
ROLES = next(block.text for block in blocks(PAGE) if block.language == "sql" and "CREATE ROLE" in block.text)
LOST = (grpc.StatusCode.FAILED_PRECONDITION, "TOKEN_OF_ANOTHER_HISTORY")
ON = "2026-03-01"


def command(words: str) -> str:
    """Returns the only command of the page that contains the given words."""
    (found,) = (line for line in COMMANDS if words in line)
    return found


class Site:
    """A deployment: a cluster with the page's two roles, its servers, and a shell for the operator."""

    def __init__(self, cluster: Cluster, folder: Path, stack: ExitStack, name: str = "server") -> None:
        self.cluster = cluster
        self.folder = folder
        self.stack = stack
        self._name = name
        self._servers = 0

    def sql(self, statements: str) -> None:
        with psycopg.connect(self.cluster.url("postgres", "postgres"), autocommit=True) as connection:
            for statement in filter(None, map(str.strip, statements.split(";"))):
                connection.execute(statement.encode())

    def run(self, line: str) -> None:
        """Runs a command of the page as an operator would."""
        environment = {
            "PATH": f"{self.cluster.programs}:{os.environ['PATH']}",
            "ADMIN_URL": self.cluster.url("postgres", "postgres"),
            "AFFILIA_MIGRATION_URL": self.cluster.url("affilia_owner", "affilia"),
            "AFFILIA_DATABASE_URL": self.cluster.url("affilia", "affilia"),
        }
        done = subprocess.run(
            ["sh", "-ec", line],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"

    def serve(self) -> ServerProcess:
        self._servers += 1
        urls = ("--database-url", self.cluster.url("affilia", "affilia"))
        owner = ("--migration-url", self.cluster.url("affilia_owner", "affilia"))
        server = ServerProcess(self.folder / f"{self._name}{self._servers}", *urls, *owner)
        self.stack.callback(stopped, server)
        return server

    def insured(self, server: ServerProcess, **ids: str) -> Insured:
        # As our client's: a connection that is lost while servers and databases come and go is made again.
        options = [*OPTIONS, ("grpc.service_config", SERVICE_CONFIG)]
        channels = [patient(grpc.insecure_channel(a, options)) for a in (server.address, server.internal_address)]
        for channel in channels:
            self.stack.enter_context(channel)
        return Insured(channels[0], channels[1], **ids)


def stopped(server: ServerProcess) -> None:
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(params=list(installations().items()), ids=lambda each: each[0])
def programs(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param[1]
    return found


@pytest.fixture
def site(programs: Path, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        deployment = Site(stack.enter_context(a_cluster(programs)), tmp_path, stack)
        deployment.sql(ROLES)
        yield deployment


class Callers:
    """Callers that wrote before and after the backup, with their tokens."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.server = site.serve()
        self.insured = site.insured(self.server).set_up()
        self.insured.enroll("2026-01-01")
        self.insured.apply(ON, deductible=7)
        born = self.insured.family.born(self.insured.family.child, "2015-06-01").consistency_token
        self.kept = [self.insured.token, born]
        self.kept_position = read_feed(self.insured)

    def write_what_is_lost(self) -> None:
        insured, family = self.insured, self.insured.family
        insured.enroll("2027-01-01", module=family.plus)
        self.application = insured.application(ON, deductible=9)
        applied = insured.claims.ApplyAccumulators(self.application).consistency_token
        self.lost = [insured.token, applied, family.born(family.child, "2015-06-02").consistency_token]
        self.lost_position = read_feed(insured)

    def expect_what_the_page_says(self) -> None:
        """Checks tokens, the feed, and retried writes."""
        insured = self.site.insured(self.site.serve(), **self.insured.family.ids())
        self._expect_tokens(insured, used=7)
        assert feed_failure(insured, self.lost_position).reason == "FEED_DIVERGED"
        assert read_feed(insured, self.kept_position)
        self.application.consistency_token = self.lost[0]
        assert refused(insured.claims.ApplyAccumulators, self.application) == LOST
        self.application.ClearField("consistency_token")
        for _ in range(2):
            insured.claims.ApplyAccumulators(self.application)
        for n in range(len(self.lost) + 2):  # more writes than were lost
            insured.enroll(f"2028-01-{n + 1:02}", f"2028-01-{n + 1:02}", child=True)
        assert insured.reason("2028-01-03", insured.family.child) == "COVERED"
        self._expect_tokens(insured, used=16)
        assert feed_failure(insured, self.lost_position).reason == "FEED_DIVERGED"

    def _expect_tokens(self, insured: Insured, used: int) -> None:
        for token in self.kept:
            insured.token = token
            assert insured.used(ON) == (used, used)
        for token in self.lost:
            check = check_pb.EligibilityCheck(member_id=insured.family.primary, date=date(ON))
            checked = check_pb.CheckEligibilityRequest(check=check, consistency_token=token)
            assert refused(insured.checks.CheckEligibility, checked) == LOST
            member = member_pb.GetMemberRequest(member_id=insured.family.primary, consistency_token=token)
            assert refused(insured.family.members.GetMember, member) == LOST


def refused(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
    failure = failure_of(call, request)
    return failure.code, failure.reason


def read_feed(insured: Insured, position: str = "") -> str:
    """Returns the token of the first message after a position, by default the current one."""
    start = {"resume_token": position} if position else {"from": feed_pb.FEED_START_NOW}
    stream = insured.family.queries.WatchEnrollments(feed_pb.WatchEnrollmentsRequest(**start), timeout=60)
    try:
        return str(next(stream).resume_token)
    finally:
        stream.cancel()


def feed_failure(insured: Insured, position: str) -> Failure:
    with pytest.raises(grpc.RpcError) as failed:
        read_feed(insured, position)
    return decoded(failed.value)


def test_a_dump_restored_into_the_same_cluster(site: Site) -> None:
    callers = Callers(site)
    site.run(command("pg_dump"))
    callers.write_what_is_lost()
    callers.server.stop()
    site.run(command("RENAME TO"))
    site.run(command("CREATE DATABASE"))
    site.run(command("pg_restore"))
    callers.expect_what_the_page_says()


def test_a_dump_restored_into_a_new_cluster(site: Site, programs: Path, tmp_path: Path) -> None:
    callers = Callers(site)
    site.run(command("pg_dump"))
    callers.write_what_is_lost()
    callers.server.stop()
    with a_cluster(programs) as other, ExitStack() as stack:
        callers.site = elsewhere = Site(other, tmp_path, stack, name="elsewhere")
        elsewhere.sql("".join(line for line in ROLES.splitlines(keepends=True) if "ROLE" in line))
        elsewhere.run(command("CREATE DATABASE"))
        elsewhere.run(command("pg_restore"))
        callers.expect_what_the_page_says()


def test_a_base_backup_put_in_place_of_the_data_directory(site: Site) -> None:
    callers = Callers(site)
    site.run(command("pg_basebackup"))
    callers.write_what_is_lost()
    callers.server.stop()
    site.cluster.stop()
    shutil.rmtree(site.cluster.data)
    shutil.move(site.folder / "affilia-base", site.cluster.data)
    site.cluster.start()
    callers.expect_what_the_page_says()


def test_the_data_directory_of_a_cluster_is_restored_below_a_running_server(site: Site) -> None:
    """The server keeps running: it drops its caches when its connections are back."""
    callers = Callers(site)
    site.run(command("pg_basebackup"))
    callers.write_what_is_lost()
    site.cluster.stop()
    shutil.rmtree(site.cluster.data)
    shutil.move(site.folder / "affilia-base", site.cluster.data)
    site.cluster.start()
    until_it_serves(callers.insured)
    callers.site = SameServer(site, callers.server)
    callers.expect_what_the_page_says()


def test_a_restart_of_postgresql_invalidates_no_token(site: Site) -> None:
    callers = Callers(site)
    callers.write_what_is_lost()
    site.cluster.stop()
    site.cluster.start()
    until_it_serves(callers.insured)
    for token in (*callers.kept, *callers.lost):
        callers.insured.token = token
        assert callers.insured.used(ON) == (16, 16)
        assert read_feed(callers.insured, callers.lost_position)


def test_rows_put_back_by_hand_are_recognized_after_the_operators_command(site: Site) -> None:
    """PostgreSQL can't detect this: the write log loses some rows, and their keys are assigned again."""
    callers = Callers(site)
    callers.server.stop()
    owner = site.cluster.url("affilia_owner", "affilia")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM write_log")
    server = site.serve()
    family = site.insured(server, **callers.insured.family.ids()).family
    lost = family.born(family.child, "2015-06-02").consistency_token
    server.stop()
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("DELETE FROM write_log WHERE write_key NOT IN (SELECT write_key FROM kept)")
        connection.execute("ALTER TABLE write_log ALTER COLUMN write_key RESTART WITH 1")
        connection.execute("SELECT setval('write_log_write_key_seq', max(write_key)) FROM write_log")
    site.run(command("begin_epoch()"))
    family = site.insured(site.serve(), **callers.insured.family.ids()).family
    kept = [family.born(family.child, "2015-06-03").consistency_token for _ in range(3)]
    read = member_pb.GetMemberRequest(member_id=family.child)
    for token in (*kept, *callers.kept):
        read.consistency_token = token
        assert family.members.GetMember(read).facts.born_on == date("2015-06-03")
    read.consistency_token = lost
    assert refused(family.members.GetMember, read) == LOST


def test_every_command_of_the_section_is_run() -> None:
    documented = {"pg_dump", "pg_basebackup", "RENAME TO", "CREATE DATABASE", "pg_restore", "begin_epoch()"}
    assert {command(words) for words in documented} == set(COMMANDS)


class SameServer(Site):
    """A deployment whose server keeps running."""

    def __init__(self, site: Site, server: ServerProcess) -> None:
        super().__init__(site.cluster, site.folder, site.stack)
        self._server = server

    def serve(self) -> ServerProcess:
        return self._server


def until_it_serves(insured: Insured) -> None:
    """Waits until the server answers from the restored database."""
    insured.token = ""
    wait_until(lambda: (insured.reason(ON), read_feed(insured)), "reads are answered", retried=tuple(grpc.StatusCode))
