"""The compiler of the stubs: an old grpcio-tools, in its own virtual environment under .build/.

It is old on purpose: its stubs work with many years of grpcio and protobuf versions (docs/decisions/0011). It is
installed separately, from requirements-protoc.lock, because it would restrict the version of protobuf, and without its
dependencies, because only its protoc is used.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LOCK = REPOSITORY / "requirements-protoc.lock"
HOME = REPOSITORY / ".build" / "protoc"

# The only supported Pythons that it has wheels for.
PYTHONS = ((3, 11), (3, 12))


def interpreter() -> Path | None:
    """Returns a Python that the compiler can run on: this one, or one on the path. None if there is none."""
    if sys.version_info[:2] in PYTHONS:
        return Path(sys.executable)
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        # The path can have pyenv's shims of versions that aren't active. They fail when they are run.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(found)
    return None


def python() -> Path | None:
    """Returns the Python of the compiler's environment, recreated if the lock changed. None if no Python fits."""
    inside, stamp = HOME / "bin" / "python", HOME / "installed"
    if stamp.exists() and stamp.read_text() == LOCK.read_text() and inside.exists():
        return inside
    base = interpreter()
    if base is None:
        return None
    subprocess.run([base, "-m", "venv", "--clear", HOME], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    subprocess.run([inside, *install, "--require-hashes", "--requirement", LOCK], check=True)
    stamp.write_text(LOCK.read_text())
    return inside


def well_known_protos(inside: Path) -> Path:
    """Returns the folder with the compiler's google/protobuf/*.proto."""
    program = "import grpc_tools; print(next(iter(grpc_tools.__path__)))"
    done = subprocess.run([inside, "-c", program], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / "_proto"


def protoc(inside: Path, plugins: Path, *arguments: str) -> None:
    """Runs protoc with the plugins (programs such as protoc-gen-mypy) of a folder. Exits with its errors."""
    environment = os.environ | {"PATH": os.pathsep.join([str(plugins), os.environ.get("PATH", "")])}
    done = subprocess.run(
        [inside, "-m", "grpc_tools.protoc", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)


def requirement() -> str:
    """Returns the only requirement of the group protoc in pyproject.toml."""
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    return str(groups["protoc"][0])
