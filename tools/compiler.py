"""The compiler of the stubs: an old grpcio-tools, in a venv of its own under .build/.

Its age is the point: stubs made by it work with many years of grpcio and protobuf (docs/decisions/0011). It would
bind the protobuf of whatever it is installed beside, so it stands alone, from requirements-protoc.lock, and without
what it says it depends on: protoc is all that is used of it.
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

# There are wheels of it for these and for no newer Python.
PYTHONS = ((3, 11), (3, 12))


def interpreter() -> Path | None:
    """A Python that the compiler can run on: this one or one on the path; none where the machine has none."""
    if sys.version_info[:2] in PYTHONS:
        return Path(sys.executable)
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        # A shim of pyenv stands on the path also for versions that are not chosen, and fails.
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(found)
    return None


def python() -> Path | None:
    """The interpreter of the compiler's venv, which is made anew when the lock changed; none without a Python."""
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
    """Where the compiler keeps google/protobuf/*.proto."""
    where = "import grpc_tools; print(next(iter(grpc_tools.__path__)))"
    done = subprocess.run([inside, "-c", where], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / "_proto"


def protoc(inside: Path, plugins: Path, *arguments: str) -> None:
    """Runs protoc. Plugins (protoc-gen-mypy) are looked for in a folder; they are programs of their own."""
    environment = os.environ | {"PATH": os.pathsep.join([str(plugins), os.environ.get("PATH", "")])}
    done = subprocess.run(
        [inside, "-m", "grpc_tools.protoc", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr)


def wanted() -> str:
    """What pyproject.toml asks for: the one requirement of the group protoc."""
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    requirement: str = groups["protoc"][0]
    return requirement
