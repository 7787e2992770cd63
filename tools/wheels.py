"""Builds the three published wheels into dist/: affilia-stubs, affilia-client, affilia-server.

Each is built from a copy, because setuptools writes its own files beside the sources. The same commit gives the same
bytes: files have the date of the commit and fixed modes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from tools import server_wheel

REPOSITORY = Path(__file__).resolve().parent.parent
STUBS = REPOSITORY / "generated"
CLIENT = REPOSITORY / "clients" / "affilia_client"


def copy_stubs(destination: Path) -> None:
    """Copies the stubs, with each proto beside its module, so that other languages can be generated from the wheel."""
    _copy_folder(STUBS, destination)
    shutil.copytree(REPOSITORY / "protos", destination, dirs_exist_ok=True)


def copy_client(destination: Path) -> None:
    """Copies the client."""
    _copy_folder(CLIENT, destination)


SOURCES: dict[str, Callable[[Path], None]] = {
    "affilia-stubs": copy_stubs,
    "affilia-client": copy_client,
    "affilia-server": server_wheel.copy,
}
"""How the sources of each published package are copied into an empty folder, by the name of the package."""


def versions() -> dict[str, str]:
    """Returns the version of each published package, by its name."""
    projects = [tomllib.loads((f / "pyproject.toml").read_text())["project"] for f in (STUBS, CLIENT, REPOSITORY)]
    return {project["name"]: project["version"] for project in projects}


def build(name: str, dist: Path) -> Path:
    """Builds the wheel of a package into a folder and returns its path."""
    # Files in the wheel have the time of the commit instead of the time of the build.
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    environment = os.environ | {"SOURCE_DATE_EPOCH": commit.stdout.strip() or "315532800"}
    with tempfile.TemporaryDirectory() as folder:
        source, wheels = Path(folder, "source"), Path(folder, "wheels")
        source.mkdir()
        SOURCES[name](source)
        _set_modes(source)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
                *("--no-index", "--disable-pip-version-check", "--wheel-dir", wheels, source),
            ],
            env=environment,
            check=True,
        )
        (wheel,) = wheels.iterdir()
        return Path(shutil.copy(wheel, dist))


def _copy_folder(source: Path, destination: Path) -> None:
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(REPOSITORY / "LICENSE", destination)


def _set_modes(folder: Path) -> None:
    """Sets fixed modes: a wheel keeps those of its files, which otherwise depend on the umask of the checkout."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> int:
    """Builds every published wheel from the working tree, and removes those of earlier builds."""
    dist = REPOSITORY / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    for name in SOURCES:
        print(build(name, dist).relative_to(REPOSITORY))
    return 0


if __name__ == "__main__":
    sys.exit(main())
