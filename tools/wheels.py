"""Builds what is published into dist/: the stubs, and the client once it has a pyproject of its own.

Each is built from a copy, because setuptools leaves its droppings beside the sources.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PUBLISHED = ("generated", "clients/affilia_client")


def main() -> int:
    """Builds every published wheel, from the sources as they stand."""
    dist = REPOSITORY / "dist"
    dist.mkdir(exist_ok=True)
    # The time of the commit stands in for the time of the build: the same sources give the same wheel.
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    environment = os.environ | {"SOURCE_DATE_EPOCH": commit.stdout.strip() or "315532800"}
    for name in PUBLISHED:
        source = REPOSITORY / name
        if not (source / "pyproject.toml").exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            copy = shutil.copytree(source, Path(folder, "source"), ignore=shutil.ignore_patterns("__pycache__"))
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
                    *("--wheel-dir", dist, copy),
                ],
                env=environment,
                check=True,
            )
    print(*sorted(wheel.relative_to(REPOSITORY).as_posix() for wheel in dist.glob("*.whl")), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
