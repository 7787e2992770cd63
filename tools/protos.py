"""Generates the stubs from protos/. Third-party protos and compilers come from wheels.

    python tools/protos.py third-party   copy the protos that ours import into .build/third_party, for buf
    python tools/protos.py generate      write generated/affilia: stubs, types, descriptors
    python tools/protos.py stale         list generated files that no longer match protos/
    python tools/protos.py breaking      check protos/ for breaking changes since the last version

The generated files depend only on protos/ and the locks (the dev lock has the generator of types and Google's protos,
requirements-protoc.lock the compiler): files are in sorted order, without dates or paths.
"""

import filecmp
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import google.api
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import compiler

REPOSITORY = Path(__file__).resolve().parent.parent
PROTOS = REPOSITORY / "protos"
GENERATED = REPOSITORY / "generated" / "affilia"
BUILD = REPOSITORY / ".build"
THIRD_PARTY = BUILD / "third_party"
PROGRAMS = Path(sys.executable).parent

# The folder in which the wheel has google/api and google/rpc.
COMMON_PROTOS = Path(next(iter(google.api.__path__))).parent.parent
# Our protos don't import it, but errors carry these details, and not every language has a package for them.
ERROR_DETAILS = "google/rpc/error_details.proto"
DESCRIPTORS = "descriptors.binpb"
NO_PYTHON = "The compiler of the stubs requires Python 3.11 or 3.12, and neither was found (docs/decisions/0011)"

IMPORT = re.compile(r'^import\s+(?:public\s+|weak\s+)?"([^"]+)"\s*;', re.MULTILINE)


def copy_third_party(protos: Path, destination: Path) -> None:
    """Copies the third-party protos that a folder's protos import, transitively, and the details of errors.

    google/protobuf is left out, because buf and protoc both include it.
    """
    imported = [name for file in protos.rglob("*.proto") for name in IMPORT.findall(file.read_text())]
    wanted = [*imported, ERROR_DETAILS]
    copied: dict[str, str] = {}
    while wanted:
        name = wanted.pop()
        if name in copied or name.startswith("google/protobuf/") or (protos / name).exists():
            continue
        source = COMMON_PROTOS / name
        if not source.exists():
            sys.exit(f"{name} is imported, but is neither in protos/ nor in googleapis-common-protos")
        copied[name] = source.read_text()
        wanted += IMPORT.findall(copied[name])
    # Only changed files are written, because buf may be reading them.
    destination.mkdir(parents=True, exist_ok=True)
    for file in destination.rglob("*.proto"):
        if file.relative_to(destination).as_posix() not in copied:
            file.unlink()
    for name, text in copied.items():
        target = destination / name
        if not target.exists() or target.read_text() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)


def generate(protoc: Path, destination: Path) -> None:
    """Writes the package `affilia` into an existing folder. `protoc` is the Python of the compiler's environment."""
    files = sorted(file.relative_to(PROTOS).as_posix() for file in PROTOS.rglob("*.proto"))
    if not files:
        sys.exit("There are no protos under protos/.")
    services = [file for file in files if re.search(r"^service\s", (PROTOS / file).read_text(), re.MULTILINE)]
    well_known = compiler.well_known_protos(protoc)
    includes = [f"--proto_path={folder}" for folder in (PROTOS, THIRD_PARTY, well_known)]
    package = destination / "affilia"
    package.mkdir()
    messages = [f"--python_out={destination}", f"--mypy_out={destination}"]
    calls = [f"--grpc_python_out={destination}", f"--mypy_grpc_out={destination}"]
    descriptors = ["--include_imports", "--include_source_info"]
    descriptors.append(f"--descriptor_set_out={package / DESCRIPTORS}")
    compiler.protoc(protoc, PROGRAMS, *includes, *messages, *descriptors, *files)
    if services:
        compiler.protoc(protoc, PROGRAMS, *includes, *calls, *services)
    for folder in [package, *(folder for folder in package.rglob("*") if folder.is_dir())]:
        (folder / "__init__.py").touch()
    (package / "py.typed").touch()


def replace_generated() -> None:
    """Generates the package in a temporary folder and replaces the old one with it, so that no stale file stays."""
    protoc = compiler.python()
    if protoc is None:
        sys.exit(NO_PYTHON)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        generate(protoc, Path(folder))
        shutil.rmtree(GENERATED, ignore_errors=True)
        GENERATED.parent.mkdir(exist_ok=True)
        Path(folder, "affilia").rename(GENERATED)
    print(f"generated/affilia: {sum(1 for _ in _files(GENERATED))} files")


def stale() -> list[str]:
    """Returns the names of files that differ from newly generated ones, are missing, or are no longer generated.

    If the compiler can't run here, compares only the descriptors, with those that buf builds.
    """
    protoc = compiler.python()
    if protoc is None:
        print(f"{NO_PYTHON}: only the descriptors were compared.")
        return [DESCRIPTORS] if described_by_buf() != _without_sources((GENERATED / DESCRIPTORS).read_bytes()) else []
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        generate(protoc, Path(folder))
        fresh = Path(folder, "affilia")
        names = {file.relative_to(root).as_posix() for root in (fresh, GENERATED) for file in _files(root)}
        return sorted(
            name
            for name in names
            if not ((fresh / name).exists() and (GENERATED / name).exists())
            or not filecmp.cmp(fresh / name, GENERATED / name, shallow=False)
        )


def described_by_buf() -> dict[str, bytes]:
    """Returns the descriptors of protos/ by file, without comments, as buf builds them."""
    build = ["build", "--as-file-descriptor-set", "--exclude-source-info", "--output=-#format=binpb"]
    done = subprocess.run([PROGRAMS / "buf", *build], cwd=REPOSITORY, capture_output=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.decode())
    return _without_sources(done.stdout)


def _without_sources(descriptors: bytes) -> dict[str, bytes]:
    found = {}
    for file in FileDescriptorSet.FromString(descriptors).file:
        if file.name.startswith("affilia/"):
            file.ClearField("source_code_info")
            found[file.name] = file.SerializeToString(deterministic=True)
    return found


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def previous_version() -> str | None:
    """Returns the git ref that the protos must stay compatible with, or None if there is none yet.

    This is the newest tag v…, or before the first tag, on a branch, the commit where the branch left main. On main,
    protos can change freely until the first release. AFFILIA_BREAKING_AGAINST sets another ref.
    """
    if named := os.environ.get("AFFILIA_BREAKING_AGAINST"):
        return named
    if tag := _git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*"):
        return tag
    for main in ("origin/main", "main"):
        base = _git("merge-base", "HEAD", main)
        if base and base != _git("rev-parse", "HEAD"):
            return base
    return None


def breaking() -> int:
    """Runs `buf breaking` against the previous version, which is unpacked together with its own third-party protos."""
    ref = previous_version()
    if ref is None:
        print("There is no earlier version to compare with.")
        return 0
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        before = Path(folder)
        archive = subprocess.run(
            ["git", "archive", "--format=zip", ref, "protos", "buf.yaml"],
            cwd=REPOSITORY, capture_output=True, check=False,
        )  # fmt: skip
        if archive.returncode:
            if _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"):
                print(f"{ref} has no protos to compare with.")
                return 0
            print(archive.stderr.decode())
            return archive.returncode
        with zipfile.ZipFile(io.BytesIO(archive.stdout)) as contents:
            contents.extractall(before)
        copy_third_party(before / "protos", before / ".build" / "third_party")
        print(f"Comparing with {ref}")
        return subprocess.run(
            [PROGRAMS / "buf", "breaking", "--against", before], cwd=REPOSITORY, check=False
        ).returncode


def _git(*arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> int:
    """Runs the command named on the command line."""
    command = sys.argv[1] if len(sys.argv) == 2 else ""
    BUILD.mkdir(exist_ok=True)
    copy_third_party(PROTOS, THIRD_PARTY)
    match command:
        case "third-party":
            return 0
        case "generate":
            replace_generated()
            return 0
        case "stale":
            names = stale()
            if names:
                print("Stale, run `make generate`:", *names, sep="\n  ")
            return bool(names)
        case "breaking":
            return breaking()
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
