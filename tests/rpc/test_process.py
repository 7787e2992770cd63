"""The process: killed at any moment nothing acknowledged is lost, told to stop it finishes, and health is true."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2, enrollment_query_service_pb2
from tests.conftest import ServerProcess
from tests.support.calls import Family, decoded, new_id

SUBMITS = 1000
KILL_AFTER = 400


def test_kill_9_amid_a_thousand_submits_loses_and_doubles_nothing(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with grpc.insecure_channel(server.address) as channel:
        families = [Family(channel).set_up() for _ in range(8)]
        acknowledged, sent = submit_until_killed(families, server)
    assert KILL_AFTER <= len(acknowledged) < SUBMITS

    server = ServerProcess(tmp_path)
    with grpc.insecure_channel(server.address) as channel:
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
    """Submits from one thread a family; the server is killed amid it. Which were answered, and all that were sent."""
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
                family.requests.SubmitChangeRequest(request, timeout=10)
            except grpc.RpcError:
                return
            acknowledged[request.request_id] = True
            if len(acknowledged) >= KILL_AFTER:
                killed.set()

    threads = [threading.Thread(target=work, args=[family]) for family in families]
    for thread in threads:
        thread.start()
    assert killed.wait(120), "too little traffic to say anything"
    server.kill()
    for thread in threads:
        thread.join()
    return acknowledged, sent


def all_requests(family: Family) -> list[change_request_pb2.ChangeRequest]:
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=family.group().group_id, page_size=1000)
    return list(family.requests.ListChangeRequests(request).change_requests)


def history_is_whole(family: Family, stored: dict[str, change_request_pb2.ChangeRequest]) -> None:
    """Revisions 1..n without holes, each with its request, its periods and its difference."""
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
    with grpc.insecure_channel(server.address) as channel:
        Family(channel).set_up()
    assert server.stop() == 0


def test_data_survive_a_restart(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with grpc.insecure_channel(server.address) as channel:
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
    server.stop()
    server = ServerProcess(tmp_path)
    with grpc.insecure_channel(server.address) as channel:
        assert Family(channel, **family.ids()).group() == group
    server.stop()


def test_a_database_that_dies_is_told_and_comes_back_by_itself(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    with grpc.insecure_channel(server.address) as channel:
        family = Family(channel).set_up()
        group = family.submit(family.enroll(family.base, "2026-01-01")).group
        postmaster = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        seen: set[grpc.StatusCode] = set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert family.group() == group
                if seen:
                    break
            except grpc.RpcError as error:
                seen.add(error.code())
            time.sleep(0.02)
        assert seen == {grpc.StatusCode.UNAVAILABLE}
        family.submit(family.leave("2027-01-01"))
    server.stop()


def test_health_is_told_for_the_server_and_each_service(server: ServerProcess) -> None:
    for address, names in (
        (server.address, ["", "affilia.enrollment.v1.EnrollmentQueryService", "affilia.catalog.v1.CatalogService"]),
        (server.internal_address, [""]),
    ):
        with grpc.insecure_channel(address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            for name in names:
                answer = health.Check(health_pb2.HealthCheckRequest(service=name))
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_every_service_in_both_versions(server: ServerProcess, version: str) -> None:
    with grpc.insecure_channel(server.address) as channel:
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
    with grpc.insecure_channel(server.internal_address) as channel:
        call: Any = channel.unary_unary("/affilia.catalog.v1.CatalogService/ListContracts")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"")
    assert decoded(raised.value).code == grpc.StatusCode.UNIMPLEMENTED


def test_a_taken_port_is_an_error_in_one_sentence(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Cannot listen on"):
        ServerProcess(tmp_path, "--listen", server.address)


def test_a_database_that_is_not_there_is_an_error_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot serve: The database is away"):
        ServerProcess(tmp_path, "--database-url", f"postgresql:///postgres?host={tmp_path}")


def test_an_address_that_others_can_reach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="loopback"):
        ServerProcess(tmp_path, "--listen", "0.0.0.0:0")


def test_nothing_that_was_sent_reaches_the_log(server: ServerProcess, server_channel: grpc.Channel) -> None:
    family = Family(server_channel).set_up()
    change = family.enroll(family.base, "2026-01-01")
    change.note = "Melusine Unverwechselbar"
    family.submit(change)
    change.note = "Melusine\0Unverwechselbar"
    with pytest.raises(grpc.RpcError):
        family.submit(change, request_id=new_id())
    until = time.monotonic() + 10
    while "SubmitChangeRequest" not in (log := server.log.read_text()) and time.monotonic() < until:
        time.sleep(0.05)  # the line is written when the call has ended, which its caller hears a little earlier
    assert "SubmitChangeRequest" in log
    assert "Melusine" not in log
    assert family.primary not in log
