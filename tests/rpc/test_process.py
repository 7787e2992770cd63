"""The server process: kills lose nothing that was acknowledged, SIGTERM lets calls finish, and health is correct."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from storage.postgres import postmaster
from storage.postgres.postmaster import is_in_use
from tests.conftest import READY, ROOT, ServerProcess
from tests.support.calls import Family, decoded, new_id
from tests.support.certificates import Authority
from tests.support.channels import connected_to
from tests.support.identities import FLAGS, VARIABLES
from tests.support.waiting import wait_until

SUBMITS = 1000
KILL_AFTER = 400


def test_sigkill_during_a_thousand_submits_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        families = [Family(channel).set_up() for _ in range(8)]
        acknowledged, sent = submit_until_killed(families, server)
    assert KILL_AFTER <= len(acknowledged) < SUBMITS

    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        for family in families:
            again = Family(channel, **family.ids())
            stored = {r.request_id: r for r in all_requests(again)}
            of_family = {r.request_id: r for r in sent if r.group == family.key}
            missing = {i for i in acknowledged if i in of_family} - stored.keys()
            assert not missing
            history_is_whole(again, stored)
            for request in of_family.values():
                # Whatever was not answered can be asked again, and is done once.
                again.requests.SubmitChangeRequest(request)
            assert {r.request_id for r in all_requests(again)} == of_family.keys()
    assert server.stop() == 0


def submit_until_killed(
    families: list[Family], server: ServerProcess
) -> tuple[dict[str, bool], list[change_request_service_pb2.SubmitChangeRequestRequest]]:
    """Submits from one thread per family until the server is killed. Returns the answered and all sent requests."""
    acknowledged: dict[str, bool] = {}
    sent: list[change_request_service_pb2.SubmitChangeRequestRequest] = []
    killed = threading.Event()

    def work(family: Family) -> None:
        for n in range(SUBMITS // len(families)):
            if killed.is_set():
                return
            module = family.plus if n % 2 else family.base
            request = family.request(family.enroll(module, f"{2026 + n % 7}-{n % 12 + 1:02}-01"))
            sent.append(request)
            try:
                family.requests.SubmitChangeRequest(request, timeout=60)
            except grpc.RpcError:
                return
            acknowledged[request.request_id] = True
            if len(acknowledged) >= KILL_AFTER:
                killed.set()

    threads = [threading.Thread(target=work, args=[family]) for family in families]
    for thread in threads:
        thread.start()
    assert killed.wait(300), "too little traffic to say anything"
    server.kill()
    for thread in threads:
        thread.join()
    return acknowledged, sent


def all_requests(family: Family) -> list[change_request_pb2.ChangeRequest]:
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=family.group().group_id, page_size=1000)
    return list(family.requests.ListChangeRequests(request).change_requests)


def history_is_whole(family: Family, stored: dict[str, change_request_pb2.ChangeRequest]) -> None:
    """Asserts that revisions 1..n have no gaps, and each has its request, periods and differences."""
    group = family.group()
    listed = family.queries.ListRevisions(
        enrollment_query_service_pb2.ListRevisionsRequest(group_id=group.group_id, page_size=1000)
    ).revisions
    assert [r.revision for r in listed] == list(range(1, group.revision + 1))
    causes = {r.change_request_id: r for r in stored.values()}
    for revision in listed:
        assert causes[revision.cause.change_request_id].made_revision
        assert family.group(revision=revision.revision).periods
        diff = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group.group_id, from_revision=revision.revision - 1, to_revision=revision.revision
        )
        assert family.queries.DiffRevisions(diff).differences


def test_sigterm_ends_the_process_when_its_calls_are_done(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        Family(channel).set_up()
    assert server.stop() == 0


def test_signals_that_arrive_together_leave_no_database_running(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        server.process.send_signal(number)
    assert server.process.wait(120) == 0
    assert not is_in_use(tmp_path / "postgres")


def test_a_signal_to_all_programs_of_make_run_leaves_no_database_running(tmp_path: Path) -> None:
    flags = ("--no-sample-book", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")
    running = subprocess.Popen(
        [sys.executable, "-m", "tools.run", *flags, "--data-dir", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "generated", ROOT / "clients")))},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert any(READY.match(line) for line in running.stdout)
    os.killpg(running.pid, signal.SIGTERM)
    assert running.wait(120) == 0
    assert not is_in_use(tmp_path / "postgres")


def test_data_survive_a_restart(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
    server.stop()
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        assert Family(channel, **family.ids()).group() == group
    server.stop()


def test_calls_fail_as_unavailable_while_the_database_restarts(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
        postmaster.send(tmp_path / "postgres", signal.SIGKILL)
        seen: set[grpc.StatusCode] = set()

        def is_back() -> bool:
            try:
                assert family.group() == group
            except grpc.RpcError as error:
                seen.add(error.code())
                return False
            return bool(seen)

        wait_until(is_back, "the database is lost and comes back")
        assert seen == {grpc.StatusCode.UNAVAILABLE}
        family.submit(family.leave("2027-01-01"))
    server.stop()


def test_health_is_reported_for_the_server_and_each_service(server: ServerProcess) -> None:
    for address, names in (
        (server.address, ["", "affilia.enrollment.v1.EnrollmentQueryService", "affilia.catalog.v1.CatalogService"]),
        (server.internal_address, [""]),
    ):
        with connected_to(address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for name in names:
                answer = health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_every_service_in_both_versions(server: ServerProcess, version: str) -> None:
    with connected_to(server.address) as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in answer.list_services_response.service}
    assert {
        "affilia.catalog.v1.CatalogService",
        "affilia.catalog.v1.MemberService",
        "affilia.enrollment.v1.ChangeRequestService",
        "affilia.enrollment.v1.EnrollmentQueryService",
        "grpc.health.v1.Health",
    } <= names


def test_public_services_are_not_on_the_internal_listener(server: ServerProcess) -> None:
    with connected_to(server.internal_address) as channel:
        call: Any = channel.unary_unary("/affilia.catalog.v1.CatalogService/ListContracts")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"")
    assert decoded(raised.value).code == grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use_is_reported_in_one_sentence(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Cannot listen on"):
        ServerProcess(tmp_path, "--listen", server.address)


def test_a_missing_database_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as refused:
        ServerProcess(tmp_path, "--database-url", f"postgresql:///affilia?host={tmp_path}")
    assert str(refused.value).splitlines()[1:] == [
        f"affilia cannot serve: AFFILIA_DATABASE_URL: Can't connect to database affilia at socket {tmp_path}:5432:"
        " the connection was refused because nothing listens there; start PostgreSQL or correct the host and port."
    ]


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("AFFILIA_DATABASE_URL", "postgresql://affilia:s3cr3t pw@127.0.0.1:1/x"),
        ("AFFILIA_DATABASE_URL", "postgresql://affilia:s3cr3t%zz@127.0.0.1:1/x"),
        ("AFFILIA_DATABASE_URL", "mysql://root:s3cr3t@127.0.0.1/x"),
        ("AFFILIA_DATABASE_URL", "postgresql://affilia:s3cr3t@127.0.0.1:1/x"),
        ("AFFILIA_MIGRATION_URL", "postgresql://owner:s3cr3t pw@127.0.0.1:1/x"),
    ],
)
def test_an_unusable_database_url_is_reported_without_quoting_it(
    tmp_path: Path, postgres_url: str, variable: str, url: str
) -> None:
    urls = {"AFFILIA_DATABASE_URL": postgres_url, variable: url}
    started = subprocess.run(
        [
            sys.executable,
            "-m",
            "server",
            "serve",
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--internal-listen",
            "127.0.0.1:0",
        ],
        cwd=ROOT,
        env={**os.environ, **urls, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert started.returncode == 1
    assert started.stderr.startswith(f"affilia cannot serve: {variable}: ")
    assert len(started.stderr.splitlines()) == 1
    assert "s3cr3t" not in started.stdout + started.stderr


def test_a_development_server_refuses_to_listen_on_a_reachable_address(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="loopback"):
        ServerProcess(tmp_path, "--listen", "0.0.0.0:0")


def test_request_contents_are_not_logged(server: ServerProcess, server_channel: grpc.Channel) -> None:
    family = Family(server_channel).set_up()
    change = family.enroll(family.base, "2026-01-01")
    change.note = "Melusine Unverwechselbar"
    family.submit(change)
    change.note = "Melusine\0Unverwechselbar"
    call_id = new_id()
    with pytest.raises(grpc.RpcError):
        family.requests.SubmitChangeRequest(family.request(change), metadata=(("x-request-id", call_id),))
    # The line of a call is written when the call has ended, a little later than its caller gets the status.
    wait_until(lambda: call_id in server.log.read_text(), "the last call is logged")
    log = server.log.read_text()
    assert "Melusine" not in log
    assert family.primary not in log


def test_a_log_that_cannot_be_written_fails_no_call(tmp_path: Path) -> None:
    (tmp_path / "server.log").symlink_to("/dev/full")
    server = ServerProcess(tmp_path, "--log-level", "debug", "--log-format", "json")
    with connected_to(server.address) as channel:
        family = Family(channel).set_up()
        assert family.submit(family.enroll(family.base, "2026-01-01")).group.revision == 1
        with pytest.raises(grpc.RpcError) as raised:
            family.group(revision=7)
        assert raised.value.code() != grpc.StatusCode.INTERNAL
    assert server.stop() == 0


def test_every_log_line_is_json_even_if_a_listener_receives_garbage(tmp_path: Path) -> None:
    """The C core of gRPC would write its own lines, with text that callers choose."""
    certificate, key = Authority(tmp_path / "authority").sign("affilia")
    tls = ("--tls-certificate", str(certificate), "--tls-key", str(key), *FLAGS, "--database-url", "embedded")
    flags = ("--log-format", "json", "--log-level", "debug")
    server = ServerProcess(tmp_path / "data", *tls, *flags, environment=VARIABLES)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    goaway = b"\0\0\x20\7\0\0\0\0\0" + b"\0\0\0\0" + b"\0\0\0\1" + b"Melusine\nUnverwechselbar!"
    wrong_timeout = b"\0\0\x1b\1\5\0\0\0\1" + b"\x83\x86\x84" + b"\0\x0cgrpc-timeout\x09Melusine!"
    for address in (server.address, server.internal_address):
        host, port = address.rsplit(":", 1)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"x" * 500, preface + goaway + wrong_timeout):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(60)
                with suppress(ConnectionError):
                    while connection.recv(65536):
                        pass
    with grpc.secure_channel(
        f"localhost:{server.address.rsplit(':', 1)[1]}",
        grpc.ssl_channel_credentials((tmp_path / "authority" / "authority.pem").read_bytes()),
    ) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=60).status == health_pb2.HealthCheckResponse.SERVING
    server.stop(60)
    lines = server.log.read_text().splitlines()
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict)
        assert "Melusine" not in line


def test_grpc_finds_its_environment_when_it_is_imported() -> None:
    """The C core reads the environment only then. With fork handlers, a server that started other programs could
    hear nothing for a minute, or fail the connections of that moment."""
    watched = """
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "grpc":
            print(*map(os.environ.get, ("GRPC_ENABLE_FORK_SUPPORT", "GRPC_VERBOSITY", "GRPC_EXPERIMENTS")))
sys.meta_path.insert(0, Finder())
import server.__main__, affilia_cli.app
"""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    printed = subprocess.run(
        [sys.executable, "-c", watched], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert printed.stdout == "0 NONE -event_engine_listener\n", printed.stderr


def test_a_database_of_a_newer_release_is_refused_in_one_sentence(own_database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(own_database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE schema_compatibility SET serves_since = '9999'")
    with pytest.raises(RuntimeError) as refused:
        ServerProcess(tmp_path, "--database-url", own_database_url)
    assert "affilia cannot serve: The database has schema 9999" in str(refused.value)
    assert "Traceback" not in str(refused.value)
