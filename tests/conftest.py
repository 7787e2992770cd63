"""One running server for all tests over the wire, on an embedded database of its own.

AFFILIA_TEST_SERVER names a running `--dev` server instead; AFFILIA_TEST_DATABASE_URL a PostgreSQL to run on.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

ROOT = Path(__file__).parent.parent
READY = re.compile(r"affilia is ready: (\S+) \(public\), (\S+) \(internal\)")


class ServerProcess:
    """`python -m server serve --dev` in a process of its own, on free ports."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.log = data_dir / "server.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, "-m", "server", "serve", "--dev", "--no-sample-book"]
        ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*arguments, *ports, "--data-dir", str(data_dir), *flags],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")])},
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
