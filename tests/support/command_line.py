"""Runs the command line with its output piped. `terminal.py` runs it on a terminal."""

import os
import subprocess
import sys
from dataclasses import dataclass

from tests.conftest import ROOT
from tests.support.forked_commands import FORKED

SECONDS = 120


@dataclass(frozen=True, slots=True)
class Typed:
    """The exit status and the output of a command."""

    code: int
    out: str
    err: str


def typed(address: str, *words: str, **environment: str) -> Typed:
    """Runs `affilia` with arguments."""
    arguments, variables = ["--address", address, *words], {**os.environ, "COLUMNS": "120", **environment}
    # Modules can read variables when they are imported.
    if not environment and FORKED.free.acquire(blocking=False):
        try:
            return Typed(*FORKED.run(arguments, variables, SECONDS))
        finally:
            FORKED.free.release()
    done = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Typed(done.returncode, done.stdout, done.stderr)
