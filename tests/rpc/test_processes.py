"""Several server processes on one address: each answers, one that dies is replaced, and all of them drain."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia_client import Client
from storage.postgres.postmaster import is_in_use
from tests.conftest import ServerProcess
from tests.support.calls import Family
from tests.support.channels import connected_to
from tests.support.feeds import BEGINNING, Filter, next_events, watching
from tests.support.identities import FLAGS, VARIABLES
from tests.support.processes import SeveralProcesses, value_of
from tests.support.waiting import wait_until

CLIENTS = 6
SUBMITS_BEFORE, SUBMITS_AFTER = 30, 30


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeveralProcesses]:
    """A server with two processes, for tests that end none of them."""
    running = SeveralProcesses(tmp_path_factory.mktemp("pair"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def channels(pair: SeveralProcesses) -> Iterator[list[grpc.Channel]]:
    with ExitStack() as stack:
        yield [stack.enter_context(channel) for channel in pair.channels()]


def test_every_process_answers_on_the_same_address(pair: SeveralProcesses, channels: list[grpc.Channel]) -> None:
    assert len(channels) == len(pair.children) == 2
    assert value_of(pair.metrics, "affilia_processes_ready") == 2
    for url in pair.metrics_of_processes:
        assert value_of(url, "affilia_calls_total") > 0


def test_a_read_through_one_process_sees_a_write_through_the_other(channels: list[grpc.Channel]) -> None:
    families = [Family(channels[0]).set_up()]
    families.append(Family(channels[1], **families[0].ids()))
    for n in range(20):
        writer, reader = families[n % 2], families[1 - n % 2]
        module = writer.plus if n % 2 else writer.base
        made = writer.submit(writer.enroll(module, "2026-01-01"))
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(
            key=reader.key, consistency_token=made.consistency_token
        )
        assert reader.queries.GetEnrollmentGroup(request).group.revision == made.group.revision


def test_streams_of_both_processes_deliver_the_writes_of_both(channels: list[grpc.Channel]) -> None:
    families = [Family(channel).set_up() for channel in channels]
    wanted = Filter(contract_ids=[family.contract_id for family in families])
    with watching(channels[0], BEGINNING, wanted) as first, watching(channels[1], BEGINNING, wanted) as second:
        for family in families:
            family.submit(family.enroll(family.base, "2026-01-01"))
        delivered = [[event.event_id for event in next_events(stream, 2)] for stream in (first, second)]
    assert delivered[0] == delivered[1]
    assert len(set(delivered[0])) == 2


def test_every_log_line_names_its_process(pair: SeveralProcesses, channels: list[grpc.Channel]) -> None:
    for channel in channels:
        call: Any = channel.unary_unary("/affilia.catalog.v1.CatalogService/GetContract")
        with pytest.raises(grpc.RpcError):
            call(b"\x00", timeout=60)

    def logged() -> bool:
        lines = [line for line in pair.log.read_text().splitlines() if '"event": "call"' in line]
        return all(any(f'"process": {number}' in line for line in lines) for number in (1, 2))

    wait_until(logged, "both processes have logged a failed call")


@pytest.mark.parametrize("flags", [(), ("--processes", "2")], ids=["one process", "two processes"])
def test_an_address_of_several_processes_is_in_use(
    pair: SeveralProcesses, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with pytest.raises(RuntimeError, match="affilia cannot serve: Cannot listen on"):
        ServerProcess(tmp_path, "--listen", pair.address, *flags)


def test_several_processes_reject_an_address_in_use(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="affilia cannot serve: Cannot listen on"):
        ServerProcess(tmp_path, "--listen", server.address, "--processes", "2")


def test_a_process_that_cannot_start_is_reported_in_one_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    flags = (*FLAGS[:1], "--token-keys", str(missing), "--token-issuer", "me", "--database-url", "embedded")
    with pytest.raises(RuntimeError) as refused:
        ServerProcess(tmp_path / "data", *flags, "--processes", "2")
    sentences = [line for line in str(refused.value).splitlines() if line.startswith("affilia cannot serve: ")]
    assert len(sentences) == 1
    assert str(missing) in sentences[0]


def test_secrets_reach_every_process(tmp_path: Path) -> None:
    flags = (*FLAGS, "--database-url", "embedded", "--processes", "2")
    server = ServerProcess(tmp_path, *flags, environment=VARIABLES)
    with connected_to(server.address) as channel, pytest.raises(grpc.RpcError) as raised:
        Family(channel).set_up()
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert server.stop() == 0


class Submitting:
    """Retrying clients that submit until they are stopped or fail, and what was acknowledged to them."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[set[str]] = [set() for _ in range(CLIENTS)]
        self.faults: list[Exception] = []
        self._address = address
        self._stopping = threading.Event()
        with connected_to(address) as channel:
            self.families = [Family(channel).set_up() for _ in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._work, args=[n]) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _work(self, place: int) -> None:
        family, acknowledged = self.families[place], self.acknowledged[place]
        with Client(self._address, options=[("grpc.use_local_subchannel_pool", 1)]) as client:
            while not self._stopping.is_set():
                module = (family.plus, family.base)[len(acknowledged) % 2]
                request = family.request(family.enroll(module, "2026-06-01"))
                try:
                    client.changes.submit_change_request(
                        request_id=request.request_id,
                        group=request.group,
                        changes=request.changes,
                        requester=request.requester,
                    )
                except Exception as error:
                    self.faults.append(error)
                    return
                acknowledged.add(request.request_id)

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged))

    def wait_for_further(self, number: int) -> None:
        wanted = self.count + number
        wait_until(lambda: self.faults or self.count >= wanted, f"{number} further requests are acknowledged")

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def check_stored(self, address: str) -> None:
        """Asserts that everything acknowledged is stored, once."""
        with connected_to(address) as channel:
            for family, acknowledged in zip(self.families, self.acknowledged, strict=True):
                again = Family(channel, **family.ids())
                request = change_request_service_pb2.ListChangeRequestsRequest(
                    group_id=again.group().group_id, page_size=1000
                )
                stored = [each.request_id for each in again.requests.ListChangeRequests(request).change_requests]
                assert len(stored) == len(set(stored))
                assert acknowledged <= set(stored)


def test_a_killed_process_comes_back_and_retrying_callers_lose_nothing(tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path)
    submitting = Submitting(server.address)
    for killed in range(1, 3):
        submitting.wait_for_further(SUBMITS_BEFORE)
        os.kill(server.children[0], signal.SIGKILL)
        wait_until(_is_restarted(server, killed), "the process was restarted")
        submitting.wait_for_further(SUBMITS_AFTER)
    submitting.stop()
    assert submitting.faults == []
    assert value_of(server.metrics, "affilia_process_restarts_total") == 2
    submitting.check_stored(server.address)
    assert server.stop() == 0


def _is_restarted(server: SeveralProcesses, times: int) -> Callable[[], bool]:
    return lambda: server.logged("process_restarted") == times and len(server.children) == 2


def test_a_drain_stores_what_was_acknowledged_and_leaves_no_process(own_database_url: str, tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path, "--database-url", own_database_url)
    submitting = Submitting(server.address)
    submitting.wait_for_further(SUBMITS_BEFORE)
    children = server.children
    assert server.stop() == 0
    submitting.join()
    assert len(submitting.faults) == CLIENTS, "all clients fail when no process is left"
    assert server.logged("draining") == 3
    assert not any(_exists(pid) for pid in children)
    again = SeveralProcesses(tmp_path / "again", "--database-url", own_database_url)
    submitting.check_stored(again.address)
    assert again.stop() == 0


def test_processes_drain_when_their_parent_is_killed(own_database_url: str, tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path, "--database-url", own_database_url)
    children = server.children
    server.kill()
    wait_until(lambda: not any(_exists(pid) for pid in children), "the processes have ended")
    assert server.logged("parent_ended") == len(children)
    again = SeveralProcesses(tmp_path / "again", "--database-url", own_database_url, "--listen", server.address)
    assert again.address == server.address
    assert again.stop() == 0


def test_processes_that_are_signalled_with_their_parent_drain_once(tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path)
    for pid in (server.process.pid, *server.children, server.process.pid):
        os.kill(pid, signal.SIGTERM)
    assert server.process.wait(120) == 0
    assert not is_in_use(tmp_path / "postgres")


def test_a_second_signal_ends_all_processes(own_database_url: str, tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path, "--database-url", own_database_url)
    children = server.children
    for child in children:
        os.kill(child, signal.SIGSTOP)  # so that it can't drain
    server.process.terminate()
    wait_until(lambda: server.logged("draining"), "the parent drains")

    def status_after_another_signal() -> int | None:
        server.process.terminate()
        return server.process.poll()

    assert wait_until(status_after_another_signal, "the parent has ended") == 130
    wait_until(lambda: not any(_exists(pid) for pid in children), "the processes have ended")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
