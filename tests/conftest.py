"""One running server for all tests over the wire, on an embedded database of its own.

AFFILIA_TEST_SERVER names a running `--dev` server instead; AFFILIA_TEST_DATABASE_URL a PostgreSQL to run on.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import psycopg
import pytest

from storage.embedded import EmbeddedPostgres
from storage.migrations import migrate
from tests.support.calls import Family

ROOT = Path(__file__).parent.parent
READY = re.compile(r"affilia is ready: (\S+) \(public\), (\S+) \(internal\)")


class ServerProcess:
    """`python -m server serve --dev` in a process of its own, on free ports."""

    def __init__(self, data_dir: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.log = data_dir / "server.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, "-m", "server", "serve", "--dev", "--no-sample-book"]
        ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*arguments, *ports, "--data-dir", str(data_dir), *flags],
            cwd=ROOT,
            env={
                **os.environ,
                **(environment or {}),
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
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

    def stop(self, seconds: float = 30) -> int:
        self.process.terminate()
        return self.process.wait(seconds)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server to make databases on: AFFILIA_TEST_DATABASE_URL, or an embedded one."""
    if url := os.environ.get("AFFILIA_TEST_DATABASE_URL"):
        yield url
        return
    embedded = EmbeddedPostgres.start(tmp_path_factory.mktemp("postgres"))
    yield embedded.url
    embedded.stop()


@pytest.fixture(scope="session")
def database_url(postgres_url: str) -> Iterator[str]:
    """A database with the newest schema, for tests of storage."""
    with a_database(postgres_url) as url:
        yield url


@pytest.fixture
def own_database_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own, with the newest schema."""
    with a_database(postgres_url) as url:
        yield url


@contextmanager
def a_database(postgres_url: str, template: str = "template1") -> Iterator[str]:
    """Made for a while, with the newest schema."""
    name = f"affilia_test_{uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
    try:
        migrate(url)
        yield url
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server that most tests share; each uses ids of its own."""
    url = os.environ.get("AFFILIA_TEST_DATABASE_URL")
    flags = ["--database-url", url] if url else []
    running = ServerProcess(tmp_path_factory.mktemp("affilia"), *flags)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def server_address(request: pytest.FixtureRequest) -> str:
    """Where a complete `--dev` server answers."""
    if address := os.environ.get("AFFILIA_TEST_SERVER"):
        return address
    shared: ServerProcess = request.getfixturevalue("server")
    return shared.address


@pytest.fixture(scope="session")
def server_channel(server_address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server_address) as channel:
        yield channel


@pytest.fixture
def family(server_channel: grpc.Channel) -> Family:
    """Of the test's own: published and stored, nobody enrolled yet."""
    return Family(server_channel).set_up()
