"""A private Affilia server for tests: a process with --dev, an embedded database and free ports.

The server is the package `affilia-server` of this environment or of a source checkout, or else the program `affilia` on
the path. Set AFFILIA_TEST_SERVER to use a running server instead: `host:port`, or `host:port,host:port` with the
internal listener.
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
LOAD_SECONDS = 600
FLAGS = ("serve", "--dev", "--no-sample-book", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")


class ServerNotFound(Exception):
    """No server is installed, or it failed to start."""


class LoadFailed(Exception):
    """A folder of contracts could not be loaded completely. The text is the output of `affilia sample load`."""


class Addresses(NamedTuple):
    """The addresses that a server listens on."""

    public: str
    internal: str


@contextmanager
def own_server(data_dir: Path) -> Iterator[Addresses]:
    """Starts a server that stores its data in a folder, and stops it at the end. Raises ServerNotFound."""
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


def load_folder(address: str, folder: Path) -> None:
    """Loads contracts and families with `affilia sample load`. Raises LoadFailed, ServerNotFound."""
    done = subprocess.run(
        [*_program(), "--address", address, "sample", "load", str(folder)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LOAD_SECONDS,
    )
    if done.returncode:
        raise LoadFailed(f"{folder}: {(done.stderr or done.stdout).strip()}")


def _environment() -> dict[str, str]:
    """Returns this process's environment without AFFILIA_ variables, which could name a real database or server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFFILIA_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _program() -> list[str]:
    """Returns the command that runs the program `affilia`. Raises ServerNotFound."""
    if importlib.util.find_spec("affilia_server"):
        return [sys.executable, "-m", "affilia_server"]
    if _in_source_checkout():
        return [sys.executable, "-m", "server"]
    if program := shutil.which("affilia"):
        return [program]
    raise ServerNotFound(
        "No Affilia server is installed here. Run pip install 'affilia-server[embedded]', or set AFFILIA_TEST_SERVER to"
        " the address of a running server."
    )


def _in_source_checkout() -> bool:
    """Returns whether the package `server` on the path is ours, because other projects have one of that name too."""
    spec = importlib.util.find_spec("server")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return any(Path(folder, "listener.py").exists() and Path(folder, "__main__.py").exists() for folder in folders)


def _ready(process: subprocess.Popen[str], log: Path) -> Addresses:
    """Waits until the server is ready and returns its addresses. Raises ServerNotFound with the end of its log."""
    timeout = threading.Timer(READY_SECONDS, process.kill)
    timeout.start()
    try:
        for line in process.stdout or ():
            if found := READY.match(line):
                return Addresses(found[1], found[2])
    finally:
        timeout.cancel()
    raise ServerNotFound(f"The server did not start. End of its log:\n{log.read_text(errors='replace')[-2000:]}")
