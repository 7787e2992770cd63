"""Runs every command in the README, the cheat sheet and the command line's page that calls a server, in their order.

The server is started as by `make run`, with the sample book. Commands of grpcurl are run if it is installed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from affilia_client import Client
from tests.conftest import ROOT, ServerProcess
from tests.docs.markdown import blocks

BUF = ".venv/bin/buf"
COMMAND = re.compile(rf"(?:{re.escape(BUF)} curl|grpcurl) ")
ENDLESS = "/WatchEnrollments"
LOADED = "Three commands to try"
GROUP = "1309c3d9-1ca7-55dd-b94c-2da7db4549b9"
REQUEST_ID = "CHANGE_REQUEST_ID"
"""Stands for an id that the server sets."""
PUBLIC, INTERNAL = "127.0.0.1:50051", "127.0.0.1:50052"

LINES = [
    line
    for document in ("README.md", "docs/cheat-sheet.md")
    for block in blocks(Path(document))
    for line in block.text.splitlines()
    if COMMAND.match(line)
]


AFFILIA = re.compile(r"(?:\.venv/bin/)?affilia (?!serve|--help)")
TOURS = ("README.md", "docs/command-line.md")
"""Documents whose commands of the command line are run in their order."""


def command_lines(document: str) -> list[str]:
    return [
        line.partition("  #")[0].strip()
        for block in blocks(Path(document))
        for line in block.text.splitlines()
        if AFFILIA.match(line)
    ]


def grpcurl() -> str | None:
    """Returns the path of grpcurl, or None."""
    return shutil.which("grpcurl") or shutil.which("grpcurl", path=os.environ.get("GOBIN") or None)


def newest_request(server: ServerProcess) -> str:
    """Returns the id of the newest change request of the family that the cheat sheet uses."""
    with Client(server.address) as client:
        requests = list(client.changes.all_change_requests(group_id=GROUP))
    return requests[-1].change_request_id


@pytest.fixture(scope="session")
def sample_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose sample book is loaded."""
    server = ServerProcess(tmp_path_factory.mktemp("sample-book"), "--sample-book")
    try:
        assert server.process.stdout is not None
        assert any(LOADED in line for line in server.process.stdout), server.log.read_text()[-2000:]
        yield server
    finally:
        server.stop()


def test_there_are_lines_to_run() -> None:
    assert len([line for line in LINES if line.startswith(BUF)]) >= 30
    assert len([line for line in LINES if line.startswith("grpcurl")]) >= 3
    assert all(len(command_lines(document)) >= 10 for document in TOURS)


@pytest.mark.parametrize("document", TOURS)
def test_the_tour_of_the_command_line_succeeds_in_its_order(document: str, sample_server: ServerProcess) -> None:
    for line in command_lines(document):
        words = shlex.split(AFFILIA.sub("", line, count=1))
        command = [sys.executable, "-m", "server", "--address", sample_server.address, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, bool(done.stdout.strip())) == (0, True), f"{line}\n{done.stdout}{done.stderr}"


def test_the_readmes_script_runs_and_gets_an_event(sample_server: ServerProcess) -> None:
    (script,) = (block.text for block in blocks(Path("README.md")) if block.language == "python")
    ours = script.replace(PUBLIC, sample_server.address)
    done = subprocess.run(
        [sys.executable, "-c", ours], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split()[0].isdigit()


def test_the_clients_readme_runs_against_the_sample_book(sample_server: ServerProcess) -> None:
    scripts = [each.text for each in blocks(Path("clients/affilia_client/README.md")) if PUBLIC in each.text]
    assert len(scripts) == 1
    ours = scripts[0].replace(PUBLIC, sample_server.address).replace(INTERNAL, sample_server.internal_address)
    done = subprocess.run(
        [sys.executable, "-c", ours], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    *periods, cost = done.stdout.splitlines()
    assert "MEMBERSHIP_TYPE_PRIMARY 2025-08-01 no end" in periods
    assert (cost.startswith("Money(amount=Decimal("), "'EUR'" in cost) == (True, True)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.rpartition("/")[2].partition(" ")[0])
def test_the_line_succeeds(line: str, sample_server: ServerProcess) -> None:
    program = str(Path(sys.executable).with_name("buf"))
    if line.startswith("grpcurl"):
        found = grpcurl()
        if found is None:
            pytest.skip("grpcurl is neither on PATH nor in GOBIN")
        program = found
    ours = line.replace(PUBLIC, sample_server.address).replace(INTERNAL, sample_server.internal_address)
    if REQUEST_ID in ours:
        ours = ours.replace(REQUEST_ID, newest_request(sample_server))
    _, *arguments = shlex.split(ours)
    with subprocess.Popen(
        [program, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        if line.endswith(ENDLESS):
            assert running.stdout is not None
            said = running.stdout.readline()
            running.kill()
            assert said.startswith("{"), running.communicate()
        else:
            said, complaint = running.communicate(timeout=30)
            assert running.returncode == 0, complaint
            assert said.strip()
