"""Runs the command line with its output piped. `terminal.py` runs it on a terminal."""

import os
import subprocess
import sys
from dataclasses import dataclass

from tests.conftest import ROOT

SECONDS = 120


@dataclass(frozen=True, slots=True)
class Typed:
    """The exit status and the output of a command."""

    code: int
    out: str
    err: str


def typed(address: str, *words: str, **environment: str) -> Typed:
    """Runs `affilia` with arguments."""
    done = subprocess.run(
        [sys.executable, "-m", "server", "--address", address, *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Typed(done.returncode, done.stdout, done.stderr)
