"""A server of one's own for a while: a process on an embedded database, on free ports, with --dev.

It is found as the module `server` or as the program `affilia`, whichever this environment has; AFFILIA_TEST_SERVER
names one that runs already, as `host:port` or `host:port,host:port` with the internal listener.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

READY = re.compile(r"affilia is ready: (\S+) \(public\), (\S+) \(internal\)")
STOP_SECONDS = 30
READY_SECONDS = 120
FLAGS = ("serve", "--dev", "--no-sample-book", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")


class ServerNotFound(Exception):
    """There is no server to start, or it did not start."""


class Addresses(NamedTuple):
    """Where a server listens."""

    public: str
    internal: str


@contextmanager
def own_server(data_dir: Path) -> Iterator[Addresses]:
    """Starts a server with its data in a folder, and stops it. Raises ServerNotFound."""
    if running := os.environ.get("AFFILIA_TEST_SERVER"):
        public, _, internal = running.partition(",")
        yield Addresses(public, internal or public)
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "server.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [*_program(), *FLAGS, "--data-dir", str(data_dir)],
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _environment() -> dict[str, str]:
    """Ours, but for what would lead a server to somebody's real database or listeners."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFFILIA_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _program() -> list[str]:
    # Other packages are called `server`, too: ours is one that can be run, over the stubs.
    spec = importlib.util.find_spec("server")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if any(Path(place, "listener.py").exists() and Path(place, "__main__.py").exists() for place in places):
        return [sys.executable, "-m", "server"]
    if program := shutil.which("affilia"):
        return [program]
    raise ServerNotFound("there is no Affilia server here to start; AFFILIA_TEST_SERVER may name one that runs")


def _ready(process: subprocess.Popen[str], log: Path) -> Addresses:
    late = threading.Timer(READY_SECONDS, process.kill)
    late.start()
    try:
        for line in process.stdout or ():
            if found := READY.match(line):
                return Addresses(found[1], found[2])
    finally:
        late.cancel()
    raise ServerNotFound(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
