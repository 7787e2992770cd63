"""One running server for all tests over the wire, on an embedded database.

Set AFFILIA_TEST_SERVER to use a running `--dev` server, AFFILIA_TEST_DATABASE_URL to use another PostgreSQL.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest

from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.support.calls import Family
from tests.support.channels import connected_to

ROOT = Path(__file__).parent.parent
OWN_FOLDER = pytest.StashKey[Path]()
ERROR_LINE = '"level": "error"'
MAX_ERRORS, MAX_ERROR_LENGTH = 20, 1500


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Gives each run its own folder for temporary files.

    By default all runs of a user share one folder. Each run revokes the rights of other users on it, so that databases
    in it can no longer be started by their own user, and removes what earlier runs left.
    """
    if not config.option.basetemp:
        config.stash[OWN_FOLDER] = Path(tempfile.mkdtemp(prefix="affilia-tests-"))
        config.option.basetemp = str(config.stash[OWN_FOLDER] / "t")


def pytest_unconfigure(config: pytest.Config) -> None:
    if folder := config.stash.get(OWN_FOLDER, None):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Keeps the files of a run in which something failed, says where they are, and prints the errors of its servers."""
    if (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")) and OWN_FOLDER in config.stash:
        folder = config.stash[OWN_FOLDER]
        for line in errors_in(folder)[-MAX_ERRORS:]:
            terminalreporter.write_line(line[:MAX_ERROR_LENGTH])
        terminalreporter.write_line(f"The files of this run are kept in {folder}")
        del config.stash[OWN_FOLDER]


def errors_in(folder: Path) -> list[str]:
    """Returns the lines that servers logged as errors. Some logs are links to devices, which never end."""
    logs = [log for log in folder.rglob("server.log") if log.is_file()]
    return [line for log in logs for line in log.read_text().splitlines() if ERROR_LINE in line]


READY = re.compile(r"affilia is ready: (\S+) \(public\), (\S+) \(internal\)")


class ServerProcess:
    """Runs `python -m server serve --dev` in another process, on free ports."""

    tree = ROOT
    """The folder with the sources of the server."""
    program = "server"
    """The module that is run."""

    def __init__(self, data_dir: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.log = data_dir / "server.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, "-m", self.program, "serve", "--dev", "--no-sample-book"]
        ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*arguments, *ports, "--data-dir", str(data_dir), *flags],
            cwd=self.tree,
            env={
                **os.environ,
                **(environment or {}),
                "PYTHONPATH": os.pathsep.join(map(str, (self.tree, self.tree / "generated", self.tree / "clients"))),
            },
            stdout=subprocess.PIPE,
            stderr=self.log.open("ab"),
            text=True,
        )
        self.address, self.internal_address = self._ready()

    def _ready(self) -> tuple[str, str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := READY.match(line):
                return found[1], found[2]
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 120) -> int:
        self.process.terminate()
        return self.process.wait(seconds)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The PostgreSQL server for databases of tests: AFFILIA_TEST_DATABASE_URL, or an embedded one."""
    if url := os.environ.get("AFFILIA_TEST_DATABASE_URL"):
        yield url
        return
    embedded = EmbeddedPostgres.start(tmp_path_factory.mktemp("postgres"))
    yield embedded.url
    embedded.stop()


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> Iterator[str]:
    """A database with the newest schema that tests of storage share."""
    with a_database(postgres_url) as url:
        yield url


@pytest.fixture
def own_database_url(postgres_url: str) -> Iterator[str]:
    """A database for this test only, with the newest schema."""
    with a_database(postgres_url) as url:
        yield url


@contextmanager
def a_database(postgres_url: str, template: str = "template1", *, migrated: bool = True) -> Iterator[str]:
    """Creates a temporary database, with the newest schema unless the test migrates it."""
    name = f"affilia_test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
    try:
        if migrated:
            migrate(url)
        yield url
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server that most tests share. Each test uses new ids."""
    url = os.environ.get("AFFILIA_TEST_DATABASE_URL")
    flags = ["--database-url", url] if url else []
    running = ServerProcess(tmp_path_factory.mktemp("affilia"), *flags)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server_address(request: pytest.FixtureRequest) -> str:
    """The address of a complete `--dev` server."""
    if address := os.environ.get("AFFILIA_TEST_SERVER"):
        return address
    shared: ServerProcess = request.getfixturevalue("server")
    return shared.address


@pytest.fixture(scope="session")
def server_channel(server_address: str) -> Iterator[grpc.Channel]:
    with connected_to(server_address) as channel:
        yield channel


@pytest.fixture
def family(server_channel: grpc.Channel) -> Family:
    """A family for this test only: its contract is published, its members are stored, nobody is enrolled."""
    return Family(server_channel).set_up()
