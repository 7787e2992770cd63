"""A newcomer's first minutes: an empty folder, the wheels of a release, a server, and the first responses, timed.

make test ARGS="tests/packaging/test_newcomer.py -s"    prints the seconds of each step
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.packaging.environments import fetch, run
from tools import wheels

READY = "affilia is ready: "
CALL = """
import sys
from affilia_client import Client

with Client(sys.argv[1]) as client:
    print(len(list(client.catalog.all_contracts())))
"""


class Clock:
    """The seconds of each step, in order."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    @contextmanager
    def measured(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps[step] = time.monotonic() - began

    def __str__(self) -> str:
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.steps.items())
        return f"from wheels to the first response: {sum(self.steps.values()):.1f} s ({steps})"


def test_a_newcomer_gets_from_the_wheels_to_the_first_response(built_wheels: dict[str, Path], tmp_path: Path) -> None:
    clock, empty = Clock(), tmp_path / "empty"
    empty.mkdir()
    programs, version = tmp_path / "venv" / "bin", wheels.versions()["affilia-server"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AFFILIA_"))}
    with clock.measured("virtual environment"):
        run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=empty)
    with clock.measured("installation"):
        folder = built_wheels["affilia-server"].parent
        package = f"affilia-server[embedded]=={version}"
        fetch(programs / "pip", "install", "--quiet", "--only-binary=:all:", "--find-links", folder, package, cwd=empty)
    assert run(programs / "affilia", "--version", cwd=empty) == f"affilia {version}\n"
    flags = ("--dev", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0")
    with (tmp_path / "log").open("w") as log:
        with clock.measured("start"):
            server = subprocess.Popen(
                [programs / "affilia", "serve", *flags],
                cwd=empty,
                env=clean,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            assert server.stdout is not None
            ready = next((line for line in server.stdout if line.startswith(READY)), "")
        try:
            assert ready, (tmp_path / "log").read_text()
            address = ready.removeprefix(READY).split()[0]
            with clock.measured("first response"):
                assert run(programs / "python", "-c", CALL, address, cwd=empty) == "0\n"
            assert "SERVING" in run(programs / "affilia", "--address", address, "doctor", cwd=empty)
        finally:
            server.terminate()
            assert server.wait(120) == 0
    print(clock)
