"""A console in front of a real server with the sample book, and a real Chromium.

Without Chromium, tests that need a browser are skipped.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from affilia_client import Client
from affilia_client.testing import Affilia
from tests.conftest import ROOT, ServerProcess
from tests.support.channels import connected_to
from tests.support.waiting import wait_until

LOADED = "Three commands to try"
"""Printed once the sample book is loaded."""
READY = re.compile(r"The console is at (http://\S+)/")
CHROMIUM = shutil.which("chromium")
TIMEOUT_MS = 60_000
"""The longest wait for a page on a busy machine."""
expect.set_options(timeout=TIMEOUT_MS)


class ConsoleProcess:
    """Runs `affilia console` in another process, on a free port. `url` has no slash at the end."""

    def __init__(
        self, server: "ServerProcess | Affilia", *flags: str, environment: Mapping[str, str] | None = None
    ) -> None:
        addresses = ["--address", server.address, "--internal-address", server.internal_address]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server", *addresses, "console", "--listen", "127.0.0.1:0", *flags],
            cwd=ROOT,
            env={
                **os.environ,
                **(environment or {}),
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "generated", ROOT / "clients"))),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := READY.match(line):
                self.url = found[1]
                return
        raise RuntimeError(f"the console did not start: exit status {self.process.wait()}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def server_with_samples(folder: Path, *flags: str) -> ServerProcess:
    """Starts a server and waits until its sample book is loaded, and until searches find it."""
    server = ServerProcess(folder, "--sample-book", *flags)
    assert server.process.stdout is not None
    assert any(LOADED in line for line in server.process.stdout), server.log.read_text()[-2000:]
    with Client(server.address) as client:
        wait_until(lambda: client.members.search_members(query="fr-001").hits, "the sample book is found")
        wait_until(lambda: client.members.search_members(query="fr-001").is_complete, "the index is complete")
    return server


@pytest.fixture(scope="package")
def sample_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the sample book that all stories share. Stories that change a family use one of their own."""
    server = server_with_samples(tmp_path_factory.mktemp("console"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def console(sample_server: ServerProcess) -> Iterator[ConsoleProcess]:
    """A development console for the shared server."""
    running = ConsoleProcess(sample_server, "--dev")
    yield running
    running.stop()


@pytest.fixture
def channel(sample_server: ServerProcess) -> Iterator[grpc.Channel]:
    """A channel to the shared server, for families of the stories."""
    with connected_to(sample_server.address) as connected:
        yield connected


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for this package only, because Playwright's event loop runs in the thread of the tests until it stops.

    Other packages start their own event loops in that thread.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium isn't installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, console: ConsoleProcess) -> Iterator[Page]:
    """A page of a new person's browser. Addresses such as `/work` are those of the console."""
    context = browser.new_context(base_url=console.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()
