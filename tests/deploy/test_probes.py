"""The probes /livez and /readyz, over HTTP."""

import asyncio
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server import probes
from server.addresses import AddressTaken
from server.probes import NOT_SERVING, ServerProbes
from server.processes import probes as process_probes
from server.telemetry import monitoring
from server.telemetry.monitoring import Probes, monitored
from tests.rpc.conftest import UNARY, Shell
from tests.rpc.test_observability import free_port
from tests.support.calls import new_id
from tests.support.http_probes import MonitoredServer, asked
from tests.support.processes import SeveralProcesses
from tests.support.proxy import BlackHole
from tests.support.waiting import wait_until

NO_ANSWER = re.compile(r"process [12]: no answer")
CHECKS = "affilia.eligibility.v1.EligibilityCheckService"


def wait_for(url: str, path: str, expected: tuple[int, str]) -> None:
    """Waits for an answer, because a probe can also fail if the machine is too busy to answer in time."""
    wait_until(lambda: asked(url, path) == expected, f"{path} answers {expected}")


def names_a_silent_process(url: str, path: str) -> bool:
    """Returns whether a probe fails because a process doesn't answer."""
    status, text = asked(url, path)
    return status == 503 and NO_ANSWER.fullmatch(text) is not None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredServer]:
    running = MonitoredServer(tmp_path_factory.mktemp("monitored"))
    yield running
    running.stop()


def test_a_server_that_answers_calls_is_live_and_ready(server: MonitoredServer) -> None:
    wait_for(server.monitoring, "/livez", (200, "live"))
    wait_for(server.monitoring, "/readyz", (200, "ready"))
    wait_for(server.monitoring, "/readyz?verbose", (200, "ready"))
    wait_until(lambda: asked(server.monitoring, "/readyz", "HEAD") == (200, ""), "HEAD has no text")


@pytest.mark.parametrize("path", ["/", "/healthz", "/livez/", "/readyz/ping", "/metrics/", "/favicon.ico"])
def test_every_other_path_is_not_found(server: MonitoredServer, path: str) -> None:
    assert asked(server.monitoring, path)[0] == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_nothing_can_be_posted(server: MonitoredServer, path: str) -> None:
    assert asked(server.monitoring, path, "POST")[0] == 405


def test_a_server_without_its_database_is_live_but_not_ready_until_the_database_is_back(
    own_database_url: str, tmp_path: Path
) -> None:
    with a_black_hole(own_database_url) as (hole, url):
        server = MonitoredServer(tmp_path, "--database-url", url)
        try:
            hole.swallow()
            wait_for(server.monitoring, "/readyz", (503, NOT_SERVING))
            wait_for(server.monitoring, "/livez", (200, "live"))
            hole.pass_again()
            wait_for(server.monitoring, "/readyz", (200, "ready"))
        finally:
            hole.pass_again()
            server.stop()


@contextmanager
def a_black_hole(database_url: str) -> Iterator[tuple[BlackHole, str]]:
    """Yields a proxy in front of a database, and the URL of the database through it."""
    parts: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(database_url)
    host, port = parts.get("host", "localhost"), int(parts.get("port") or 5432)
    at_socket = host.startswith("/")
    hole = BlackHole(Path(host, f".s.PGSQL.{port}")) if at_socket else BlackHole(None, host, port)
    try:
        yield hole, psycopg.conninfo.make_conninfo(database_url, host="127.0.0.1", port=hole.port, sslmode="disable")
    finally:
        hole.stop()


def test_a_server_whose_projection_is_behind_is_ready_and_names_the_service(tmp_path: Path) -> None:
    server = MonitoredServer(tmp_path, "--enrollment-source", f"127.0.0.1:{free_port()}")
    try:
        answer = wait_until(
            lambda: found if CHECKS in (found := asked(server.monitoring, "/readyz"))[1] else None,
            "the service is named",
        )
        assert answer[0] == 200
        assert answer[1].splitlines()[0] == "ready"
        assert f"not serving: {CHECKS}" in answer[1].splitlines()
    finally:
        server.stop()


class Monitored:
    """Probes that are served on the event loop of a shell."""

    def __init__(self, shell: Shell, asked_probes: Probes) -> None:
        self._shell = shell
        self._context = monitored("127.0.0.1:0", asked_probes, CollectorRegistry())

    def __enter__(self) -> str:
        async def enter() -> str:
            return self._context.__enter__()

        return f"http://{self._shell.run(enter())}"

    def __exit__(self, *_raised: object) -> None:
        async def leave() -> None:
            self._context.__exit__(None, None, None)

        self._shell.run(leave())


def test_a_server_is_not_ready_while_it_starts_and_while_it_drains() -> None:
    shell, of_server = Shell(), ServerProbes()
    begun, finish = threading.Event(), asyncio.Event()

    async def answer(request: Any) -> Any:
        begun.set()
        await finish.wait()
        return pb.GetEnrollmentGroupResponse()

    async def let_finish() -> None:
        finish.set()

    shell.probe.answer = answer
    with Monitored(shell, of_server) as url:
        wait_for(url, "/readyz", (503, "starting"))
        wait_for(url, "/livez", (200, "live"))
        of_server.started(shell.listener)
        wait_for(url, "/readyz", (200, "ready"))
        request = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
        under_way: Any = shell.channel.unary_unary(UNARY).future(request)
        assert begun.wait(60)
        draining = threading.Thread(target=shell.drain, args=[300])
        draining.start()
        wait_for(url, "/readyz", (503, probes.DRAINING))
        wait_for(url, "/livez", (200, "live"))
        shell.run(let_finish())
        assert under_way.result(60) == b""
        draining.join(60)
    shell.stop()


def test_both_probes_fail_if_the_event_loop_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "LOOP_SECONDS", 0.1)

    class Stuck:
        async def live(self) -> str:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        ready = live

    shell = Shell()
    with Monitored(shell, Stuck()) as url:
        for path in ("/livez", "/readyz"):
            assert asked(url, path) == (503, "the event loop did not respond within 0.1 s")
    shell.stop()


def test_an_address_in_use_is_reported(server: MonitoredServer) -> None:
    async def listen() -> None:
        with monitored(server.monitoring.removeprefix("http://"), ServerProbes()):
            raise AssertionError("unreachable")

    with pytest.raises(AddressTaken):
        asyncio.run(listen())


def test_the_parent_of_several_processes_answers_for_all_of_them(own_database_url: str, tmp_path: Path) -> None:
    server = SeveralProcesses(tmp_path, "--database-url", own_database_url)
    parent, *processes = (url.removesuffix("/metrics") for url in (server.metrics, *server.metrics_of_processes))
    for url in (parent, *processes):
        wait_for(url, "/livez", (200, "live"))
        wait_for(url, "/readyz", (200, "ready"))
        assert asked(url, "/")[0] == 404
    frozen = server.children[0]
    os.kill(frozen, signal.SIGSTOP)
    for path in ("/livez", "/readyz"):
        wait_until(partial(names_a_silent_process, parent, path), "the frozen process is named")
    os.kill(frozen, signal.SIGCONT)
    wait_for(parent, "/readyz", (200, "ready"))
    os.kill(frozen, signal.SIGKILL)
    wait_until(lambda: server.logged("process_restarted"), "the process was restarted")
    wait_for(parent, "/readyz", (200, "ready"))
    held = server.children[0]
    os.kill(held, signal.SIGSTOP)  # so that it can't drain
    server.process.terminate()
    wait_for(parent, "/readyz", (503, probes.DRAINING))
    os.kill(held, signal.SIGCONT)
    assert server.process.wait(120) == 0


def test_processes_are_not_asked_through_a_proxy(server: MonitoredServer, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for(server.monitoring, "/livez", (200, "live"))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    process: Any = SimpleNamespace(number=1, metrics_address=server.monitoring.removeprefix("http://"))
    assert process_probes._ask(process, "/livez").strip() == "live"


def test_a_connection_without_a_request_is_closed_silently(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(monitoring._Handler, "timeout", 0.05)

    async def connect() -> bytes:
        with monitored("127.0.0.1:0", ServerProbes.__new__(ServerProbes), CollectorRegistry()) as address:
            reader, writer = await asyncio.open_connection(*address.split(":"))
            received = await reader.read()
            writer.close()
            return received

    assert asyncio.run(connect()) == b""
    assert capfd.readouterr().err == ""
