"""clients/browser-proxy in front of a real server: Connect and gRPC-Web with the end user's token, and allowed origins.

Skipped without Node. Tests in a browser are skipped without Chromium.
"""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from playwright.sync_api import sync_playwright

from affilia.catalog.v1 import catalog_service_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2
from tests.conftest import ServerProcess
from tests.packaging.environments import ROOT, node_project, program, run
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of, token
from tests.support.waiting import wait_until
from tools import protos

CATALOG = "affilia.catalog.v1.CatalogService"
QUERIES = "affilia.enrollment.v1.EnrollmentQueryService"
PORTAL = "https://portal.example.com"
READY = re.compile(r"The proxy listens at (http://\S+), for ")


class Answer(NamedTuple):
    status: int
    headers: Any
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def project() -> Path:
    folder = node_project("browser-proxy")
    run(protos.PROGRAMS / "buf", "generate", ROOT, cwd=folder)
    run(program("npm"), "run", "build", cwd=folder)
    return folder


@contextmanager
def proxy_of(project: Path, address: str, *origins: str) -> Iterator[str]:
    """Runs the proxy for a server, and yields its URL."""
    variables = {
        "PROXY_SERVER": f"http://{address}",
        "PROXY_LISTEN": "127.0.0.1:0",
        "PROXY_ALLOWED_ORIGINS": ", ".join(origins),
    }
    process = subprocess.Popen(
        [program("node"), "dist/main.js"], cwd=project, env=os.environ | variables, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found = READY.match(process.stdout.readline())
    assert found, "the proxy did not start"
    try:
        yield found[1]
    finally:
        process.terminate()
        assert process.wait(60) == 0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with guarded_server(tmp_path_factory.mktemp("guarded")) as (server, _):
        yield server


@pytest.fixture(scope="module")
def family(guarded: ServerProcess) -> Iterator[Family]:
    with connected_to(guarded.address) as channel:
        family = Family(channel_of(channel, as_("admin", "back-office"))).set_up()
        family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
        yield family


@pytest.fixture(scope="module")
def proxy(project: Path, guarded: ServerProcess) -> Iterator[str]:
    with proxy_of(project, guarded.address, PORTAL) as url:
        yield url


def send(url: str, method: str = "POST", content: Any = None, **headers: str) -> Answer:
    """Sends a request as a browser's fetch would, with JSON if there is content."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if content is None else json.dumps(content).encode()
    everything = {"Content-Type": "application/json", **names}
    request = urllib.request.Request(url, data, everything, method=method)  # noqa: S310 (a URL of this test)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 (a URL of this test)
            return Answer(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode())


def call(proxy: str, method: str, content: Any, bearer: str = "", **headers: str) -> Answer:
    """Makes a unary call with the Connect protocol."""
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    return send(f"{proxy}/{method}", content=content, **headers)


def test_a_front_end_calls_by_connect_and_grpc_web(project: Path, proxy: str, family: Family) -> None:
    output = run(program("node"), "dist/example.js", proxy, token("admin", "back-office"), cwd=project)
    lines = output.splitlines()
    for name, of_protocol in (("Connect", lines[:3]), ("gRPC-Web", lines[3:])):
        assert of_protocol[0] == f"{name}: 1 contract(s)"
        assert of_protocol[1] == f"{name}: NotFound/CONTRACT_UNKNOWN, with its call id"
        assert re.fullmatch(rf"{name}: event \d+", of_protocol[2])


def test_the_users_token_decides_what_is_allowed(proxy: str, family: Family) -> None:
    own = {"key": {"contractId": family.contract_id, "primaryId": family.primary}}
    of_member = token("member", family.primary)
    answer = call(proxy, f"{QUERIES}/GetEnrollmentGroup", own, of_member)
    assert answer.status == 200
    assert answer.json["group"]["key"] == own["key"]
    others = {"key": {"contractId": family.contract_id, "primaryId": new_id()}}
    denied = call(proxy, f"{QUERIES}/GetEnrollmentGroup", others, of_member)
    assert (denied.status, denied.json["code"]) == (403, "permission_denied")
    assert denied.json["details"][0]["type"] == "google.rpc.ErrorInfo"
    anonymous = call(proxy, f"{QUERIES}/GetEnrollmentGroup", own)
    assert (anonymous.status, anonymous.json["code"]) == (401, "unauthenticated")


def test_only_pages_of_allowed_origins_can_call(proxy: str, family: Family) -> None:
    url = f"{proxy}/{CATALOG}/ListContracts"
    wanted = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "authorization,connect-protocol-version,content-type",
    }
    preflight = send(url, "OPTIONS", Origin=PORTAL, **wanted)
    assert (preflight.status, preflight.headers["Access-Control-Allow-Origin"]) == (204, PORTAL)
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "connect-protocol-version", "content-type", "x-grpc-web"} <= set(allowed)
    answer = call(proxy, f"{CATALOG}/ListContracts", {}, token("admin", "back-office"), Origin=PORTAL)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, PORTAL)
    for method, content in (("OPTIONS", None), ("POST", {})):
        refused = send(url, method, content, Origin="https://evil.example.com", **wanted)
        assert refused.status == 403
        assert refused.headers["Access-Control-Allow-Origin"] is None


def test_services_of_the_internal_listener_are_not_served(proxy: str) -> None:
    path = "affilia.eligibility.v1.EligibilityInternalService/ApplyAccumulator"
    assert call(proxy, path, {}, token("admin", "back-office")).status == 404


def test_a_request_that_is_too_large_is_rejected_by_the_proxy(proxy: str) -> None:
    def answered() -> Answer | None:
        try:
            return call(proxy, f"{CATALOG}/GetContract", {"contractId": "x" * 2_000_000}, token("admin", "back-office"))
        except urllib.error.URLError:  # the proxy closed the connection before everything was sent
            return None

    answer = wait_until(answered, "an answer arrives")
    assert (answer.status, answer.json["code"]) == (429, "resource_exhausted")


# ------------------------------------------------------------------------------- what the server receives


class Recorder(grpc.GenericRpcHandler):
    """Answers calls, and records what came with them."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.seconds_left = 0.0
        self.is_cancelled = threading.Event()

    def service(self, details: Any) -> Any:
        if details.method.endswith("ListContracts"):
            return grpc.unary_unary_rpc_method_handler(self._list_contracts)
        if details.method.endswith("WatchEnrollments"):
            return grpc.unary_stream_rpc_method_handler(self._watch)
        return None

    def _list_contracts(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        self.seconds_left = context.time_remaining()
        context.set_trailing_metadata((("x-request-id", "id-1"), ("secret", "s")))
        return catalog_service_pb2.ListContractsResponse(next_page_token="next").SerializeToString()

    def _watch(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(self.is_cancelled.set)
        yield enrollment_query_service_pb2.WatchEnrollmentsResponse(resume_token="first").SerializeToString()
        self.is_cancelled.wait(120)


@pytest.fixture
def recorder(project: Path) -> Iterator[tuple[Recorder, str]]:
    """A server that records calls, and the URL of a proxy in front of it."""
    found = Recorder()
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[found])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with proxy_of(project, f"127.0.0.1:{port}", PORTAL) as url:
        yield found, url
    server.stop(None)


def test_the_server_receives_token_deadline_and_trace_but_nothing_else(recorder: tuple[Recorder, str]) -> None:
    received, proxy = recorder
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = call(
        proxy, f"{CATALOG}/ListContracts", {}, "a.b.c",
        Connect_Timeout_Ms="90000", traceparent=trace, Cookie="session=1", X_Affilia_Actor="someone",
    )  # fmt: skip
    assert answer.json == {"nextPageToken": "next"}
    assert received.metadata["authorization"] == "Bearer a.b.c"
    assert received.metadata["traceparent"] == trace
    assert not {"cookie", "x-affilia-actor"} & received.metadata.keys()
    assert 0 < received.seconds_left <= 90
    assert answer.headers["Trailer-X-Request-Id"] == "id-1"
    assert "s" not in {answer.headers["Trailer-Secret"], answer.headers["Secret"]}


def test_the_servers_stream_is_cancelled_when_the_browser_leaves(recorder: tuple[Recorder, str]) -> None:
    received, proxy = recorder
    start = json.dumps({"from": "FEED_START_BEGINNING"}).encode()
    request = urllib.request.Request(  # noqa: S310 (a URL of this test)
        f"{proxy}/{QUERIES}/WatchEnrollments",
        bytes(1) + len(start).to_bytes(4, "big") + start,
        {"Content-Type": "application/connect+json", "Connect-Protocol-Version": "1"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310 (a URL of this test)
        head = response.read(5)
        assert json.loads(response.read(int.from_bytes(head[1:], "big"))) == {"resumeToken": "first"}
        assert not received.is_cancelled.is_set()
    wait_until(received.is_cancelled.is_set, "the server's call is cancelled")


# ------------------------------------------------------------------------------- in a browser


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Serves a folder, and yields its origin."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


FETCH = """async ([url, token]) => {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json", "Connect-Protocol-Version": "1", "Authorization": `Bearer ${token}`,
      },
      body: "{}",
    });
    return (await response.json()).contracts.length;
  } catch (error) {
    return error.name;
  }
}"""


def test_a_page_in_chromium_calls_from_its_own_origin_only(
    project: Path, guarded: ServerProcess, family: Family, tmp_path: Path
) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    (tmp_path / "index.html").write_text("<!doctype html><title>Portal</title>")
    arguments = [f"/{CATALOG}/ListContracts", token("admin", "back-office")]
    with (
        pages(tmp_path) as portal,
        pages(tmp_path) as elsewhere,
        proxy_of(project, guarded.address, portal) as proxy,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=120_000)
        page = browser.new_page()
        for origin, expected in ((portal, 1), (elsewhere, "TypeError")):
            page.goto(f"{origin}/index.html", timeout=120_000)
            assert page.evaluate(FETCH, [f"{proxy}{arguments[0]}", arguments[1]]) == expected
        browser.close()


# ------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("origins", "message"),
    [
        ("", "PROXY_ALLOWED_ORIGINS is required"),
        ("*", "got \\*"),
        ("https://a.example/path", "got https://a.example/path"),
    ],
)
def test_a_proxy_without_a_valid_list_of_origins_does_not_start(project: Path, origins: str, message: str) -> None:
    done = subprocess.run(
        [program("node"), "dist/main.js"],
        cwd=project, env=os.environ | {"PROXY_ALLOWED_ORIGINS": origins, "PROXY_LISTEN": "127.0.0.1:0"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert re.search(message, done.stderr)
