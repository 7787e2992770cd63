"""Clean virtual environments and foreign programs for packaging tests.

A test is skipped, with the reason, where a program or the packages it needs are unavailable. Environments are kept
under .build/packaging, by what is installed in them; only our own wheels are installed again by each run.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools import protos
from tools.install import uv_environment

ROOT = Path(__file__).parent.parent.parent
CACHE = ROOT / ".build" / "packaging"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(name: str) -> str:
    """Returns the path of a program that this machine may not have."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def fetch(*command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
    """Runs a command that downloads packages. Skips the test if they are unavailable."""
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        output = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        reason = next((line for line in output if "error" in line.lower()), output[-1])
        pytest.skip(f"{Path(command[0]).name} cannot fetch what this test needs: {reason}")


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> str:
    """Runs a command that must succeed, without our sources on its path, and returns its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AFFILIA_"))}
    done = subprocess.run(
        command, cwd=cwd, env=clean | variables, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of(name: str) -> Path:
    """Copies a folder of clients/ again, but keeps the packages that were downloaded for the previous copy."""
    destination = CACHE / name
    source = ROOT / "clients" / name
    generated = {"node_modules", "dist", "gen", "affilia", "target"}
    shutil.copytree(
        source,
        destination,
        ignore=lambda folder, names: generated.intersection(names) if Path(folder) == source else (),
        dirs_exist_ok=True,
    )
    protos.copy_third_party(protos.PROTOS, protos.THIRD_PARTY)
    return destination


def node_project(name: str) -> Path:
    """Copies a folder of clients/ and installs its packages. Skips the test without Node 20 and npm.

    Connect supports Node 22 and later. It also works with Node 20, which some machines still have.
    """
    node, npm = program("node"), program("npm")
    if int(run(node, "--version").lstrip("v").split(".")[0]) < 20:
        pytest.skip("node is older than 20")
    folder = copy_of(name)
    stamp, lock = folder / "node_modules" / "installed", (folder / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        fetch(npm, "ci", "--no-audit", "--no-fund", cwd=folder)
        stamp.write_text(lock)
    return folder


def environment(name: str, pins: Mapping[str, str]) -> Path:
    """Returns the Python of an environment with exactly these packages, each at one version, and what they require."""
    folder = CACHE / f"{PYTHON}-{name}"
    python, stamp = folder / "bin" / "python", folder / "complete"
    requirements = [f"{package}=={version}" for package, version in pins.items()]
    content = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != content:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _install(python, requirements)
        stamp.write_text(content)
    return python


def install_wheels(python: Path, *wheels: Path) -> None:
    """Installs our own wheels, offline, and checks that everything they require is there."""
    pip = (python, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", *wheels)
    run(*pip, "check")


def _install(python: Path, requirements: list[str]) -> None:
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        command = (uv, "pip", "install", "--quiet", "--python", python, "--only-binary=:all:")
        fetch(*command, *requirements, variables=uv_environment())
    else:
        fetch(python, "-m", "pip", "install", "--quiet", "--retries=1", "--only-binary=:all:", *requirements)
