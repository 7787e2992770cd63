"""Builds what is published into dist/: the stubs, and the client once it has a pyproject of its own.

Each is built from a copy, because setuptools leaves its droppings beside the sources. The protos go into the stubs'
copy, beside the modules made of them, so that they can be compiled for other languages out of the wheel.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STUBS = "generated"
PUBLISHED = (STUBS, "clients/affilia_client")


def build(name: str, dist: Path) -> None:
    """Builds the wheel of a folder of the repository into another; the same sources give the same bytes."""
    # The time of the commit stands in for the time of the build.
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    environment = os.environ | {"SOURCE_DATE_EPOCH": commit.stdout.strip() or "315532800"}
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(REPOSITORY / name, Path(folder, "source"), ignore=shutil.ignore_patterns("__pycache__"))
        if name == STUBS:
            shutil.copytree(REPOSITORY / "protos", copy, dirs_exist_ok=True)
        _same_modes(copy)
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
                *("--no-index", "--disable-pip-version-check", "--wheel-dir", dist, copy),
            ],
            env=environment,
            check=True,
        )


def _same_modes(folder: Path) -> None:
    """Files in a wheel keep their modes, and those depend on the umask that the checkout was made with."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> int:
    """Builds every published wheel, from the sources as they stand."""
    dist = REPOSITORY / "dist"
    dist.mkdir(exist_ok=True)
    for name in PUBLISHED:
        if (REPOSITORY / name / "pyproject.toml").exists():
            build(name, dist)
    print(*sorted(wheel.relative_to(REPOSITORY).as_posix() for wheel in dist.glob("*.whl")), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
