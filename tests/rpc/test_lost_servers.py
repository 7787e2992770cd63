"""Two servers on one database, of which one is lost: its host dies, or its process freezes."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg.conninfo import make_conninfo

from affilia.enrollment.v1 import enrollment_query_service_pb2 as queries_pb
from tests.conftest import ServerProcess
from tests.support.calls import Family, admin, decoded
from tests.support.channels import connected_to
from tests.support.insured import Insured
from tests.support.proxy import BlackHole, hole_before
from tests.support.waiting import wait_until

PROMISED_SECONDS = 15.0
"""How long a lost server blocks the groups that it held, on a machine that isn't busy."""

MAX_SECONDS = 4 * PROMISED_SECONDS
"""The same on a busy machine. Without the bounds on its sessions, a stopped process would hold its locks for ever."""

GROUPS = 8
QUERIES = "affilia.enrollment.v1.EnrollmentQueryService"
CLAIMS = "affilia.eligibility.v1.EligibilityInternalService"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class Two:
    """The server that is lost, behind a proxy to the database, and the one that stays."""

    lost: ServerProcess
    stays: ServerProcess
    hole: BlackHole
    database_url: str


@pytest.fixture
def two(own_database_url: str, tmp_path: Path) -> Iterator[Two]:
    hole = hole_before(own_database_url)
    through = make_conninfo(own_database_url, host="127.0.0.1", port=hole.port, sslmode="disable")
    lost = ServerProcess(tmp_path / "lost", "--database-url", through)
    wait_for_leader(own_database_url)
    stays = ServerProcess(tmp_path / "stays", "--database-url", own_database_url, "--log-format", "json")
    yield Two(lost, stays, hole, own_database_url)
    lost.process.send_signal(signal.SIGCONT)
    lost.kill()
    stays.stop()
    hole.stop()


def wait_for_leader(url: str) -> None:
    """Waits until the first server holds all leases, so that losing it matters."""
    with psycopg.connect(url, autocommit=True) as connection:

        def leads() -> bool:
            row = connection.execute("SELECT count(*) FROM lease WHERE expires_at > clock_timestamp()").fetchone()
            return row is not None and row[0] >= 3

        wait_until(leads, "the first server holds all leases")


def lines(server: ServerProcess) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def happened(server: ServerProcess, event: str) -> bool:
    return any(line["event"] == event for line in lines(server))


@contextmanager
def written_all_the_time(families: list[Family], address: str) -> Iterator[None]:
    """Submits requests to each group, one after the other, through one server."""
    stopping = threading.Event()

    def work(family: Family) -> None:
        with connected_to(address) as channel:
            mine, n = Family(channel, **family.ids()), 0
            while not stopping.is_set():
                n += 1
                request = mine.request(mine.enroll((mine.base, mine.plus)[n % 2], f"{2026 + n % 4}-{n % 12 + 1:02}-01"))
                try:
                    mine.requests.SubmitChangeRequest(request, timeout=5)
                except grpc.RpcError:
                    stopping.wait(0.05)

    threads = [threading.Thread(target=work, args=[family]) for family in families]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def first_success(call: Callable[[], object]) -> float:
    """Returns how long it takes until a call succeeds that is sent again whenever that is allowed."""
    began = time.monotonic()
    wait_until(lambda: (call(),), "a call succeeds", retried=RETRIED)
    return time.monotonic() - began


RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


def subscribe(family: Family) -> bool:
    """Reads the first message of a new subscription from now."""
    request = queries_pb.WatchEnrollmentsRequest()
    setattr(request, "from", queries_pb.FEED_START_NOW)
    stream = family.queries.WatchEnrollments(request, timeout=60)
    next(stream)
    stream.cancel()
    return True


@pytest.mark.parametrize("how", ["the host dies", "the process freezes"])
def test_a_lost_server_blocks_its_own_groups_for_a_short_time_and_nothing_else(two: Two, how: str) -> None:
    with connected_to(two.stays.address) as channel, connected_to(two.stays.internal_address) as own:
        families = [Family(channel).set_up() for _ in range(GROUPS)]
        elsewhere = Insured(channel, own).set_up()
        elsewhere.enroll("2026-01-01")
        elsewhere.apply("2026-03-01", deductible=1)
        with written_all_the_time(families, two.lost.address):
            wait_until(lambda: all(has_revisions(family) for family in families), "all groups are written to")
            if how == "the host dies":
                two.hole.swallow()
                two.lost.process.send_signal(signal.SIGSTOP)  # the host is gone: nothing of it is heard of again
            else:
                two.lost.process.send_signal(signal.SIGSTOP)
            lost_at = time.monotonic()

            def rewrite(family: Family) -> float:
                request = family.request(family.enroll(family.base, "2040-01-01"))
                first_success(lambda: family.requests.SubmitChangeRequest(request, timeout=20))
                return time.monotonic() - lost_at

            with ThreadPoolExecutor(GROUPS) as pool:
                rewriting = [pool.submit(rewrite, family) for family in families]
                took: list[float] = []
                while not all(future.done() for future in rewriting):
                    began = time.monotonic()
                    elsewhere.enroll(f"{2041 + len(took)}-01-01", module=elsewhere.family.plus)
                    elsewhere.family.group()
                    # A busy server can say that its feed lags behind.
                    wait_until(
                        lambda: subscribe(elsewhere.family),
                        "the feed accepts a subscriber",
                        retried=[grpc.StatusCode.UNAVAILABLE],
                    )
                    took.append(time.monotonic() - began)
                blocked = max(future.result() for future in rewriting)
            assert blocked < MAX_SECONDS
            assert max(took) < max(5, blocked / 2), took
        assert elsewhere.reason("2041-06-01") == "COVERED"
        assert elsewhere.apply("2026-03-01", deductible=1)[1] == [(1, 0)]
    assert not happened(two.stays, "defect")


def has_revisions(family: Family) -> bool:
    try:
        return family.group().revision > 3
    except grpc.RpcError:
        return False


def test_another_server_takes_over_the_projection_and_a_resumed_process_writes_nothing(two: Two) -> None:
    with connected_to(two.stays.address) as channel, connected_to(two.stays.internal_address) as own:
        insured = Insured(channel, own).set_up()
        insured.enroll("2026-01-01")
        insured.apply("2026-03-01", deductible=1)
        two.lost.process.send_signal(signal.SIGSTOP)
        insured.enroll("2027-01-01", module=insured.family.plus)
        application = insured.application("2027-03-01", deductible=1)
        assert first_success(lambda: insured.claims.ApplyAccumulators(application, timeout=20)) < MAX_SECONDS
        wait_until(lambda: holders(two.database_url) == 1, "one server holds all leases")
        two.lost.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "lease_lost" in two.lost.log.read_text(), "the other one notices that it lost its leases")
        for year in range(2028, 2032):
            insured.enroll(f"{year}-01-01", module=(insured.family.base, insured.family.plus)[year % 2])
            assert insured.reason(f"{year}-06-01") == "COVERED"
            assert insured.apply(f"{year}-03-01", deductible=1)[1] == [(1, 0)]
        rebuilt = insured.rebuild()
        assert rebuilt.differing == 0


def holders(url: str) -> int:
    """Returns how many processes hold leases; 0 if a lease has expired."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(DISTINCT holder), count(*) FILTER (WHERE expires_at < clock_timestamp()) FROM lease"
        ).fetchone()
    assert row is not None
    return int(row[0]) if row[1] == 0 else 0


# -------------------------------------------------------------------------------------------- the head of the feed


@pytest.fixture
def one(own_database_url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, "--database-url", own_database_url, "--log-format", "json")
    yield server
    server.stop()


def test_a_blocked_feed_rejects_new_subscribers_and_nothing_else(one: ServerProcess, own_database_url: str) -> None:
    with connected_to(one.address) as channel, psycopg.connect(own_database_url) as holder:
        family = Family(channel).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"))
        holder.execute("SELECT FROM feed_head FOR UPDATE")
        family.submit(family.enroll(family.plus, "2027-01-01"))
        with ThreadPoolExecutor(40) as pool:
            subscribing = [pool.submit(failure, family) for _ in range(40)]
            while not all(future.done() for future in subscribing):
                family.group()
                family.submit(family.leave("2030-01-01"), requester=admin())
            refused = [future.result() for future in subscribing]
        assert {(error.code(), decoded(error).reason) for error in refused} == {
            (grpc.StatusCode.UNAVAILABLE, "FEED_BEHIND")
        }
        assert all(has_retry_info(error) for error in refused)
        wait_until(lambda: happened(one, "feed_late"), "the lag of the feed is logged")
        wait_until(lambda: health(channel, QUERIES) == NOT_SERVING, "the service with the feed is not serving")
        assert health(channel) == SERVING
        holder.rollback()
        wait_until(lambda: health(channel, QUERIES) == SERVING, "the service with the feed is serving again")
        wait_until(lambda: happened(one, "feed_in_time"), "the end of the lag is logged")
        subscribe(family)


def failure(family: Family) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        subscribe(family)
    return raised.value


def has_retry_info(error: Any) -> bool:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    return any(d.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for d in status_pb2.Status.FromString(details).details)


def health(channel: grpc.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60).status
    return answer


# -------------------------------------------------------------------------------------------- states of the database


def test_a_read_only_database_serves_reads_and_is_reported_by_health(one: ServerProcess, own_database_url: str) -> None:
    with (
        connected_to(one.address) as channel,
        connected_to(one.internal_address) as internal,
        psycopg.connect(own_database_url, autocommit=True) as owner,
    ):
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
        name = owner.info.dbname
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        end_sessions(owner)
        wait_until(lambda: health(channel) == NOT_SERVING, "health reports the read-only database")
        for _ in range(10):
            with pytest.raises(grpc.RpcError) as raised:
                family.submit(family.enroll(family.plus, "2027-01-01"))
            assert decoded(raised.value).reason == "DATABASE_UNAVAILABLE"
            assert has_retry_info(raised.value)
            assert family.group() == group
        assert health(channel, QUERIES) == SERVING
        assert health(internal, CLAIMS) == NOT_SERVING
        owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        owner.execute("SET default_transaction_read_only = off")
        end_sessions(owner)
        wait_until(lambda: health(channel) == SERVING, "health reports the writable database")
        first_success(lambda: family.submit(family.enroll(family.plus, "2027-01-01")))
    assert happened(one, "database_read_only")
    assert not happened(one, "defect")


def end_sessions(owner: psycopg.Connection) -> None:
    owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize(
    "setting", ["idle_in_transaction_session_timeout = '1ms'", "transaction_timeout = '1ms'", "lock_timeout = '1ms'"]
)
def test_database_timeouts_of_an_administrator_cause_no_defects(
    one: ServerProcess, own_database_url: str, setting: str
) -> None:
    with connected_to(one.address) as channel, psycopg.connect(own_database_url, autocommit=True) as owner:
        if setting.startswith("transaction_timeout") and owner.info.server_version < 170_000:
            pytest.skip("PostgreSQL 17 introduced transaction_timeout")
        family = Family(channel).set_up()
        name = owner.info.dbname
        owner.execute(f"ALTER DATABASE {name} SET {setting}")
        end_sessions(owner)
        seen = set()
        for n in range(20):
            try:
                family.submit(family.enroll((family.base, family.plus)[n % 2], f"{2026 + n}-01-01"))
            except grpc.RpcError as error:
                seen.add(decoded(error).reason)
        assert seen <= {"DATABASE_UNAVAILABLE", "WRITE_CONFLICT"}
        owner.execute(f"ALTER DATABASE {name} RESET ALL")
        end_sessions(owner)
        first_success(lambda: family.submit(family.enroll(family.base, "2060-01-01")))
    assert not happened(one, "defect")
