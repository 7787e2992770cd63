"""Programs of other worlds, and what they fetch: a test that cannot have them steps aside and says why."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".build" / "packaging"


def program(name: str) -> str:
    """The path of a program that this machine may not have."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


def fetch(*command: str | Path, cwd: Path | None = None) -> None:
    """Runs what downloads packages; without a registry, or where it has not these versions, the test steps aside."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing said"]
        reason = next((line for line in said if "error" in line.lower()), said[-1])
        pytest.skip(f"{Path(command[0]).name} cannot fetch what this test needs: {reason}")


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Runs what must succeed, without our sources on its path, and returns what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env=clean | variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout
